"""A store's index makes reading quick and changes nothing of what is read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stabbench
from stabbench.runs import Store
from stabbench.samples.reader import load
from tests.leaderboard.generate import fill, run

SEEDS = 4


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of four runs whose files are an hour old to their file system."""
    store = Store(tmp_path)
    fill(store, ["ours"], ["mini-rte"], range(SEEDS))
    return store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys of the records that are read from their own files, as they are."""
    monkeypatch.setattr("stabbench.runs.index.FRESH_NS", -(10**12))  # do not wait until a file is old
    found: list[str] = []
    original = Store.read

    def counted(self: Store, key: str) -> object:
        found.append(key)
        return original(self, key)

    monkeypatch.setattr(Store, "read", counted)
    return found


def test_load_reads_each_record_once_and_the_next_load_none(store: Store, read: list[str]) -> None:
    first = stabbench.load(store)
    assert read == store.keys()
    assert first.to_pandas().shape[0] == SEEDS
    assert stabbench.load(store) == first
    assert read == store.keys(), "the index has them"


def test_what_the_index_gives_is_what_the_files_give(store: Store, read: list[str]) -> None:
    store.write(*run("ours", "mini-rte", 9, kind="diverged"))
    store.write(*run("elsewhere", "mini-rte", 1, imported=True))
    first = load(store, traces=True)
    again = load(store, traces=True)
    assert len(read) == SEEDS + 2
    assert again == first
    for name in ("index.json", "traces.json"):
        (store.root / name).unlink()
    assert load(store, traces=True) == first


def test_only_what_changed_is_read_again(store: Store, read: list[str]) -> None:
    load(store)
    read.clear()
    new = store.write(*run("ours", "mini-rte", 7))
    old = store.write(*run("ours", "mini-rte", 0))
    assert len(load(store).records) == SEEDS + 1
    assert sorted(read) == sorted([new.key, old.key])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_file_is_never_hidden_by_the_index(
    store: Store, read: list[str], data: st.DataObject
) -> None:
    load(store)
    key = data.draw(st.sampled_from(store.keys()))
    place = store.folder(key) / data.draw(st.sampled_from(["record.json", "arrays.npz"]))
    before, good = place.stat(), place.read_bytes()
    at = data.draw(st.integers(0, len(good) - 2))
    place.write_bytes(good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :])
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nobody had been there
    assert len(load(store).problems) == 1
    place.write_bytes(good)
    assert load(store).problems == ()


def test_a_file_that_may_still_change_unseen_is_not_indexed(store: Store) -> None:
    load(store)
    text = (store.root / "index.json").read_bytes() if (store.root / "index.json").exists() else b"{}"
    assert text.split(b"\n")[-1] == b"{}"


@pytest.mark.parametrize("damage", ["", "{", "0 0\n{}", "null"])
def test_a_damaged_index_is_made_anew(damage: str, store: Store, read: list[str]) -> None:
    first = load(store)
    place = store.root / "index.json"
    good = place.read_bytes()
    place.write_text(damage)
    assert load(store) == first
    assert place.read_bytes() == good
    place.write_bytes(good.replace(b'"completed"', b'"diverged!"'))
    assert load(store) == first


def test_a_store_that_cannot_be_written_is_read(
    store: Store, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("stabbench.runs.index.tempfile.TemporaryFile", refuse)
    assert len(load(store).records) == SEEDS
    assert not (store.root / "index.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr("stabbench.runs.index.FRESH_NS", -(10**12))
    monkeypatch.setattr("stabbench.runs.files.tempfile.mkstemp", refuse)
    assert len(load(store).records) == SEEDS
    assert not (store.root / "index.json").exists()


def test_readers_and_a_writer_at_once_see_whole_records(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "import stabbench.runs.index as index; index.FRESH_NS = 0\n"
        "from stabbench.runs import Store; from tests.leaderboard.generate import run\n"
        "store = Store(Path(sys.argv[1])); first = int(sys.argv[3])\n"
        "for seed in range(first, first + 15):\n"
        "    store.write(*run('ours', 'mini-rte', seed)); assert not store.read_all()[1]\n"
    )
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", program, str(tmp_path), root]
    writers = [subprocess.Popen([*command, first]) for first in ("0", "15")]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert {record.seed for record in load(Store(tmp_path)).records} == set(range(30))
