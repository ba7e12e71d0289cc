"""The one reader: whoever judges sees the same groups, and what they lack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import stabbench
from stabbench.cli import main
from stabbench.errors import RecordError, StoreError
from stabbench.leaderboard.board import build
from stabbench.leaderboard.table import State
from stabbench.runs import ErrorNote, Evaluation, RunRecord, Store
from stabbench.samples.archive import write_archive
from stabbench.samples.baselines import write_baseline
from stabbench.samples.scores import Incomplete
from stabbench.samples.stability import Stability
from stabbench.spec import Seeds
from tests.samples.records import SHAKY, STEADY, N, record, records


def test_one_row_a_run_with_recipe_and_environment(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run in [
        *records(STEADY[:3]),
        *records([146, None], strategy="devlin", recipe={"bias_correction": False}),
    ]:
        store.write(run)
    frame = stabbench.load(tmp_path).to_pandas()
    assert len(frame) == 5
    assert list(frame["strategy"]) == ["devlin", "devlin", "ours", "ours", "ours"]
    assert list(frame["seed"]) == [0, 1, 0, 1, 2]
    assert list(frame["failed"]) == [True, True, False, False, False]
    assert list(frame["status"]) == ["completed", "diverged", "completed", "completed", "completed"]
    assert list(frame["recipe.bias_correction"]) == [False, False, True, True, True]
    assert list(frame["last"])[2:] == [correct / N for correct in STEADY[:3]]
    assert set(frame["environment.device"]) == {"cpu"}
    assert frame["key"].is_unique


def test_groups_leave_replicates_and_separate_streams_out_and_count_them(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run in records(STEADY[:3]):
        store.write(run)
    store.write(record(0, 188, replicate=1))
    apart = record(0, 188)
    assert apart.spec is not None
    spec = apart.spec.model_copy(update={"seeds": Seeds(head=0, order=5, dropout=0, strategy=0)})
    store.write(apart.model_copy(update={"spec": spec, "key": spec.key}))
    found = stabbench.load(store)
    assert len(found.records) == 5
    (group,) = found.groups()
    assert [run.seed for run in group.runs] == [0, 1, 2]
    assert repr(group) == f"<{group}: 3 of 3 runs>"
    (row,) = build(found).rows
    assert (row.finished, found.set_aside[row.group]) == (3, 2)


def test_runs_that_others_only_start_from_are_no_group_for_anyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / ".stabbench")
    start = store.write(record(0, 190, task="mnli"))
    for run in records(STEADY):
        assert run.spec is not None
        spec = run.spec.change(start=start.spec)
        store.write(run.model_copy(update={"spec": spec, "key": spec.key, "group": spec.group}))
    found = stabbench.load(store)
    assert [group.task for group in found.groups()] == [row.task for row in build(found).rows] == ["rte"]
    monkeypatch.chdir(tmp_path)
    assert main(["baseline", "save", "main"]) == 0
    assert {run.task for run in stabbench.load(tmp_path / "baselines" / "main.jsonl").records} == {"rte"}


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[RunRecord]]:
    """Return a store of 25 runs, and the five of them that failed."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".stabbench")
    runs = records([*STEADY[:20], *([146] * 5)])
    for run in runs:
        store.write(run)
    return store, runs[20:]


def errored(store: Store, run: RunRecord) -> None:
    shutil.rmtree(store.folder(run.key))
    store.note_error(ErrorNote(key=run.key, kind="crash", message="signal 11", log=""))


def badly_noted(store: Store, run: RunRecord) -> None:
    errored(store, run)
    (store.root / "errors" / f"{run.key}.json").write_text("{")


def unreadable(store: Store, run: RunRecord) -> None:
    (store.folder(run.key) / "record.json").write_text("{")


def without_arrays(store: Store, run: RunRecord) -> None:
    store.write(run, {"loss": np.ones(3)})
    (store.folder(run.key) / "arrays.npz").unlink()


