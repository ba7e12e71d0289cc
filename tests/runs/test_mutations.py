"""Whatever becomes of what is kept, it is refused, or it says nothing else than it said.

Bytes are damaged at random; fields, arrays, notes and index are changed by a forger who knows the formats
and makes every checksum anew. What is told in one place only cannot be checked against another: times,
environments, the words of a reason, dev losses beside counts, the values of losses and norms, where a layer's
norms were taken, an evaluation on the way that is neither the last nor the best, to how many decimals an
imported score was rounded; in a baseline also the training losses and the labels' entropy. All else that
verdicts, tables and pictures show is compared, and a file may say less, as baselines do.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench.errors import StabbenchError
from stabbench.runs import ErrorNote, RunRecord, Store
from stabbench.runs.arrays import pack_arrays
from stabbench.samples.archive import write_archive
from stabbench.samples.baselines import write_baseline
from stabbench.samples.collection import Collection
from stabbench.samples.reader import load
from stabbench.stored import canonical_json, digest
from tests.leaderboard.generate import run

EXAMPLES = 60
MANY = 5_000

Json = Any
Path_ = tuple[Any, ...]


def few(test: Callable[..., None]) -> Callable[..., None]:
    return _settings(EXAMPLES)(test)


def _settings(examples: int) -> Any:
    health = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=examples, deadline=None, suppress_health_check=health)


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of all kinds of runs, its archive and its baseline."""
    folder = tmp_path_factory.mktemp("material")
    store = Store(folder / "store")
    for task in ("mini-rte", "mini-mrpc"):
        for seed, kind in enumerate(["success", "failed", "diverged"]):
            store.write(*run("ours", task, seed, kind=kind))
    store.write(*run("theirs", "mini-cola", 0, kind="success", imported=True))
    spec = run("ours", "mini-rte", 3)[0].spec
    assert spec is not None
    store.note_error(ErrorNote(key=spec.key, kind="crash", message="signal 11", log="", spec=spec))
    store.note_stopped(run("ours", "mini-mrpc", 0)[0].group, range(5))
    found = load(store, traces=True)
    write_archive(found, folder / "a.runs.jsonl.gz")
    complete = [group for group in found.groups() if group.complete]
    write_baseline(folder / "b.jsonl", complete)
    return folder


@pytest.fixture
def place(material: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(material, tmp_path / "copy"))


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an index hold what was written just now, so that what stands in it counts."""
    monkeypatch.setattr("stabbench.runs.index.FRESH_NS", -(10**12))


def said(record: RunRecord, in_baseline: bool = False) -> Json:
    """Return what verdicts, tables and pictures show of a record."""
    data = record.result()
    data["evaluations"] = [
        score if score["step"] in (record.last.step, record.best.step) else {"step": score["step"]}
        for score in data["evaluations"]
    ]
    for score in data["evaluations"]:
        score.pop("dev_loss", None)
    del data["best"]["step"]  # of equal evaluations, or of none, nobody can say which was the best
    once = ("train_loss", "label_entropy") if in_baseline else ()
    for name in ("format", "reason", "arrays", "rounded_to", *once):
        del data[name]
    if record.train_loss is not None and not in_baseline:
        data["train_loss"] = round(record.train_loss, 6)
    return data


def says_nothing_else(found: Collection, known: Collection, moved: bool) -> None:
    """Assert that each run that is read is one that was written, and that none is gone without a word."""
    originals = {one.record.key: one for one in known.runs}
    for one in found.runs:
        if one.record.key not in originals:  # forged with its key: another run, of which nobody can say more
            assert one.record.spec is not None
            assert one.record.spec.key == one.record.key
            continue
        original = originals[one.record.key]
        kept, before = (said(run.record, not original.record.evaluations) for run in (one, original))
        for name in ("evaluations", "layers"):  # baselines leave them out
            if not kept[name]:
                del kept[name], before[name]
        assert kept == before
        # an index that was forged with its checksum is believed as far as the record bears it out
        for name, same in (("updates", len), ("predictions", Counter)):
            found_, meant = (getattr(run.traces, name) for run in (one, original))
            assert found_ == () or same(found_) == same(meant)
    for group, plan in known.plans.items():
        read = found.plans.get(group)
        seeds = {one.record.seed for one in found.runs if one.record.group == group}
        if found.lost or not seeds or moved:
            continue  # nobody judges, or a folder is gone, which no reader can tell
        assert read is not None
        assert set(read.seeds) >= set(plan.seeds) or set(read.seeds) > seeds, "a run is gone without a word"


def attack(read: Callable[[], Collection], known: Collection, moved: bool = False) -> None:
    try:
        found = read()
        found.groups()
    except StabbenchError:
        return
    says_nothing_else(found, known, moved)


def damaged(data: st.DataObject, good: bytes) -> bytes:
    at = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(at, min(len(good), at + 40)))
    other = data.draw(st.binary(max_size=8) | st.just(good[at:end] * 2) | st.just(b""))
    return good[:at] + other + good[end:] if data.draw(st.booleans()) else good[:at]


def leaves(data: Json, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the place of every value in a JSON text, the containers too."""
    if path:
        yield path
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inner:
        yield from leaves(value, (*path, name))


