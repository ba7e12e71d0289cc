"""Stores of several machines become one, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stabbench.cli import main
from stabbench.errors import RecordError
from stabbench.runs import ErrorNote, Store
from stabbench.runs.merge import merge
from stabbench.samples.imports import import_scores
from tests.leaderboard.generate import run


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    """Return a target that has seed 0 and a source that has the seeds 0 and 1."""
    target, source = Store(tmp_path / "target"), Store(tmp_path / "source")
    target.write(*run(seed=0))
    for seed in range(2):
        source.write(*run(seed=seed))
    return target, source


def content(store: Store) -> dict[str, bytes]:
    """Return what is in a store, without its index."""
    return {
        str(path.relative_to(store.root)): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and path.parent != store.root
    }


def test_what_is_lacking_is_copied_with_all_that_its_folder_holds(
    stores: tuple[Store, Store], tmp_path: Path
) -> None:
    target, source = stores
    record, arrays = run(seed=2)
    (tmp_path / "weights").write_bytes(b"weights")
    record = source.write(record, arrays, files={"model.safetensors": tmp_path / "weights"})
    assert merge(target, [source]) == [(2, 1)]
    assert (target.folder(record.key) / "model.safetensors").read_bytes() == b"weights"
    np.testing.assert_array_equal(target.arrays(record)["loss"], arrays["loss"])
    assert target.folder(record.key).stat().st_mode & 0o777 == 0o755
    assert content(target) == content(source)
    assert merge(target, [source]) == [(0, 3)]


def test_two_results_of_one_run_are_refused_and_nothing_is_written(stores: tuple[Store, Store]) -> None:
    target, source = stores
    record, arrays = run(seed=0)
    source.write(record.model_copy(update={"label_entropy": 0.5}), arrays)
    before = content(target)
    with pytest.raises(RecordError, match=rf"another result in {source.root} than in {target.root}"):
        merge(target, [source])
    assert content(target) == before


def test_two_sources_that_differ_are_refused(stores: tuple[Store, Store], tmp_path: Path) -> None:
    target, source = stores
    other = Store(tmp_path / "other")
    record, arrays = run(seed=1)
    other.write(record.model_copy(update={"label_entropy": 0.5}), arrays)
    before = content(target)
    with pytest.raises(RecordError, match=rf"another result in {other.root} than in {source.root}"):
        merge(target, [source, other])
    assert content(target) == before


def test_copies_that_differ_in_times_only_are_one_run(stores: tuple[Store, Store]) -> None:
    target, source = stores
    record, arrays = run(seed=0)
    source.write(record.model_copy(update={"created": "2030-01-01T00:00:00+00:00", "seconds": 1.0}), arrays)
    assert merge(target, [source]) == [(1, 1)]


def test_one_score_imported_from_two_files_is_one_run(tmp_path: Path) -> None:
    rows = ["task,model,strategy,metric,n_dev,seed,score,n_majority"]
    rows += [f"rte,bert,x,accuracy,277,{seed},0.7004,146" for seed in range(2)]
    stores = [Store(tmp_path / name) for name in "ab"]
    for length, store in zip((2, 3), stores, strict=True):
        (tmp_path / "scores.csv").write_text("\n".join(rows[:length]) + "\n")
        import_scores(tmp_path / "scores.csv", store)
    assert merge(Store(tmp_path / "all"), stores) == [(1, 0), (1, 1)]


def test_a_bad_record_anywhere_stops_the_merge_before_it_begins(
    stores: tuple[Store, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, source = stores
    last = Store(tmp_path / "last")
    bad = last.write(*run(seed=3))
    (last.folder(bad.key) / "arrays.npz").write_bytes(b"")
    before = content(target)
    assert main(["merge", *(str(store.root) for store in (target, source, last))]) == 2
    assert bad.key in capsys.readouterr().err
    assert content(target) == before


def test_a_bad_record_of_the_target_makes_room_for_a_good_one(stores: tuple[Store, Store]) -> None:
    target, source = stores
    record, _ = run(seed=0)
    (target.folder(record.key) / "record.json").write_text("{")
    assert merge(target, [source]) == [(2, 0)]
    assert target.problems() == []


def test_notes_of_errors_and_of_stopped_grids_are_copied(stores: tuple[Store, Store]) -> None:
    target, source = stores
    errored, done = run(seed=5)[0], run(seed=1)[0]
    note = ErrorNote(key=errored.key, kind="crash", message="signal 11", log="...")
    source.note_error(note)
    target.note_error(note.model_copy(update={"key": done.key}))
    target.note_stopped(done.group, range(5))
    source.note_stopped(done.group, range(10))
    source.note_stopped("a" * 64, range(3))
    merge(target, [source])
    assert target.errors() == [errored.key], "what has a record now has no error"
    assert target.error(errored.key) == note
    assert target.stopped() == {done.group: tuple(range(10)), "a" * 64: (0, 1, 2)}


def test_a_note_with_another_key_than_its_name_writes_nowhere(stores: tuple[Store, Store]) -> None:
    target, source = stores
    source.note_error(ErrorNote(key="mine", kind="crash", message="", log=""))
    place = source.root / "errors" / "mine.json"
    place.write_text(place.read_text().replace("mine", "../../trap"))
    merge(target, [source])
    assert not list(target.root.parent.rglob("trap*"))