@pytest.mark.parametrize("lose", [errored, badly_noted, unreadable, without_arrays])
def test_nobody_judges_the_survivors(
    lose: Callable[[Store, RunRecord], None],
    failing: tuple[Store, list[RunRecord]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, lost = failing
    for run in records(SHAKY, strategy="devlin"):
        store.write(run)
    for run in lost:
        lose(store, run)
    found = stabbench.load(store)
    devlin, group = found.groups()
    assert devlin.complete
    assert (group.planned, group.finished, sorted(group.errored)) == (25, 20, [20, 21, 22, 23, 24])
    why = r"20 of 25 runs of ours on rte have a score.\n  seed 20 errored"
    for judge in (
        lambda: group.few_failures(0.2),
        lambda: group.mean,
        lambda: devlin.no_regression(group),
        lambda: devlin.steadier_than(group),
    ):
        with pytest.raises(Incomplete, match=why):
            judge()
    states = {row.strategy: row.state for row in build(found).rows}
    assert states == {"devlin": State.RANKED, "ours": State.INCOMPLETE}
    for command in (["compare", ".stabbench:ours", ".stabbench:devlin"], ["baseline", "save", "main"]):
        assert main(command) == 2
        assert "seed 24 errored" in capsys.readouterr().err
    assert not Path("baselines/main.jsonl").exists()
    assert main(["baseline", "save", "main", "--strategy", "devlin"]) == 0


def test_a_bad_record_of_an_unknown_group_lets_nobody_judge(
    failing: tuple[Store, list[RunRecord]], capsys: pytest.CaptureFixture[str]
) -> None:
    store, _ = failing
    unreadable(store, store.write(record(0, 188, strategy="alone")))
    found = stabbench.load(store)
    assert len(found.records) == len(found.to_pandas()) == 25
    assert len(found.problems) == 1
    with pytest.raises(Incomplete, match="any group may lack them"):
        found.groups()
    for command in (
        ["compare", ".stabbench", ".stabbench"],
        ["baseline", "save", "main"],
        ["leaderboard", "--out", "board"],
        ["leaderboard", "--save-archive", "a.gz", "--format", "csv"],
    ):
        assert main(command) == 2
        assert "any group may lack them" in capsys.readouterr().err
    assert not Path("a.gz").exists()
    assert not Path("baselines").exists()


def test_a_run_that_is_lost_here_is_found_in_another_store(
    failing: tuple[Store, list[RunRecord]], tmp_path: Path
) -> None:
    store, lost = failing
    other = Store(tmp_path / "other")
    errored(store, lost[0])
    unreadable(store, lost[1])
    unreadable(store, store.write(record(0, 188, strategy="alone")))
    for run in (*lost[:2], record(0, 188, strategy="alone")):
        other.write(run)
    found = stabbench.load(store, other)
    assert [(str(group), group.finished, group.complete) for group in found.groups()] == [
        ("alone-rte-bert", 1, True),
        ("ours-rte-bert", 25, True),
    ]
    assert len(stabbench.load(other, store).groups()) == 2


def test_a_grid_that_was_stopped_is_judged_by_few_failures_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runs = records([146] * 20)
    for run in runs:
        store.write(run)
    store.note_stopped(runs[0].group, range(25))
    (group,) = stabbench.load(store).groups()
    assert str(group.few_failures(0.2).outcome) == "FAIL"
    with pytest.raises(Incomplete, match="stopped early"):
        group.good_mean(0.5)
    (store.root / "stopped" / f"{runs[0].group}.json").write_text('["a"]')
    with pytest.raises(RecordError, match="says what a group was to have"):
        stabbench.load(store)


def test_a_source_is_what_its_content_says_whatever_its_name_is(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for run in records(STEADY):
        store.write(run)
    kept = stabbench.load(store)
    write_archive(kept, tmp_path / "a.jsonl")
    write_baseline(tmp_path / "b.gz", kept.groups())
    expected = [group.scores for group in kept.groups()]
    for name in ("store", "a.jsonl", "b.gz"):
        found = stabbench.load(tmp_path / name)
        assert [group.scores for group in found.groups()] == expected, name
    joined = stabbench.load(tmp_path / "a.jsonl", store)
    assert [group.scores for group in joined.groups()] == expected
    with pytest.raises(StoreError, match="nothing is no store"):
        stabbench.load(tmp_path / "nothing")


def test_a_store_and_the_baseline_saved_from_it_are_the_same_runs(tmp_path: Path) -> None:
    store, place = Store(tmp_path / "store"), tmp_path / "main.jsonl"
    for run in records(STEADY):
        scores = {**dict(run.last), "dev_loss": 0.5}
        evaluations = tuple(Evaluation(**{**scores, "step": step}) for step in (156, 312, 468))
        store.write(run.model_copy(update={"evaluations": evaluations}), {"loss": np.ones(468)})
    write_baseline(place, stabbench.load(store).groups())
    joined = stabbench.load(store, place)
    assert joined.records == stabbench.load(place, store).records == stabbench.load(store).records
    (other,) = records(SHAKY[:1])
    write_baseline(place, [Stability.from_records([other])])
    with pytest.raises(RecordError, match="different results"):
        stabbench.load(store, place)


def test_a_collection_is_shown_in_a_line(failing: tuple[Store, list[RunRecord]]) -> None:
    store, lost = failing
    unreadable(store, lost[0])
    assert repr(stabbench.load(store)) == "<24 runs in 1 groups, 1 unreadable>"


def test_load_is_imported_only_when_asked_for() -> None:
    code = "import sys, stabbench; assert not {'pandas', 'torch', 'scipy'} & set(sys.modules); stabbench.load"
    subprocess.run([sys.executable, "-c", code], check=True)
