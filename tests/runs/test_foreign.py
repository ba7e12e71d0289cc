"""Whatever stands in a file, the worst that comes of reading it is an error of ours."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench.cli import main
from stabbench.errors import DataError, RecordError
from stabbench.foreign import Malformed, read_file, read_json, read_lines, read_npz
from stabbench.runs import RunRecord, Store
from stabbench.runs.written import read_record, write_record
from stabbench.samples.archive import read_archive, write_archive
from stabbench.samples.baselines import read_baseline, write_baseline
from stabbench.samples.collection import Collection
from stabbench.samples.imports import read_scores
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from tests.leaderboard.generate import run, runs
from tests.runs.test_checks import sealed
from tests.samples.records import STEADY, records

DEEP = "[" * 100_000 + "]" * 100_000
TEXTS = {
    "nothing": "",
    "no object": "[]",
    "text": '"record"',
    "deep": DEEP,
    "deep inside": '{"checksum":"0","record":' + "[" * 900 + "]" * 900 + "}",
    "nan": '{"checksum":"0","record":{"constant":NaN}}',
    "infinity": '{"checksum":"0","record":{"constant":-Infinity}}',
    "too large a number": '{"checksum":"0","record":{"constant":1e999}}',
    "surrogate": '{"checksum":"0","record":{"model":"\\ud800"}}',
    "long number": '{"checksum":"0","record":{"seed":' + "9" * 5000 + "}}",
    "no UTF-8": b"\xff\xfe{",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_record_of_odd_json_is_unreadable_and_computed_again(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = store.write(*run())
    text = TEXTS[name]
    (store.folder(record.key) / "record.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused_then_computed(store, record)


def refused_then_computed(store: Store, record: RunRecord) -> None:
    with pytest.raises(RecordError):
        store.read(record.key)
    assert len(load(store).problems) == 1
    assert store.write(*run()) == record
    assert load(store).records == (record,)


def as_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def as_link_circle(place: Path) -> None:
    place.unlink()
    place.symlink_to(place)


def as_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def as_folder_circle(place: Path) -> None:
    folder = place.parent
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.symlink_to(folder)


@pytest.mark.parametrize("name", ["record.json", "arrays.npz"])
@pytest.mark.parametrize("change", [as_folder, as_link_circle, as_pipe, as_folder_circle])
def test_what_is_no_file_is_unreadable_and_computed_again(
    name: str, change: Callable[[Path], None], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    record = store.write(*run())
    change(store.folder(record.key) / name)
    refused_then_computed(store, record)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


ARRAYS = {
    "no zip": b"PK nonsense",
    "pickle": packed(loss=np.array([{}], dtype=object)),
    "no array": zipped(loss=b"hello"),
    "text": packed(loss=np.array(["a"])),
    "dimensions": packed(logits=np.zeros(500)),
    "no labels": packed(logits=np.zeros((500, 0))),
    "rows": packed(trace_steps=np.arange(9), layer_norms=np.zeros((3, 2))),
    "huge claim": zipped(
        loss=b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117)
        + b"\n"
    ),
    "400 MB unpacked": zipped(loss=bytes(400 * 10**6)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_odd_arrays_are_unreadable_and_computed_again(name: str, tmp_path: Path) -> None:
    import hashlib

    store = Store(tmp_path)
    record = store.write(*run())
    forged = record.model_dump(mode="json") | {"arrays": hashlib.sha256(ARRAYS[name]).hexdigest()}
    (store.folder(record.key) / "record.json").write_text(sealed(forged))
    (store.folder(record.key) / "arrays.npz").write_bytes(ARRAYS[name])
    refused_then_computed(store, record)


@pytest.mark.parametrize("text", ["[NaN]", "[1e999]", DEEP, '["\\ud800"]', "[", b"\xff"])
def test_json_that_cannot_be_written_again_is_malformed(text: str | bytes) -> None:
    with pytest.raises(Malformed):
        read_json(text)


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stabbench.foreign.LARGEST", 1000)
    place = tmp_path / "large"
    place.write_bytes(bytes(1001))
    with pytest.raises(Malformed, match="1001 bytes"):
        read_file(place)
    monkeypatch.setattr("stabbench.foreign.LARGEST_TEXT", 2000)
    for bomb in (b"a" * 2001, b"\n" * 2001):
        place.write_bytes(gzip.compress(bomb))
        with pytest.raises(Malformed, match="more than 2000 bytes of text"):
            list(read_lines(place))
    with pytest.raises(Malformed, match="of arrays"):
        read_npz(packed(loss=np.zeros(1000)))


@pytest.mark.parametrize("name", ["scores.json", "scores.csv"])
@pytest.mark.parametrize("change", [as_folder, as_link_circle, as_pipe])
def test_scores_that_are_no_file_are_refused(
    name: str, change: Callable[[Path], None], tmp_path: Path
) -> None:
    place = tmp_path / name
    place.touch()
    change(place)
    with pytest.raises(DataError):
        read_scores(place)


@pytest.mark.parametrize("text", ["[NaN]", DEEP, '[{"task":"\\ud800"}]'])
def test_scores_of_odd_json_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(DataError):
        read_scores(tmp_path / "scores.json")


def test_names_with_line_separators_survive_an_archive(tmp_path: Path) -> None:
    some = Collection(tuple(runs(["a\u2028b\x85c"], ["mini-rte"], range(2))))
    write_archive(some, tmp_path / "a.gz")
    assert read_archive(tmp_path / "a.gz").runs == tuple(sorted(some.runs, key=lambda r: r.record.key))


@pytest.mark.parametrize("command", [["compare", "{}", "{}"], ["leaderboard", "--archive", "{}"]])
@pytest.mark.parametrize("text", ["", "[]", "{}", DEEP, "\x1f\x8b"])
def test_commands_refuse_a_file_that_is_neither(
    command: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "odd"
    place.write_text(text, encoding="latin-1")
    assert main([word.format(place) for word in command]) == 2
    assert "odd" in capsys.readouterr().err


SCORES = {
    "task": "t",
    "model": "m",
    "strategy": "s",
    "metric": "matthews",
    "n_dev": 9,
    "seed": 0,
    "score": 0.5,
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the bytes of a good file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    record, arrays = run()
    store = Store(folder)
    record = store.write(record, arrays)
    write_archive(Collection(tuple(runs(["ours"], ["mini-rte"], range(2)))), folder / "archive")
    write_baseline(folder / "baseline", [Stability.from_records(records(STEADY[:3]))])
    return {
        "record": write_record(record).encode(),
        "arrays": (store.folder(record.key) / "arrays.npz").read_bytes(),
        "archive": (folder / "archive").read_bytes(),
        "lines": gzip.decompress((folder / "archive").read_bytes()),
        "baseline": (folder / "baseline").read_bytes(),
        "scores": json.dumps([SCORES]).encode(),
    }


TOKENS = [b"NaN", b"1e999", b"[" * 5000, b'"\\ud800"', b"-1", b"null", b"{}", b"\0", b"\n", b'"', b"9" * 400]


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Return what cuts out a piece of some bytes and puts others in its place."""
    start, length = draw(st.floats(0, 1)), draw(st.integers(0, 12))
    new = draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8)))

    def change(data: bytes) -> bytes:
        at = int(start * len(data))
        return data[:at] + new + data[at + length :]

    return change


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kind=st.sampled_from(["record", "arrays", "archive", "lines", "baseline", "scores"]), change=damage())
def test_damaged_bytes_are_read_or_refused_but_never_crash(
    good: dict[str, bytes], tmp_path: Path, kind: str, change: Callable[[bytes], bytes]
) -> None:
    data = change(good[kind])
    place = tmp_path / f"{kind}.json"
    place.write_bytes(data)
    readers: dict[str, Callable[[], object]] = {
        "record": lambda: read_record(data, "here"),
        "arrays": lambda: read_npz(data),
        "archive": lambda: read_archive(place),
        "lines": lambda: read_archive(place),
        "baseline": lambda: read_baseline(place),
        "scores": lambda: read_scores(place),
    }
    with contextlib.suppress(RecordError, DataError, Malformed):
        readers[kind]()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(change=damage(), field=st.sampled_from(["record", "spec", "last", "evaluations", "dev_counts"]))
def test_a_damaged_record_under_a_right_checksum_never_crashes(
    good: dict[str, bytes], change: Callable[[bytes], bytes], field: str
) -> None:
    data = json.loads(good["record"])["record"]
    part = data if field == "record" else data[field]
    try:
        new = json.loads(change(json.dumps(part).encode()))
        text = sealed(new if field == "record" else {**data, field: new})
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(RecordError):
        read_record(text, "here")
