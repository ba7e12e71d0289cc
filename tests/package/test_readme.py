"""README.md, read literally: its blocks are pasted into files, its commands typed one after the other."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

import stabbench
from tests.toy import write_rows

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCES = [token for token in MarkdownIt().parse(README) if token.type == "fence"]
VERDICT = r"\b(FAIL|INCONCLUSIVE) \w+:"
Shell = Callable[[str], subprocess.CompletedProcess[str]]


def blocks(language: str) -> list[str]:
    return [token.content for token in FENCES if token.info == language]


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return how to type a command in a folder that has the README's files."""
    for block in blocks("python"):
        name = block.splitlines()[0].removeprefix("# ")
        assert re.fullmatch(r"[\w/]+\.py", name), f"a block does not say what file it is:\n{block}"
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(block)
    for part, seed in (("train", 1), ("dev", 2)):
        write_rows(tmp_path / f"{part}.csv", 40, seed)
        text = (tmp_path / f"{part}.csv").read_text()
        (tmp_path / f"{part}.csv").write_text(text.replace("text,label", "body,team"))
    # functions, not files: with another PATH it would be another environment, which has no zygote yet
    python = shlex.quote(sys.executable)
    names = f'python() {{ {python} "$@"; }}\n'
    names += "".join(f'{name}() {{ {python} -m {name} "$@"; }}\n' for name in ("pytest", "stabbench"))

    def type_in(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", names + command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    return type_in


def gate_cases(report: Path) -> list[ElementTree.Element]:
    cases = ElementTree.parse(report).iter("testcase")
    return [case for case in cases if str(case.get("name")).startswith("test_")]


def test_pasted_examples_run(shell: Shell, tmp_path: Path) -> None:
    """Few short runs of the small model take seconds; their gates may fail, and must not break."""
    short = "--stab-model mini-bert --stab-seeds 2 --stab-max-steps 2 --junitxml=result.xml"
    done = shell(f"pytest suites --strategy my_method.py:MyMethod:factor=3 {short}")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = gate_cases(tmp_path / "result.xml")
    text = "\n".join(blocks("python"))
    written = re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    assert sorted(str(case.get("name")).split("[")[0] for case in cases) == sorted(written)
    for case in cases:
        assert case.find("error") is None, done.stdout
        failure = case.find("failure")
        assert failure is None or re.search(VERDICT, str(failure.get("message"))), failure.text
    looked = shell("python look.py")
    assert looked.returncode == 0, looked.stderr
    assert re.search(r"tickets +MyMethod:factor=3.* 2\.0 ", looked.stdout), looked.stdout


@pytest.mark.slow
def test_typed_commands_work(shell: Shell, tmp_path: Path) -> None:
    """One after the other, made cheap: grids are collected only, but for the one that is looked at later."""
    for command in commands():
        judges = command.startswith(("pytest suites/mine", "stabbench compare"))
        done = shell(cheap(command, tmp_path / ".stabbench"))
        assert done.returncode == 0 or (judges and done.returncode in (1, 3)), done.stdout + done.stderr


def cheap(command: str, store: Path) -> str:
    """Return what a test can afford of a command, with real names where the README has placeholders."""
    if command.startswith("pip install"):
        return "true"
    if command.startswith("make"):
        return f"{command} --dry-run --directory {shlex.quote(str(ROOT))}"
    if command.startswith("pytest suites/mine"):
        return f"{command} --stab-seeds 3 --stab-max-steps 2"
    if "pytest" in command:
        return f"{command} --collect-only -q -n 0"
    if "KEY" in command:
        command = command.replace("KEY", stabbench.load(store).to_pandas()["group"][0])
    return command.replace("STORE:A", ".stabbench:ours").replace("STORE:B", ".stabbench:devlin")


def test_public_names_are_those_of_the_table() -> None:
    documented = re.findall(r"^\| `stabbench\.(\w+)` \|", README, re.MULTILINE)
    assert sorted(documented) == sorted(stabbench.__all__)
    for name in documented:
        assert getattr(stabbench, name).__doc__
