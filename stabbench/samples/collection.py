"""Records with thinned traces, and what was planned: what every judgement and table is a function of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from stabbench.errors import RecordError
from stabbench.runs import Checkpoint, ErrorNote, RunRecord
from stabbench.samples.traces import NO_TRACES, Traces
from stabbench.spec import RunSpec, Seeds
from stabbench.stored import Frozen, canonical_json, digest

if TYPE_CHECKING:
    import pandas as pd

    from stabbench.samples.stability import Stability

UNREADABLE = "unreadable"
"""Kind of error of a run whose record is there but cannot be read."""

TRIED_SEEDS = 100
"""Seeds from 0 on that are tried when a run's group is sought by its key."""


@dataclass(frozen=True)
class RunWithTraces:
    """A record and its thinned traces."""

    record: RunRecord
    traces: Traces = NO_TRACES


class Plan(Frozen):
    """What was planned for one group, where that is known.

    Attributes:
        seeds: the planned seeds.
        errored: kind of error (crash, time-out, unreadable, ...) by seed, for runs without a record.
        stopped: whether seeds were left out on purpose, since a gate's verdict was certain without them.
    """

    seeds: tuple[int, ...]
    errored: Mapping[int, str] = Field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True)
class Collection:
    """Runs from stores, archives and baselines, with what is known of those that are not there.

    Attributes:
        runs: sorted by key, one per key.
        plans: what was planned, by group; a group without a plan is taken as it is.
        unplaced_errors: errored runs of groups that have no finished run at all.
        errors: kind of error by key, for runs whose group ``collect`` has yet to find.
        unreadable: what is wrong with each record that cannot be read, by key, likewise; after ``collect``
            those whose group nobody knows.
        problems: a message for every record that cannot be read.
    """

    runs: tuple[RunWithTraces, ...]
    plans: Mapping[str, Plan] = field(default_factory=dict)
    unplaced_errors: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: Iterable[RunRecord]) -> Collection:
        """Return a collection of records without traces and plans."""
        return cls(tuple(RunWithTraces(record) for record in records))

    def __repr__(self) -> str:
        parts = f"{len(self.runs)} runs in {len(self.samples)} groups"
        return f"<{parts}, {len(self.problems)} unreadable>" if self.problems else f"<{parts}>"

    @property
    def records(self) -> tuple[RunRecord, ...]:
        """The records of the runs."""
        return tuple(run.record for run in self.runs)

    @cached_property
    def samples(self) -> Mapping[str, tuple[RunWithTraces, ...]]:
        """The runs of each group that is judged, by seed: the one rule of what belongs to a sample.

        Same-seed replicates and runs whose random streams have seeds of their own are set aside, and so are
        groups of which every run is only what others start from (intermediate training).
        """
        starts = {work.start.key for record in self.records if (work := record.fine_tuning) and work.start}
        found: dict[str, list[RunWithTraces]] = {}
        for run in sorted(self.runs, key=lambda run: run.record.seed):
            if is_plain(run.record):
                found.setdefault(run.record.group, []).append(run)
        return {
            group: tuple(runs)
            for group, runs in found.items()
            if not all(run.record.key in starts for run in runs)
        }

    @cached_property
    def set_aside(self) -> Counter[str]:
        """Number of same-seed replicates and of runs with seeds of their own for a stream, by group."""
        return Counter(record.group for record in self.records if not is_plain(record))

    def check_readable(self) -> None:
        """Raise ``Incomplete`` when a record cannot be read and nobody knows which group lacks it."""
        from stabbench.samples.scores import Incomplete

        if self.unreadable:
            raise Incomplete(
                f"{len(self.unreadable)} records cannot be read, and any group may lack them:\n  "
                + "\n  ".join(self.unreadable.values()),
                "run their sessions again, or delete their folders.",
            )

    def groups(self, checkpoint: Checkpoint = "last") -> list[Stability]:
        """Return one sample per group, by task, model and strategy.

        What is known of runs that are not there goes with its sample: while one errored, cannot be read or
        was stopped, no gate judges it, but for ``few_failures`` on a grid that was stopped for its failures.

        Raises:
            Incomplete: when a record cannot be read and nobody knows which group lacks it.
        """
        from stabbench.samples.stability import Stability

        self.check_readable()
        found = []
        for group, runs in self.samples.items():
            records = [run.record for run in runs]
            plan = self.plans.get(group) or Plan(seeds=tuple(record.seed for record in records))
            sample = Stability.from_records(records, plan.seeds, checkpoint)
            sample.errored = {seed: _note(kind) for seed, kind in plan.errored.items()}
            sample.stopped_early = plan.stopped
            found.append((*names(records[0]), sample))
        return [sample for *_, sample in sorted(found, key=lambda entry: entry[:-1])]

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame, one row a run, by task, model, strategy and seed: ``samples/frame.py``."""
        from stabbench.samples.frame import frame

        return frame(self.records)


def names(record: RunRecord) -> tuple[str, str, str, str]:
    """Return what groups are ordered by."""
    return record.task, record.model, record.strategy, record.group


def is_plain(record: RunRecord) -> bool:
    """Return whether a run is the first with its seed and has this seed in every random stream."""
    return record.replicate == 0 and (record.spec is None or record.spec.seeds == Seeds.all(record.seed))


def _note(kind: str) -> ErrorNote:
    message = "its record cannot be read" if kind == UNREADABLE else "see `stabbench show` of its store"
    return ErrorNote(key="", kind=kind, message=message, log="")


def collect(parts: Iterable[Collection], planned_seeds: Sequence[int] = ()) -> Collection:
    """Join what several stores, archives and baselines hold; their order changes nothing.

    Args:
        parts: what was read.
        planned_seeds: the seeds that every group was planned with, where the user says so.

    Raises:
        RecordError: when two records of one run differ in what was computed.
    """
    found = list(parts)
    copies: dict[str, list[RunWithTraces]] = {}
    for part in found:
        for run in part.runs:
            copies.setdefault(run.record.key, []).append(run)
    runs = tuple(_one(copies[key]) for key in sorted(copies))
    done: dict[str, set[int]] = {}
    for run in runs:
        if is_plain(run.record):
            done.setdefault(run.record.group, set()).add(run.record.seed)
    errors = {key: kind for part in found for key, kind in sorted(part.errors.items()) if key not in copies}
    unreadable = {key: text for part in found for key, text in part.unreadable.items() if key not in copies}
    lost = errors | dict.fromkeys(unreadable, UNREADABLE)
    placed = dict(_placed(lost, runs, planned_seeds))
    plans: dict[str, Plan] = {}
    for group in sorted(done.keys() | {name for part in found for name in part.plans}):
        known = [part.plans[group] for part in found if group in part.plans]
        finished = done.get(group, set())
        kinds = [(seed, kind) for plan in known for seed, kind in plan.errored.items()]
        kinds += [(seed, lost[key]) for key, (its, seed) in placed.items() if its == group]
        errored = dict(sorted((seed, kind) for seed, kind in kinds if seed not in finished))
        seeds = finished.union(planned_seeds, errored, *(plan.seeds for plan in known))
        stopped = finished < seeds and any(plan.stopped for plan in known)
        plans[group] = Plan(seeds=tuple(sorted(seeds)), errored=errored, stopped=stopped)
    return Collection(
        runs,
        plans,
        sum(part.unplaced_errors for part in found) + len(errors.keys() - placed.keys() - unreadable.keys()),
        unreadable={key: text for key, text in sorted(unreadable.items()) if key not in placed},
        problems=tuple(problem for part in found for problem in part.problems),
    )


def _one(copies: list[RunWithTraces]) -> RunWithTraces:
    """Return one of several copies of a run, always the same one."""
    if len(copies) > 1:
        copies = sorted(copies, key=lambda run: canonical_json(run.record.model_dump(mode="json")))
        first = copies[0].record
        if not all(run.record.agrees_with(first) for run in copies):
            raise RecordError(
                f"the run {first.key} (seed {first.seed} of {first.strategy} on {first.task}) has two "
                "records with different results.",
                "find out which machine computes differently, and leave one of the two out.",
            )
    return copies[0]


def _placed(
    lost: Mapping[str, str], runs: Iterable[RunWithTraces], planned_seeds: Sequence[int]
) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield (key, (group, seed)) of runs that are known by their keys only.

    A run belongs to the group whose specification gives its key with a seed that is likely: one of the first
    hundred, one up to the one after the largest that is known, or a planned one.
    """
    if not lost:
        return
    specs: dict[str, RunSpec] = {}
    largest = 0
    for run in runs:
        if run.record.spec is not None:
            specs.setdefault(run.record.group, run.record.spec)
            largest = max(largest, run.record.seed)
    seeds = {*range(max(TRIED_SEEDS, largest + 2)), *planned_seeds}
    for group, spec in specs.items():
        data = spec.model_copy(update={"replicate": 0}).model_dump(mode="json")
        for seed in seeds:
            key = digest({**data, "seeds": Seeds.all(seed).model_dump()})
            if key in lost:
                yield key, (group, seed)
