"""What the leaderboard is a function of: records with thinned traces, and what was planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from stabbench.errors import RecordError
from stabbench.runs import Arrays, RunRecord, Store
from stabbench.spec import Frozen, Seeds, canonical_json

POINTS = 30
"""How many points a thinned trace has at most."""


class Traces(Frozen):
    """Traces of a run at about thirty points; all empty where the record has none.

    Attributes:
        updates: update (1-based) at which each window of ``loss`` and ``gradient_norm`` ends.
        loss: mean training loss of each window; ``None`` where a value in it was not finite.
        gradient_norm: mean global gradient norm of each window, likewise.
        layer_updates: updates (1-based) of the rows of ``layer_norms``.
        layer_norms: gradient norm of each of the record's layers, rows are points.
        predictions: predicted class of every dev row at the end of training.
    """

    updates: tuple[int, ...] = ()
    loss: tuple[float | None, ...] = ()
    gradient_norm: tuple[float | None, ...] = ()
    layer_updates: tuple[int, ...] = ()
    layer_norms: tuple[tuple[float | None, ...], ...] = ()
    predictions: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _same_lengths(self) -> Traces:
        if not len(self.updates) == len(self.loss) == len(self.gradient_norm):
            raise ValueError("loss and gradient norm have not the points that their updates name")
        if len(self.layer_updates) != len(self.layer_norms):
            raise ValueError("the layers' norms have not the points that their updates name")
        return self


@dataclass(frozen=True)
class RunWithTraces:
    """A record and its thinned traces."""

    record: RunRecord
    traces: Traces


class Plan(Frozen):
    """What was planned for one group, where that is known.

    Attributes:
        seeds: the planned seeds.
        errored: kind of error (crash, time-out, ...) by seed, for runs that ended without a record.
        stopped: whether seeds were left out on purpose, since a gate's verdict was certain without them.
    """

    seeds: tuple[int, ...]
    errored: Mapping[int, str] = Field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True)
class Collection:
    """Everything that a leaderboard shows.

    Attributes:
        runs: sorted by key, one per key.
        plans: what was planned, by group; a group without a plan is taken as it is.
        unplaced_errors: errored runs of groups that have no finished run at all.
    """

    runs: tuple[RunWithTraces, ...]
    plans: Mapping[str, Plan] = field(default_factory=dict)
    unplaced_errors: int = 0


def collect(parts: Iterable[Collection], planned_seeds: Sequence[int] = ()) -> Collection:
    """Join what several stores and archives hold; their order changes nothing.

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
        done.setdefault(run.record.group, set()).add(run.record.seed)
    plans: dict[str, Plan] = {}
    for group in sorted(done.keys() | {name for part in found for name in part.plans}):
        known = [part.plans[group] for part in found if group in part.plans]
        finished = done.get(group, set())
        kinds = sorted((s, kind) for plan in known for s, kind in plan.errored.items() if s not in finished)
        errored = dict(kinds)
        seeds = finished.union(planned_seeds, errored, *(plan.seeds for plan in known))
        stopped = finished < seeds and any(plan.stopped for plan in known)
        plans[group] = Plan(seeds=tuple(sorted(seeds)), errored=errored, stopped=stopped)
    return Collection(runs, plans, sum(part.unplaced_errors for part in found))


def _one(copies: list[RunWithTraces]) -> RunWithTraces:
    """Return one of several copies of a run, always the same one."""
    if len(copies) > 1:
        copies = sorted(copies, key=lambda run: canonical_json(run.record.model_dump(mode="json")))
        first = copies[0].record
        if any(run.record.result() != first.result() for run in copies):
            raise RecordError(
                f"the run {first.key} (seed {first.seed} of {first.strategy} on {first.task}) has two "
                "records with different results.",
                "find out which machine computes differently, and leave one of the two out.",
            )
    return copies[0]


def read_store(store: Store) -> Collection:
    """Return the runs of a store, thinned, and the errored runs and early stops that it remembers.

    An error note names its run by key only; it belongs to the group whose specification gives that key
    with one of the seeds 0 to one beyond the largest that is known.

    Raises:
        RecordError: when a record cannot be read: a leaderboard must not lose a run in silence.
    """
    runs = []
    for key in store.keys():  # noqa: SIM118 - a store is no mapping
        record = store.read(key)
        if record is not None:
            runs.append(RunWithTraces(record, thin(store.arrays(record))))
    notes = {path.stem for path in (Path(store.root) / "errors").glob("*.json")} - {
        r.record.key for r in runs
    }
    done: dict[str, set[int]] = {}
    specs = {}
    for run in runs:
        done.setdefault(run.record.group, set()).add(run.record.seed)
        if run.record.spec is not None:
            specs[run.record.group] = run.record.spec
    plans = {
        group: Plan(seeds=tuple(sorted(done[group].union(planned))), stopped=True)
        for group, planned in store.stopped().items()
        if group in done and not done[group].issuperset(planned)
    }
    if not notes:
        return Collection(tuple(runs), plans)
    seeds = range(max((run.record.seed for run in runs), default=0) + 2)
    for group, spec in specs.items():
        errored = {}
        for seed in seeds:
            key = spec.model_copy(update={"seeds": Seeds.all(seed), "replicate": 0}).key
            if key in notes and (note := store.error(key)) is not None:
                errored[seed] = note.kind
                notes.discard(key)
        if errored:
            known = plans.get(group, Plan(seeds=()))
            seeds_of = done[group].union(known.seeds, errored)
            plans[group] = Plan(seeds=tuple(sorted(seeds_of)), errored=errored, stopped=known.stopped)
    return Collection(tuple(runs), plans, len(notes))


def thin(arrays: Arrays) -> Traces:
    """Return a run's traces at about thirty points.

    Loss and gradient norm are means over equal windows, so that the noise of single batches does not
    hide the trend; numbers keep three or four significant digits.
    """
    loss = arrays.get("loss", np.empty(0))
    norm = arrays.get("gradient_norm", np.empty(0))
    updates: NDArray[np.int_] = np.empty(0, int)
    if len(loss):
        edges = np.unique(np.linspace(0, len(loss), min(POINTS, len(loss)) + 1).astype(int))
        updates = edges[1:]
        norm = norm if len(norm) == len(loss) else np.full(len(loss), np.nan)
        loss, norm = (np.add.reduceat(x.astype(float), edges[:-1]) / np.diff(edges) for x in (loss, norm))
    steps, rows = arrays.get("trace_steps", np.empty(0)), arrays.get("layer_norms", np.empty((0, 0)))
    kept = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).astype(int))
    logits = arrays.get("logits")
    return Traces(
        updates=tuple(int(update) for update in updates),
        loss=_rounded(loss, 4),
        gradient_norm=_rounded(norm, 4),
        layer_updates=tuple(int(steps[i]) + 1 for i in kept),
        layer_norms=tuple(_rounded(rows[i], 3) for i in kept),
        predictions=() if logits is None else tuple(int(label) for label in logits.argmax(axis=1)),
    )


def _rounded(values: ArrayLike, digits: int) -> tuple[float | None, ...]:
    return tuple(
        float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in np.asarray(values, float)
    )