def at(data: Json, path: Path_) -> Json:
    for name in path:
        data = data[name]
    return data


NUMBERS = [-1, 0, 1, 2, 0.5, 0.99, 1e-7, -0.0, 1e308, 2**53 + 1, 2**63, 10**40]
TEXTS = ["", "x", "3", "nan", "completed", "diverged", "higher", "lower", "accuracy", "\x1b[31m"]
NASTY = st.sampled_from([None, True, False, *NUMBERS, *TEXTS, [], {}, [[]], [0], {"a": 1}])


def forged(data: st.DataObject, good: Json, other: Json) -> Json:
    """Return a JSON text with one value replaced, removed, added, or taken from elsewhere."""
    bad = copy.deepcopy(good)
    path = data.draw(st.sampled_from(sorted(leaves(bad), key=str)))
    holder, name = at(bad, path[:-1]), path[-1]
    match data.draw(st.sampled_from(["nasty", "near", "remove", "add", "swap", "other"])):
        case "nasty":
            holder[name] = data.draw(NASTY)
        case "near" if isinstance(holder[name], int | float):
            holder[name] += data.draw(st.sampled_from([1, -1, 0.1, 1e-5, 0.0]))
        case "remove":
            del holder[name]
        case "add" if isinstance(holder, dict):
            holder["more"] = data.draw(NASTY)
        case "swap":
            here = data.draw(st.sampled_from(sorted(leaves(bad), key=str)))
            holder[name] = copy.deepcopy(at(good, here))
        case _:
            try:
                holder[name] = copy.deepcopy(at(other, path))
            except (KeyError, IndexError, TypeError):
                del holder[name]
    return bad


def sealed(record: Json) -> bytes:
    try:
        return canonical_json({"checksum": digest(record), "record": record}).encode()
    except ValueError:  # a lone surrogate, infinity
        return json.dumps(record).encode()


def forge_record(place: Path, data: st.DataObject) -> None:
    """Forge a record with its checksum, and with the keys of its specification or import, if so drawn."""
    folders = sorted((place / "store" / "runs").iterdir())
    folder, other = data.draw(st.sampled_from(folders)), data.draw(st.sampled_from(folders))
    one, two = (json.loads((f / "record.json").read_text())["record"] for f in (folder, other))
    bad = forged(data, one, two)
    (folder / "record.json").write_bytes(sealed(bad))
    if not isinstance(bad, dict) or not data.draw(st.booleans()):
        return
    if isinstance(spec := bad.get("spec"), dict):
        bad["key"] = digest(spec)
        bad["group"] = digest({name: spec[name] for name in spec if name not in ("seeds", "replicate")})
        (folder / "record.json").write_bytes(sealed(bad))
        if digest(spec) != folder.name and not (folder.parent / digest(spec)).exists():
            shutil.copytree(folder, folder.parent / digest(spec))
            shutil.rmtree(folder)


def forge_arrays(place: Path, data: st.DataObject) -> None:
    """Forge an array with both checksums."""
    folder = data.draw(
        st.sampled_from([f.parent for f in sorted((place / "store/runs").glob("*/arrays.npz"))])
    )
    with np.load(folder / "arrays.npz") as found:
        arrays = {name: found[name] for name in found.files}
    name = data.draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    match data.draw(st.sampled_from(["type", "shape", "cut", "turn", "values", "swap", "remove"])):
        case "type":
            kind = data.draw(
                st.sampled_from(["?", "i1", "u8", "f2", "c16", "S3", "U2", "M8[s]", ">f8", "f4"])
            )
            with np.errstate(all="ignore"):
                arrays[name] = np.nan_to_num(array).astype(kind)
        case "shape":
            arrays[name] = array.reshape(data.draw(st.sampled_from([(1, -1), (-1, 1), (-1,)])))
        case "cut":
            arrays[name] = array[: data.draw(st.integers(0, len(array) - 1))]
        case "turn":
            arrays[name] = array[::-1]
        case "values":
            with np.errstate(all="ignore"):
                arrays[name] = array * data.draw(st.sampled_from([-1, 0, 2, np.nan, np.inf]))
        case "swap":
            arrays[name] = arrays[data.draw(st.sampled_from(sorted(arrays)))]
        case _:
            del arrays[name]
    packed = pack_arrays(arrays)
    (folder / "arrays.npz").write_bytes(packed)
    record = json.loads((folder / "record.json").read_text())["record"]
    record["arrays"] = hashlib.sha256(packed).hexdigest()
    (folder / "record.json").write_bytes(sealed(record))


