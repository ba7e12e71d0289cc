"""Stores of several machines become one."""

from __future__ import annotations

from collections.abc import Sequence

from stabbench.errors import RecordError
from stabbench.runs.record import RunRecord
from stabbench.runs.store import Store
from stabbench.stored import is_key


def merge(target: Store, sources: Sequence[Store]) -> list[tuple[int, int]]:
    """Copy what a store lacks from others, and return (copied, already there) for each of these.

    Runs are copied with all that their folders hold (saved weights too), with the notes of errors and of
    grids stopped early. Everything is read before anything is written, so a merge that is refused changes
    nothing. A record of the target that cannot be read makes room for one that can.

    Raises:
        RecordError: when a record of a source cannot be read, or two stores differ in what a run computed.
        StoreError: when the target cannot be written.
    """
    records, _ = target.read_all()
    owners = dict.fromkeys(records, target)
    plans, counts = [], []
    for source in sources:
        theirs, unreadable = source.read_all()
        problems = {key: text for key, text in unreadable.items() if is_key(key)}
        if problems:
            raise RecordError(
                f"{len(problems)} records of {source.root} cannot be read:\n  "
                + "\n  ".join(problems.values()),
                "run their session again there, or delete their folders.",
            )
        for key in theirs.keys() & records.keys():
            _check_same(theirs[key], source, records[key], owners[key])
        new = sorted(theirs.keys() - records.keys())
        records |= {key: theirs[key] for key in new}
        owners |= dict.fromkeys(new, source)
        plans.append((source, new, source.stopped()))
        counts.append((len(new), len(theirs) - len(new)))
    target.check_writable()
    for source, new, stopped in plans:
        for key in new:
            target.adopt(source.folder(key))
        for group, seeds in stopped.items():
            target.note_stopped(group, sorted({*seeds, *target.stopped().get(group, ())}))
        for key in source.errors():
            note = source.error(key)
            if note is not None and key not in records and target.error(key) is None:
                target.note_error(note)
    return counts


def _check_same(one: RunRecord, its: Store, other: RunRecord, others: Store) -> None:
    if not one.agrees_with(other):
        raise RecordError(
            f"the run {one.key} (seed {one.seed} of {one.strategy} on {one.task}) has another result in "
            f"{its.root} than in {others.root}.",
            "find out which machine computes differently, and leave one of the two out.",
        )
