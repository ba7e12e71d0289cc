"""The example workflow: every command and option in it exists, and a night is red only when confirmed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stabbench.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    text = (ROOT / "examples" / "github-workflow.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


def script(jobs: dict[str, Any], job: str) -> str:
    return "\n".join(step["run"] for step in jobs[job]["steps"] if "name" in step)


def test_its_options_commands_and_suites_exist(jobs: dict[str, Any]) -> None:
    everything = "\n".join(script(jobs, job) for job in jobs)
    help_text = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, check=True
    ).stdout
    names = set(re.findall(r"--[a-z-]+", help_text))
    used = set(re.findall(r"--(?:stab|strategy)[a-z-]*", everything))
    assert {"--stab-baseline", "--stab-replay", "--stab-seeds", "--strategy"} <= used <= names
    for command in re.findall(r"^\s*stabbench (\w+)", everything, re.MULTILINE):
        assert command in COMMANDS


@pytest.mark.parametrize(
    ("codes", "calls", "red"), [([0], 1, False), ([1, 0], 2, False), ([1, 1], 2, True), ([2, 2], 2, True)]
)
def test_a_night_is_red_only_when_a_second_judgement_confirms(
    jobs: dict[str, Any], tmp_path: Path, codes: list[int], calls: int, red: bool
) -> None:
    """With a stand-in for pytest that notes its arguments and ends with the given exit codes in turn."""
    stub = tmp_path / "pytest"
    cases = " ".join(f"{number}) exit {code};;" for number, code in enumerate(codes, start=1))
    stub.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase $(wc -l < {tmp_path}/calls) in {cases} esac\n'
    )
    stub.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-c", script(jobs, "nightly")],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=tmp_path,
        check=False,
    )
    lines = (tmp_path / "calls").read_text().splitlines()
    assert len(lines) == calls
    assert (done.returncode != 0) is red
    seeds = [re.search(r"--stab-seeds (\d+)-(\d+)", line) for line in lines]
    ranges = [range(int(found[1]), int(found[2]) + 1) for found in seeds if found]
    assert all(len(r) == 25 for r in ranges)
    assert len({seed for r in ranges for seed in r}) == 25 * calls  # fresh ones each time
