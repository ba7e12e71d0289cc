"""The one reader: stores, archives and baselines, alone or joined, become one collection of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stabbench.errors import RecordError, StoreError
from stabbench.foreign import Malformed, read_json, read_lines
from stabbench.runs import RunRecord, Store
from stabbench.runs.index import collecting_later, read_through
from stabbench.samples.archive import read_archive
from stabbench.samples.baselines import read_baseline
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.lost import UNREADABLE, Lost
from stabbench.samples.traces import NO_TRACES, Traces, check_traces, thin
from stabbench.stored import is_key


def load(*sources: str | Path | Store, traces: bool = False, planned_seeds: Sequence[int] = ()) -> Collection:
    """Return the runs of stores, archives and baselines: ``.groups()`` are samples, ``.to_pandas()`` rows.

    Args:
        sources: stores or their folders (``.stabbench``), files of archives and baselines.
        traces: whether to read losses, gradient norms and predictions of a store's runs too.
        planned_seeds: the seeds that every group was planned with, so that missing ones show.

    Raises:
        StoreError: when there is no store, archive or baseline.
        RecordError: when an archive or a baseline is damaged, or two sources differ in what a run computed.
            A store's records that cannot be read are told in ``problems``, and their groups are incomplete.
    """
    with collecting_later():
        return collect([_read(source, traces) for source in sources], planned_seeds)


def _read(source: str | Path | Store, traces: bool) -> Collection:
    if isinstance(source, Store):
        return read_store(source, traces)
    path = Path(source)
    if not path.is_file():
        return read_store(Store(path), traces)
    try:
        header = read_json(next(read_lines(path), ""))
    except Malformed as error:
        raise RecordError(f"{path} is no archive and no baseline ({error}).", "name another file.") from error
    if isinstance(header, dict) and "archive" in header:
        return read_archive(path)
    return read_baseline(path)


def read_store(store: Store, traces: bool = True) -> Collection:
    """Return the runs of a store with what it remembers of the others: errors, early stops, bad records.

    Raises:
        StoreError: when there is no store.
        RecordError: when the note of an early stop cannot be read.
    """
    if not any((store.root / name).is_dir() for name in ("runs", "errors")):
        raise StoreError(
            f"{store.root} is no store.",
            "give a store's folder, which has a folder `runs`, or the file of an archive or a baseline.",
        )
    records, unreadable = store.read_all()
    notes = {key: note for key in store.errors() if (note := store.error(key)) and key not in records}
    lost = {
        key: Lost(note.kind, f"errors/{key}.json tells of a run that errored ({note.kind})")
        for key, note in notes.items()
    }
    lost |= {key: Lost(UNREADABLE, text) for key, text in unreadable.items()}
    thinned = _read_traces(store, records) if traces else {}
    runs = tuple(RunWithTraces(record, thinned.get(key, NO_TRACES)) for key, record in records.items())
    return Collection(
        runs,
        {group: Plan(seeds=seeds, stopped=True) for group, seeds in store.stopped().items()},
        lost={key: replace(run, spec=store.spec_of(key)) for key, run in lost.items() if is_key(key)},
        problems=tuple(unreadable.values()),
    )


def _read_traces(store: Store, records: dict[str, RunRecord]) -> dict[str, Traces]:
    def read(key: str) -> Traces:
        return thin(store.arrays(records[key]))

    def check(key: str, traces: Traces) -> None:
        check_traces(records[key], traces)

    keys = [key for key, record in records.items() if record.arrays is not None]
    return read_through(store.root / "traces.json", Traces, keys, read, check)[0]
