"""The shipped suites' own gates on the committed runs: `ours` passes, and what learned nothing does not."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from stabbench.samples.archive import read_archive
from stabbench.samples.groups import group_runs
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome

ROOT = Path(__file__).parents[2]
BERT = ("rte", "mrpc", "cola", "qnli", "scitail")


@pytest.fixture(scope="module")
def committed() -> dict[tuple[str, str], Stability]:
    runs = read_archive(ROOT / "baselines" / "mini.runs.jsonl.gz")
    return {(group.task, group.strategy): group.stability for group in group_runs(runs)}


def suite(task: str) -> ModuleType:
    folder = "mini" if task.startswith("mini") else task
    return importlib.import_module(f"stabbench.suites.{folder}.test_{task.replace('-', '_')}")


def judged(task: str, strategy: str, committed: dict[tuple[str, str], Stability]) -> dict[str, Outcome]:
    """Return the verdict of each gate of a task's suite, asked as pytest does."""
    others = {"against": committed[task, "devlin"], "baseline": committed[task, "ours"]}
    found = {}
    for name, test in vars(suite(task)).items():
        if name.startswith("test_"):
            stability = Stability.from_records(committed[task, strategy].runs)
            names = [name for name in inspect.signature(test).parameters if name != "stability"]
            try:
                test(stability, *(others[name] for name in names))
            except AssertionError:
                assert stability.verdict is not Outcome.PASS
            found[name] = stability.verdict
    return found


@pytest.mark.parametrize("task", ["mini-rte", "mini-mrpc", "mini-cola"])
def test_ours_passes_every_gate(task: str, committed: dict[tuple[str, str], Stability]) -> None:
    found = judged(task, "ours", committed)
    assert set(found.values()) == {Outcome.PASS}, found
    assert len(found) == 6


def test_runs_that_learned_nothing_pass_no_gate_that_says_they_did(
    committed: dict[tuple[str, str], Stability],
) -> None:
    """Two of 25 failed, the others are 1 to 10 rows of 300 above the constant: it once had the only star."""
    found = judged("mini-rte", "reinit:layers=1", committed)
    assert found["test_few_runs_are_at_chance"] is Outcome.FAIL
    assert found["test_few_runs_are_poor"] is Outcome.FAIL
    assert found["test_no_regression"] is Outcome.FAIL
    assert Outcome.PASS not in found.values()


@pytest.mark.parametrize("task", ["mini-rte", "mini-mrpc", "mini-cola"])
def test_devlin_passes_no_suite(task: str, committed: dict[tuple[str, str], Stability]) -> None:
    assert Outcome.FAIL in judged(task, "devlin", committed).values()


@pytest.mark.parametrize("task", BERT)
def test_each_suite_asks_for_failures_chance_floor_spread_and_steadiness(task: str) -> None:
    asked = inspect.getsource(suite(task))
    for gate in ("few_failures", "few_at_chance", "few_worse_than", "close_scores", "steadier_than"):
        assert asked.count(f"stability.{gate}(") == 1, gate