def forge_archive(place: Path, data: st.DataObject) -> None:
    archive = place / "a.runs.jsonl.gz"
    header, *lines = (json.loads(line) for line in gzip.decompress(archive.read_bytes()).splitlines())
    number, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    line = lines[number]
    if data.draw(st.booleans()):
        line["record"] = forged(data, line["record"], lines[other]["record"])
        line["checksum"] = digest(line["record"])
    else:
        line["traces"] = forged(data, {"traces": line["traces"]}, {"traces": lines[other]["traces"]}).get(
            "traces"
        )
    text = "\n".join(map(json.dumps, [header, *lines])).encode()
    archive.write_bytes(gzip.compress(text) if data.draw(st.booleans()) else text)


def forge_baseline(place: Path, data: st.DataObject) -> None:
    baseline = place / "b.jsonl"
    header, *lines = (json.loads(line) for line in baseline.read_text().splitlines())
    number, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[number] = forged(data, lines[number], lines[other])
    texts = [json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for line in lines]
    header["checksum"] = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    baseline.write_text("\n".join([canonical_json(header), *texts]) + "\n")


def forge_index(place: Path, data: st.DataObject) -> None:
    load(place / "store", traces=True)
    index = place / "store" / data.draw(st.sampled_from(["index.json", "traces.json"]))
    checksum, _, text = index.read_bytes().partition(b"\n")
    known = json.loads(text)
    keys = sorted(known)
    key, other = data.draw(st.sampled_from(keys)), data.draw(st.sampled_from(keys))
    known[key][1] = forged(data, known[key][1], known[other][1])
    text = json.dumps(known).encode()
    version = checksum.partition(b" ")[0]
    index.write_bytes(version + b" " + hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


FORGERIES = {
    "record": (forge_record, "store"),
    "arrays": (forge_arrays, "store"),
    "archive": (forge_archive, "a.runs.jsonl.gz"),
    "baseline": (forge_baseline, "b.jsonl"),
    "index": (forge_index, "store"),
}


def check_forgery(kind: str, place: Path, data: st.DataObject, again: Path) -> None:
    forge, source = FORGERIES[kind]
    known = load(place / source, traces=True)
    shutil.copytree(place, again, dirs_exist_ok=False)
    try:
        folders = set(again.glob("store/runs/*"))
        forge(again, data)
        moved = folders != set(again.glob("store/runs/*"))
        attack(lambda: load(again / source, traces=True), known, moved)
    finally:
        shutil.rmtree(again)


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("kind", FORGERIES)
@few
@given(data=st.data())
def test_a_forger_who_knows_the_format_is_refused(kind: str, place: Path, data: st.DataObject) -> None:
    check_forgery(kind, place, data, place.parent / "again")


@pytest.mark.slow
@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("kind", FORGERIES)
@_settings(MANY // len(FORGERIES))
@given(data=st.data())
def test_thousands_of_forgeries_are_refused(kind: str, place: Path, data: st.DataObject) -> None:
    check_forgery(kind, place, data, place.parent / "again")


@few
@given(data=st.data())
def test_a_forged_note_judges_nothing_that_was_not_judged(place: Path, data: st.DataObject) -> None:
    known = load(place / "store")
    again = Path(shutil.copytree(place / "store", place.parent / "again"))
    try:
        forge_note(again, data)
        found = load(again)
        found.groups()
    except StabbenchError:
        return
    finally:
        shutil.rmtree(again)
    assert found.records == known.records


def forge_note(store: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["errors", "stopped"]))
    (note,) = (store / kind).iterdir()
    good = {"note": json.loads(note.read_text())}
    note.write_text(json.dumps(forged(data, good, good).get("note")))


FILES = [
    "store/runs/*/record.json",
    "store/runs/*/arrays.npz",
    "a.runs.jsonl.gz",
    "b.jsonl",
    "store/index.json",
]


@pytest.mark.usefixtures("indexed")
@_settings(3 * EXAMPLES)
@given(data=st.data())
def test_damaged_bytes_are_refused(place: Path, data: st.DataObject) -> None:
    known = {source: load(place / source, traces=True) for source in ("store", "a.runs.jsonl.gz", "b.jsonl")}
    pattern = data.draw(st.sampled_from(FILES))
    file = data.draw(st.sampled_from(sorted(place.glob(pattern))))
    source = file.relative_to(place).parts[0]
    good = file.read_bytes()
    try:
        file.write_bytes(damaged(data, good))
        attack(lambda: load(place / source, traces=True), known[source])
    finally:
        file.write_bytes(good)
