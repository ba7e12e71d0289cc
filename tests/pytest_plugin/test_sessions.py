"""The main job end to end: sessions over a store, with and without xdist."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from stabbench.runs import Store
from tests.pytest_plugin.conftest import JUDGED, Project, Session

Replay = Callable[..., Session]


@pytest.mark.parametrize("workers", [[], ["-n", "2"], ["-n", "2", "--dist", "worksteal"]])
def test_a_trained_grid_is_judged(replay: Replay, workers: list[str]) -> None:
    found = replay(*workers, "--strategy", "ours", "--strategy", "devlin", "suites/toy")
    assert sum(found.outcomes().values()) == 10, found.output
    assert found.code == 1  # three seeds can prove little
    assert "fine-tuning stability" in found.output
    assert "stabbench report" in found.output
    row = next(line for line in found.output.splitlines() if line.startswith("devlin  "))
    assert row.split()[:4] == ["devlin", "toy", "tiny-bert", "3"]


def test_nothing_is_trained_twice(replay: Replay, project: Project) -> None:
    before = {p: p.stat().st_mtime_ns for p in (project.folder / ".stabbench").rglob("record.json")}
    replay("suites/toy", "--strategy", "ours")
    assert before == {p: p.stat().st_mtime_ns for p in (project.folder / ".stabbench").rglob("record.json")}


def test_records_are_the_same_with_one_and_two_workers(project: Project, trained: Path) -> None:
    """The store of `trained` was made with two workers."""
    project.run("-n", "1", "--strategy", "devlin", "suites/toy")
    mine = {r.key: r for r in Store(project.folder / ".stabbench").records()}
    theirs = {r.key: r for r in Store(trained).records()}
    assert len(mine) == 3
    for key, record in mine.items():
        assert record.result() == theirs[key].result()


def test_invariant_4_a_selected_gate_brings_its_runs(project: Project) -> None:
    project.write_suite(gates=JUDGED)
    node = "suites/toy/test_toy.py::test_scores[devlin-toy-tiny-bert]"
    found = project.run(node, "--strategy", "devlin")
    assert found.outcomes() == {"passed": 1}, found.output
    assert found.code == 0
    assert len(Store(project.folder / ".stabbench").keys()) == 3


def test_gates_only(replay: Replay, project: Project) -> None:
    project.write_suite(gates=JUDGED + "\ndef test_few_runs_fail(stability):\n    assert False\n")
    found = replay("-k", "test_scores", "suites/toy")
    assert found.outcomes() == {"passed": 1, "deselected": 4}
    assert found.code == 0


def test_marks_select(replay: Replay) -> None:
    assert replay("-m", "stab_run", "suites/toy").outcomes() == {"passed": 3, "deselected": 2}
    assert replay("-m", "stab_gate", "suites/toy").outcomes()["deselected"] == 3


def test_replay_trains_nothing(project: Project) -> None:
    found = project.run("--stab-replay", "suites/toy")
    assert found.code == 1
    assert found.outcomes() == {"failed": 1, "skipped": 2, "error": 2}, found.output
    assert "3 of 3 runs of ours on toy with tiny-bert are not in the store (seed 0, 1, 2)" in found.output
    assert "--stab-replay trains nothing" in found.output
    assert "0 of 3 runs of ours on toy have a score" in found.output
    assert not (project.folder / ".stabbench" / "runs").exists()


def test_invariant_3_a_gate_never_passes_on_an_incomplete_group(replay: Replay, project: Project) -> None:
    """Two of three runs are there: gates are errors, neither PASS nor FAIL."""
    store = Store(project.folder / ".stabbench")
    lost = next(record for record in store.records() if record.strategy == "ours" and record.seed == 1)
    shutil.rmtree(store.folder(lost.key))
    found = replay("--stab-replay", "-k", "test_scores", "suites/toy")
    assert found.outcomes()["error"] == 1, found.output
    assert "not run: seed 1" in found.output
    assert found.code == 1


def test_a_tampered_record_is_reported_and_computed_again(replay: Replay, project: Project) -> None:
    store = Store(project.folder / ".stabbench")
    victim = next(record for record in store.records() if record.strategy == "ours")
    place = store.folder(victim.key) / "record.json"
    place.write_text(place.read_text().replace('"seed":', '"seed": ', 1).replace("0", "1", 1))
    found = replay("suites/toy")
    assert "was changed after it was written" in found.output or "does not fit" in found.output
    assert store.read(victim.key).result() == victim.result()


def test_x_and_last_failed(trained: Path, project: Project) -> None:
    shutil.copytree(trained, project.folder / ".stabbench")
    found = project.run("-x", "suites/toy", cache=True)
    assert found.outcomes()["failed"] == 1
    assert found.code == 1
    again = project.run("--lf", "suites/toy", cache=True)
    assert "test_few_runs_fail" in again.output
    assert again.outcomes()["failed"] == 1


def test_against_brings_the_other_strategy(replay: Replay, project: Project) -> None:
    gates = (
        "@pytest.mark.against('devlin')\n"
        "def test_other(stability, against):\n"
        "    assert (stability.strategy, against.strategy) == ('ours', 'devlin')\n"
        "    assert {run.strategy for run in against.runs} == {'devlin'}\n"
        "    assert against.planned_seeds == stability.planned_seeds\n"
    )
    project.write_suite(gates=gates)
    found = replay("suites/toy")
    assert found.outcomes() == {"passed": 7}, found.output
    both = replay("--strategy", "ours", "--strategy", "devlin", "suites/toy")
    assert both.outcomes() == {"passed": 7}, both.output  # devlin is not compared with itself


@pytest.mark.parametrize(
    ("how", "code", "outcome"), [("fail", 1, "failed"), ("warn", 0, "passed"), ("skip", 0, "skipped")]
)
def test_inconclusive(project: Project, trained: Path, how: str, code: int, outcome: str) -> None:
    gates = (
        "from stabbench.samples.verdict import Verdict\n"
        "from stabbench.statistics import Evidence, Outcome\n\n"
        "def test_it(stability):\n"
        "    unsure = Verdict(Evidence('failures', Outcome.INCONCLUSIVE, 'who knows', 'share'))\n"
        "    stability.verdicts.append(unsure)\n    assert unsure\n"
    )
    project.write_suite(gates=gates)
    shutil.copytree(trained, project.folder / ".stabbench")
    found = project.run("--stab-inconclusive", how, "-k", "test_it", "-W", "error", "suites/toy")
    assert found.code == code, found.output
    assert found.outcomes()[outcome] == 1
    assert how != "warn" or found.outcomes()["warning"] == 1


def test_a_verdict_that_nobody_asserts_still_counts(project: Project, trained: Path) -> None:
    project.write_suite(gates="def test_it(stability):\n    stability.few_failures(at_most=0.01)\n")
    shutil.copytree(trained, project.folder / ".stabbench")
    assert project.run("-k", "test_it", "suites/toy").code == 1


def test_junit_carries_the_evidence(replay: Replay, project: Project) -> None:
    replay("--junit-xml", "junit.xml", "-n", "1", "suites/toy")
    tree = ET.parse(project.folder / "junit.xml")
    properties = {p.get("name"): p.get("value") for p in tree.iter("property")}
    assert properties["failures.outcome"] in ("PASS", "FAIL", "INCONCLUSIVE")
    assert json.loads(properties["stabbench_gate"])["planned"] == 3


def test_shards_and_merge(project: Project) -> None:
    first = project.run("--stab-shard", "1/2", "-m", "stab_run", "--stab-store", "one", "suites/toy")
    second = project.run("--stab-shard", "2/2", "-m", "stab_run", "--stab-store", "two", "suites/toy")
    assert first.outcomes()["passed"] + second.outcomes()["passed"] == 3
    from stabbench.cli import main

    assert main(["merge", *(str(project.folder / name) for name in ("all", "one", "two"))]) == 0
    found = project.run("--stab-replay", "--stab-store", "all", "-m", "stab_run", "suites/toy")
    assert found.outcomes()["passed"] == 3
