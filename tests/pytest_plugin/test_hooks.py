"""A conftest with each of the user hooks."""

from __future__ import annotations

import json

import pytest

from tests.pytest_plugin.conftest import Project

CONFTEST = """
import json
from pathlib import Path

def note(hook, **what):
    with (Path(__file__).parent / "hooks.jsonl").open("a") as file:
        file.write(json.dumps({"hook": hook, **what}) + "\\n")

def pytest_stab_planned(config, groups):
    note("planned", groups=[f"{g.strategy} {g.task} {len(g.requests)}" for g in groups])

def pytest_stab_run_started(config, request):
    note("started", seed=request.spec.seed)

def pytest_stab_run_finished(config, request, outcome, record):
    note("finished", seed=request.spec.seed, kind=outcome.kind, score=record.last.value)

def pytest_stab_verdict(config, stability, verdict):
    note("verdict", group=str(stability), outcome=str(verdict.outcome))

def pytest_stab_table(config, headers, rows):
    headers.append("owner")
    for row in rows:
        row.append("me and you")
    rows.append(["published", *["-"] * (len(headers) - 1)])
"""


def told(project: Project, hook: str) -> list[dict[str, object]]:
    lines = (project.folder / "hooks.jsonl").read_text().splitlines()
    return [found for found in map(json.loads, lines) if found["hook"] == hook]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_every_hook_is_called(instant: Project, workers: list[str]) -> None:
    (instant.folder / "conftest.py").write_text(CONFTEST)
    found = instant.run(*workers, "suites/toy")
    assert [note["groups"] for note in told(instant, "planned")] == [["ours toy 3"]] * (2 if workers else 1)
    assert {note["seed"] for note in told(instant, "started")} == {0, 1, 2}
    finished = told(instant, "finished")
    assert sorted(note["seed"] for note in finished if note["kind"] == "done") == [0, 1, 2]
    assert len(finished) <= len(told(instant, "started"))
    (verdict,) = told(instant, "verdict")
    assert verdict["group"] == "ours-toy-tiny-bert"
    assert str(verdict["outcome"]) in found.output
    header = next(line for line in found.output.splitlines() if line.startswith("strategy "))
    assert header.split()[-1] == "owner"
    assert next(line for line in found.output.splitlines() if line.startswith("ours ")).endswith("me and you")
    assert any(line.startswith("published  ") for line in found.output.splitlines())


def test_what_is_in_the_store_is_planned_and_judged_but_not_announced(instant: Project) -> None:
    instant.run("suites/toy")
    (instant.folder / "conftest.py").write_text(CONFTEST)
    instant.run("suites/toy")
    assert len(told(instant, "planned")) == len(told(instant, "verdict")) == 1
    assert told(instant, "started") == told(instant, "finished") == []


def test_a_group_that_cannot_be_planned_is_left_to_its_items(instant: Project) -> None:
    (instant.folder / "conftest.py").write_text(CONFTEST)
    found = instant.run("suites/toy", "--stab-model", "./nowhere", "--stab-model", str(instant.toy.model))
    assert [note["groups"] for note in told(instant, "planned")] == [["ours toy 3"]]
    assert "./nowhere is no folder" in found.output
    assert found.code == 1


def test_collecting_plans_nothing(instant: Project) -> None:
    (instant.folder / "conftest.py").write_text(CONFTEST)
    instant.run("--collect-only", "suites/toy")
    assert not (instant.folder / "hooks.jsonl").exists()
