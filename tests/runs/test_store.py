"""Records and the store: what is written is read back, what is broken is reported, nothing is half there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError

from stabbench.errors import RecordError, StoreError
from stabbench.foreign import read_npz
from stabbench.runs import ErrorNote, Lease, RunRecord, Score, Store
from stabbench.runs.arrays import pack_arrays
from stabbench.runs.files import write_atomic
from stabbench.runs.merge import merge
from stabbench.runs.written import read_record, write_record
from stabbench.samples.archive import read_archive, write_archive
from stabbench.samples.baselines import read_baseline, write_baseline
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from stabbench.spec import StrategySpec
from stabbench.stored import canonical_json, digest
from tests.spec.test_spec import make_spec


def make_record(seed: int = 0, **changes: object) -> RunRecord:
    from stabbench.spec import Seeds

    spec = make_spec(seeds=Seeds.all(seed))
    confusion = ((100, 46), (60, 71))
    score = Score(value=171 / 277, step=468, confusion=confusion)
    fields: dict[str, object] = {
        "key": spec.key,
        "group": spec.group,
        "task": "rte",
        "model": "bert",
        "strategy": "ours",
        "seed": seed,
        "spec": spec,
        "metric": "accuracy",
        "constant": 146 / 277,
        "n_dev": 277,
        "status": "completed",
        "last": score,
        "best": score,
        "created": "2026-01-01T00:00:00+00:00",
    }
    return RunRecord(**{**fields, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store")


def test_a_run_is_read_back(store: Store) -> None:
    arrays = {
        "loss": np.linspace(0.7, 0.6, 468, dtype=np.float32),
        "dev_labels": np.repeat([0, 1], [146, 131]),
    }
    written = store.write(make_record(), arrays)
    assert store.read(written.key) == written
    assert store.keys() == [written.key]
    found = store.arrays(written)
    assert set(found) == set(arrays)
    np.testing.assert_array_equal(found["loss"], arrays["loss"])


def test_an_absent_run_is_none(store: Store) -> None:
    assert store.read("0" * 64) is None
    assert store.keys() == []


@given(
    st.dictionaries(
        st.sampled_from(["loss", "logits", "layer_norms"]),
        hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5)),
        min_size=1,
    )
)
def test_arrays_survive_bit_for_bit(arrays: dict[str, np.ndarray]) -> None:
    packed = pack_arrays(arrays)
    assert pack_arrays(dict(reversed(list(arrays.items())))) == packed
    for name, array in read_npz(packed).items():
        assert array.tobytes() == arrays[name].tobytes()
        assert array.shape == arrays[name].shape


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.data())
def test_a_changed_or_missing_byte_is_noticed(store: Store, data: st.DataObject) -> None:
    record = store.write(make_record(), {"loss": np.ones(468, dtype=np.float32)})
    name = data.draw(st.sampled_from(["record.json", "arrays.npz"]))
    place = store.folder(record.key) / name
    good = place.read_bytes()
    at = data.draw(st.integers(0, len(good) - 2))
    if data.draw(st.booleans()):
        bad = good[:at]
    else:
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    place.write_bytes(bad)
    with pytest.raises(RecordError) as error:
        store.read(record.key)
    assert "again" in str(error.value)
    assert store.problems()
    assert list(store.records()) == []
    assert store.write(make_record(), {"loss": np.ones(468, dtype=np.float32)}) == record  # computed again
    assert store.problems() == []


def test_a_record_under_a_wrong_key(store: Store) -> None:
    record = store.write(make_record())
    store.folder(record.key).rename(store.folder("f" * 64))
    with pytest.raises(RecordError, match="is the record of"):
        store.read("f" * 64)


def test_an_older_record_is_read_and_a_newer_one_is_not() -> None:
    data = make_record().model_dump(mode="json")
    del data["imported_from"], data["evaluations"]  # a field that an older format did not have yet
    text = canonical_json({"checksum": digest(data), "record": data})
    assert read_record(text, "here") == make_record()
    data["format"] = 999
    with pytest.raises(RecordError, match="newer"):
        read_record(canonical_json({"checksum": digest(data), "record": data}), "here")


def test_records_check_themselves() -> None:
    with pytest.raises(ValidationError, match="imported"):
        make_record(spec=None)
    with pytest.raises(ValidationError, match="reason"):
        make_record(status="diverged")
    with pytest.raises(ValidationError, match="add up"):
        make_record(last=Score(value=0.5, step=1, confusion=((1, 0), (0, 1))))
    with pytest.raises(ValidationError, match="finite"):
        make_record(train_loss=float("nan"))


def test_a_record_survives_its_text() -> None:
    record = make_record()
    assert read_record(write_record(record), "here") == record


def test_an_unwritable_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "store")
    with pytest.raises(StoreError, match="cannot be written"):
        store.check_writable()
    with pytest.raises(StoreError, match="--stab-store"):
        store.write(make_record())


def test_a_full_disk_leaves_nothing_half_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("stabbench.runs.store.write_synced", full)
        with pytest.raises(StoreError, match="No space left"):
            store.write(make_record())
    assert store.keys() == []
    assert list((store.root / "runs").iterdir()) == []


def test_an_error_note_is_forgotten_when_the_run_succeeds(store: Store) -> None:
    record = make_record()
    note = ErrorNote(key=record.key, kind="crash", message="signal 11", log="...")
    store.note_error(note)
    assert store.error(record.key) == note
    store.write(record)
    assert store.error(record.key) is None


def test_merge(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    arrays = {"loss": np.ones(468, dtype=np.float32)}
    store.write(make_record(0))
    other.write(make_record(0))
    other.write(make_record(1), arrays)
    assert merge(store, [other]) == [(1, 1)]
    assert len(store.keys()) == 2
    np.testing.assert_array_equal(
        store.arrays(next(r for r in store.records() if r.seed == 1))["loss"], np.ones(468)
    )


HOLDER = """
import sys, time
from pathlib import Path
from stabbench.runs import Lease
lease = Lease.acquire(Path(sys.argv[1]))
print("held" if lease else "busy", flush=True)
time.sleep(60)
"""


def test_a_lease_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "run.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert Lease.is_held(path)
        assert Lease.acquire(path) is None
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert not Lease.is_held(path)
    with Lease.acquire(path) as lease:
        assert lease.path == path
        assert Lease.is_held(path)
    assert not Lease.is_held(path)


def test_writers_in_many_processes_leave_one_whole_record(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from tests.runs.test_store import make_record; from stabbench.runs import Store\n"
        "for n in range(20): Store(Path(sys.argv[1])).write(make_record(n))\n"
    )
    root = str(Path(__file__).parents[2])
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / f"s{n}"), root]) for n in range(2)
    ]
    time.sleep(0)
    assert [process.wait() for process in processes] == [0, 0]
    for n in range(2):
        store = Store(tmp_path / f"s{n}")
        assert len(list(store.records())) == 20
        assert len(os.listdir(store.root / "runs")) == 20  # noqa: PTH208 - names only


def test_a_shared_file_is_readable_by_others(tmp_path: Path) -> None:
    write_atomic(tmp_path / "archive", b"old")
    write_atomic(tmp_path / "archive", b"new")
    assert (tmp_path / "archive").read_bytes() == b"new"
    assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


SPECIFICATIONS: dict[str, dict[str, object]] = {
    "mended": {"amended": ("a fault of old", "another")},
    "from a start": {"start": make_spec(amended=("a fault of old",))},
    "with parameters": {
        "strategy": StrategySpec(
            name="ours",
            label="ours",
            source="s",
            parameters={"a": 1, "b": 0.5, "c": True, "d": None, "e": "x"},
        )
    },
}


@pytest.mark.parametrize("kind", SPECIFICATIONS)
def test_whatever_a_specification_holds_is_read_back(store: Store, tmp_path: Path, kind: str) -> None:
    spec = make_spec(**SPECIFICATIONS[kind])
    record = make_record(spec=spec, key=spec.key, group=spec.group)
    store.write(record)
    assert store.read(spec.key) == record
    found = load(store)
    assert found.records == (record,)
    write_archive(found, tmp_path / "a.runs.jsonl.gz")
    assert read_archive(tmp_path / "a.runs.jsonl.gz").records == (record,)
    write_baseline(tmp_path / "b.jsonl", [Stability.from_records([record])])
    assert [run.spec for run in read_baseline(tmp_path / "b.jsonl").records] == [spec]
