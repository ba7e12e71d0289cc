"""Runs that left no record, and the groups that lack them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stabbench.spec import FineTuning, RunSpec, Seeds

UNREADABLE = "unreadable"
"""Kind of error of a run whose record is there but cannot be read."""

TRIED_SEEDS = 10_000
"""Seeds from 0 on that are tried when nothing but its key tells a run's group."""

TRIED_REPLICATES, SEEDS_WITH_REPLICATES = 10, 100
"""Same-seed repeats that are tried likewise, and of how many seeds."""


@dataclass(frozen=True)
class Lost:
    """A run without a record that can be read.

    Attributes:
        kind: kind of its error: crash, time-out, unreadable, ...
        message: what is known of it, for whoever looks for it.
        spec: what it was to compute, so that its group is known; ``None`` in what 0.1.0 left.
    """

    kind: str
    message: str
    spec: RunSpec | None = None


def is_plain_spec(spec: RunSpec) -> bool:
    """Return whether a run is the first with its seed and has this seed in every random stream."""
    return spec.replicate == 0 and spec.seeds == Seeds.all(spec.seed)


def starts_of(specs: Iterable[RunSpec | None]) -> Iterator[str]:
    """Yield the keys of the runs that others start from."""
    for spec in specs:
        if spec is not None and isinstance(spec.work, FineTuning) and spec.work.start is not None:
            yield spec.work.start.key


def placed_by_key(
    lost: Mapping[str, Lost], specs: Iterable[RunSpec | None], planned_seeds: Sequence[int]
) -> Iterator[tuple[str, RunSpec]]:
    """Yield lost runs by key with their specifications: those they bear, or else one that gives the key.

    What 0.1.0 left bears none. Such a run is one that others start from, or of a group that has other runs:
    then a likely seed in its specification gives the key.
    """
    sought = set()
    for key, run in lost.items():
        if run.spec is not None:
            yield key, run.spec
        else:
            sought.add(key)
    groups = {spec.group: spec for spec in specs if spec is not None} if sought else {}
    for spec in tuple(groups.values()):
        if isinstance(spec.work, FineTuning) and (start := spec.work.start) is not None:
            groups.setdefault(start.group, start)
    largest = max((spec.seed for spec in specs if spec is not None), default=0) if sought else 0
    seeds = {*range(max(TRIED_SEEDS, largest + 2)), *planned_seeds}
    for spec in groups.values():
        for replicate in range(TRIED_REPLICATES):
            tried = seeds if replicate == 0 else range(SEEDS_WITH_REPLICATES)
            for key, seed in spec.plain_keys(tried, replicate):
                if key in sought:
                    yield key, spec.change(seeds=Seeds.all(seed), replicate=replicate)
                    sought.remove(key)
                    if not sought:
                        return
