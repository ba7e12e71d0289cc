"""Runs that left no record are missed by the groups that they belong to, and by no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import stabbench
from stabbench.cli import main
from stabbench.errors import RecordError
from stabbench.runs import ErrorNote, RunRecord, Store
from stabbench.samples.scores import Incomplete
from stabbench.spec import Seeds
from tests.samples.records import STEADY, record, records, spec


def note(store: Store, run: RunRecord, with_spec: bool = True) -> None:
    """Let a run have errored instead of ended."""
    shutil.rmtree(store.folder(run.key), ignore_errors=True)
    store.note_error(
        ErrorNote(
            key=run.key, kind="crash", message="signal 11", log="", spec=run.spec if with_spec else None
        )
    )


def damage(store: Store, run: RunRecord) -> None:
    """Let a record lie, whose specification is still the one that its key proves."""
    place = store.folder(run.key) / "record.json"
    place.write_text(place.read_text().replace('"completed"', '"diverged"'))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".stabbench")
    for run in records(STEADY):
        store.write(run)
    return store


@pytest.mark.parametrize("lose", [note, damage, lambda store, run: note(store, run, with_spec=False)])
@pytest.mark.parametrize("seeds", [range(120, 125), [4_321]])
def test_a_group_lacks_its_lost_run_whatever_its_seed_is(
    store: Store, lose: Callable[[Store, RunRecord], None], seeds: list[int]
) -> None:
    """Five failed seeds beyond the first hundred, turned into error notes, had left a PASS."""
    for seed in seeds:
        lose(store, store.write(record(seed, 146)))
    (group,) = stabbench.load(store).groups()
    assert sorted(group.errored) == list(seeds)
    with pytest.raises(Incomplete, match=f"seed {seeds[0]} errored"):
        group.few_failures(0.2)


def test_a_note_that_nobody_can_place_lets_nobody_judge(store: Store) -> None:
    note(store, record(0, 146, strategy="unknown"), with_spec=False)
    with pytest.raises(Incomplete, match=r"errors/.*json tells of a run that errored .crash."):
        stabbench.load(store).groups()
    note(store, record(0, 146, strategy="unknown"))
    (group,) = stabbench.load(store).groups()
    assert group.complete, "it is known to be of another group"


def test_the_note_of_another_run_places_nothing(store: Store) -> None:
    run, other = record(25, 146), spec(99)
    store.note_error(ErrorNote(key=run.key, kind="crash", message="", log="", spec=other))
    (group,) = stabbench.load(store).groups()
    assert list(group.errored) == [25], "placed by its key, not by what it says"


@pytest.mark.parametrize("lose", [note, damage, lambda store, run: note(store, run, with_spec=False)])
def test_a_lost_replicate_is_missed_by_no_sample(
    store: Store, lose: Callable[[Store, RunRecord], None]
) -> None:
    lose(store, store.write(record(3, 188, replicate=2)))
    (group,) = stabbench.load(store).groups()
    assert group.complete


@pytest.mark.parametrize("lose", [note, damage])
def test_a_lost_run_with_held_streams_is_missed_by_no_sample(
    store: Store, lose: Callable[[Store, RunRecord], None]
) -> None:
    apart = record(0, 188)
    assert apart.spec is not None
    held = apart.spec.change(seeds=Seeds(head=0, order=5, dropout=0, strategy=0))
    lose(store, store.write(apart.model_copy(update={"spec": held, "key": held.key})))
    (group,) = stabbench.load(store).groups()
    assert group.complete


def from_start(run: RunRecord, start: RunRecord) -> RunRecord:
    assert run.spec is not None
    made = run.spec.change(start=start.spec)
    return run.model_copy(update={"spec": made, "key": made.key, "group": made.group})


@pytest.mark.parametrize("lose", [note, damage, lambda store, run: note(store, run, with_spec=False)])
def test_a_lost_start_blocks_nobody(store: Store, lose: Callable[[Store, RunRecord], None]) -> None:
    start = record(0, 190, task="mnli")
    store.write(from_start(record(0, 190, strategy="intermediate"), start))
    store.write(start)
    lose(store, start)
    assert [group.complete for group in stabbench.load(store).groups()] == [True, True]


def test_a_start_whose_runs_all_errored_is_no_group(store: Store, tmp_path: Path) -> None:
    start = store.write(record(0, 190, task="mnli"))
    for seed in range(3):
        note(store, from_start(record(seed, 190, strategy="intermediate"), start))
    found = stabbench.load(store)
    assert [group.task for group in found.groups()] == ["rte"]
    assert found.unplaced_errors == 3
    assert main(["leaderboard", "--save-archive", "a.gz", "--format", "csv", "--out", "board"]) == 0
    assert [group.task for group in stabbench.load(tmp_path / "a.gz").groups()] == ["rte"]


def test_foreign_names_are_told_and_block_nobody(store: Store) -> None:
    (store.root / "runs" / "README.txt").write_text("mine")
    (store.root / "runs" / "old copy").mkdir()
    shutil.copytree(store.folder(records(STEADY)[0].key), store.root / "runs" / "copy of 1")
    found = stabbench.load(store)
    assert len(found.problems) == 3
    assert [group.complete for group in found.groups()] == [True]
    assert main(["merge", "all", ".stabbench"]) == 0


def test_two_runs_of_a_group_were_scored_on_the_same_rows(store: Store) -> None:
    place = store.write(record(30, 190).model_copy(update={"label_entropy": 0.5}))
    with pytest.raises(RecordError, match=r"are of one group .* but label_entropy is"):
        stabbench.load(store)
    shutil.rmtree(store.folder(place.key))
    assert stabbench.load(store).groups()


def test_a_replicate_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.write(record(3, 188, replicate=2))
    assert main(["show", run.key[:12]]) == 0
    assert "seed 3, replicate 2" in capsys.readouterr().out
