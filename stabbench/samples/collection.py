"""Records with thinned traces, and what was planned: what every judgement and table is a function of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import Field

from stabbench.errors import RecordError
from stabbench.runs import Checkpoint, ErrorNote, RunRecord
from stabbench.samples.lost import UNREADABLE, Lost, is_plain_spec, placed_by_key, starts_of
from stabbench.samples.traces import NO_TRACES, Traces
from stabbench.stored import Frozen, canonical_json

if TYPE_CHECKING:
    import pandas as pd

    from stabbench.samples.stability import Stability


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
        unplaced_errors: lost runs of groups that have no finished run at all.
        lost: runs without a readable record by key, whose groups ``collect`` has yet to find; after it those
            whose group nobody knows.
        starts: keys of the runs that others were to start from, where lost ones say so.
        problems: a message for every record that cannot be read.
    """

    runs: tuple[RunWithTraces, ...]
    plans: Mapping[str, Plan] = field(default_factory=dict)
    unplaced_errors: int = 0
    lost: Mapping[str, Lost] = field(default_factory=dict)
    starts: frozenset[str] = frozenset()
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
        starts = self.starts | set(starts_of(record.spec for record in self.records))
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
        """Raise ``Incomplete`` when a run errored or cannot be read and nobody knows which group lacks it."""
        from stabbench.samples.scores import Incomplete

        if self.lost:
            raise Incomplete(
                f"{len(self.lost)} runs have no record that can be read, and any group may lack them:\n  "
                + "\n  ".join(run.message for run in self.lost.values()),
                "run their sessions again, or delete their folders and notes.",
            )

    def groups(self, checkpoint: Checkpoint = "last") -> list[Stability]:
        """Return one sample per group, by task, model and strategy.

        What is known of runs that are not there goes with its sample: while one errored, cannot be read or
        was stopped, no gate judges it, but for ``few_failures`` on a grid that was stopped for its failures.

        Raises:
            Incomplete: when a run has no readable record and nobody knows which group lacks it.
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
    return record.replicate == 0 and (record.spec is None or is_plain_spec(record.spec))


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
    _check_common(run.record for run in runs)
    done: dict[str, set[int]] = {}
    for run in runs:
        if is_plain(run.record):
            done.setdefault(run.record.group, set()).add(run.record.seed)
    lost = {key: run for part in found for key, run in sorted(part.lost.items()) if key not in copies}
    specs = [*(run.record.spec for run in runs), *(run.spec for run in lost.values())]
    starts = frozenset(starts_of(specs)).union(*(part.starts for part in found))
    placed = dict(placed_by_key(lost, specs, planned_seeds))
    plans: dict[str, Plan] = {}
    for group in sorted(done.keys() | {name for part in found for name in part.plans}):
        known = [part.plans[group] for part in found if group in part.plans]
        finished = done.get(group, set())
        kinds = [(seed, kind) for plan in known for seed, kind in plan.errored.items()]
        kinds += [
            (spec.seed, lost[key].kind)
            for key, spec in placed.items()
            if spec.group == group and is_plain_spec(spec)
        ]
        errored = dict(sorted((seed, kind) for seed, kind in kinds if seed not in finished))
        seeds = finished.union(planned_seeds, errored, *(plan.seeds for plan in known))
        stopped = finished < seeds and any(plan.stopped for plan in known)
        plans[group] = Plan(seeds=tuple(sorted(seeds)), errored=errored, stopped=stopped)
    alone = [key for key, spec in placed.items() if spec.group not in done]
    return Collection(
        runs,
        plans,
        sum(part.unplaced_errors for part in found) + len(alone),
        lost={key: run for key, run in sorted(lost.items()) if key not in placed},
        starts=starts,
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


def _check_common(records: Iterable[RunRecord]) -> None:
    """Raise a ``RecordError`` where two runs of a group cannot both be of it: they share rows and model."""
    firsts: dict[tuple[str, str], tuple[RunRecord, object]] = {}
    for record in records:
        for name, mine in _common(record):
            first, others = firsts.setdefault((record.group, name), (record, mine))
            if not _alike(mine, others):
                raise RecordError(
                    f"the runs {first.key} and {record.key} are of one group ({record.strategy} on "
                    f"{record.task}), but {name} is {others} in one and {mine} in the other.",
                    "one of them is not what it says: delete its folder, and run the session again.",
                )


def _common(record: RunRecord) -> Iterator[tuple[str, object]]:
    """Yield what a run has in common with all others of its group, besides what its specification says."""
    for name in ("n_dev", "dev_counts", "constant", "label_entropy"):
        yield name, getattr(record, name)
    if record.layers:  # not kept by baselines
        yield "layers", record.layers
    if record.status == "completed":
        yield "whether there is a training loss", record.train_loss is not None


def _alike(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):  # logarithms differ by machine in their last bit
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return one == other
