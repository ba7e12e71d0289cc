"""The rows of the leaderboard: the runs behind each, what its comparisons rest on, its values by column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from math import isfinite
from statistics import fmean
from typing import Any

from stabbench import statistics
from stabbench.metrics import Metric
from stabbench.samples.failed import judged_score
from stabbench.samples.groups import RunGroup
from stabbench.samples.verdict import is_certain_to_fail, stopped_failures
from stabbench.statistics import Sample

ALLOWED_AT_CHANCE = 0.2
"""The verdict's allowance: at most this share of all seeds learns nothing that shows."""

ALPHA = 0.05
"""Level of each side of the verdict's exact bounds."""

RANKED_RUNS = 20
"""Below this many runs the smallest sample deviation is often not the steadiest strategy's."""


class State(StrEnum):
    """Whether a row takes part in comparisons, and why not."""

    RANKED = "ranked"
    SMALL = "fewer than 20 seeds"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped early"
    COPY = "same final scores as another row"


@dataclass(frozen=True)
class Row:
    """One model, task and strategy. Scores are in the metric's own unit, ``None`` = unknown.

    Attributes:
        runs: the runs that the row sums up.
        star: "*" or "★": see ``ranking``.
        star_p: the p-value behind the star, Holm-adjusted over the model's tasks.
        near_best: whether the row is the best of its task or not separable from it; ``None`` if unranked or
            if nobody can tell.
        place: its place among the rows of its model and task, 1 = the steadiest; a copy has its original's.
        same_as: the strategy whose final scores it has, seed by seed; empty where it has its own.
        values: the value of each of the board's columns, by the column's name; the board fills them in.
    """

    runs: RunGroup
    star: str = ""
    star_p: float | None = None
    near_best: bool | None = None
    place: int = 0
    same_as: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.runs.model

    @property
    def task(self) -> str:
        """Name of the task."""
        return self.runs.task

    @property
    def strategy(self) -> str:
        """Label of the strategy."""
        return self.runs.strategy

    @property
    def group(self) -> str:
        """Digest of the group."""
        return self.runs.first.group

    @property
    def metric(self) -> str:
        """The task's metric."""
        return self.runs.first.metric

    @property
    def scored_by(self) -> Metric:
        """The metric with its direction, and how people read its scores."""
        return self.runs.stability.metric

    @property
    def constant(self) -> float:
        """The metric's value for the best constant predictor: what a failed run reaches."""
        return self.runs.first.constant

    @property
    def n_dev(self) -> int:
        """Rows of the dev set."""
        return self.runs.first.n_dev

    @cached_property
    def environment(self) -> str:
        """What differs between the environments in which the runs were made, ``""`` when nothing does."""
        return self.runs.stability.environment

    @property
    def sample(self) -> Sample:
        """The scores of the finished runs, failed ones included, oriented so that higher is better."""
        return self.runs.stability.sample

    @property
    def planned(self) -> int:
        """Planned seeds = finished + errored + missing."""
        return len(self.runs.plan.seeds)

    @property
    def finished(self) -> int:
        """Runs with a score, failed runs included."""
        return len(self.runs.runs)

    @property
    def errored(self) -> int:
        """Runs that ended without a score."""
        return len(self.runs.plan.errored.keys() - self._seeds)

    @property
    def missing(self) -> int:
        """Runs that were planned, but not run."""
        return len(set(self.runs.plan.seeds) - self._seeds - self.runs.plan.errored.keys())

    @property
    def failed(self) -> int:
        """Failed runs among the finished."""
        return sum(self.runs.failed)

    @property
    def learned(self) -> int:
        """Runs among the finished that learned something."""
        return self.sample.n_learned

    @property
    def at_chance(self) -> int:
        """Runs among the finished that are not known to have learned anything, failed ones included."""
        return self.sample.n_at_chance

    @cached_property
    def state(self) -> State:
        """Whether the row is ranked."""
        if self.same_as:
            return State.COPY
        plan = self.runs.plan
        if plan.errored:
            return State.INCOMPLETE
        if self.missing:
            certain = is_certain_to_fail(self.runs.failed, self.planned, ALLOWED_AT_CHANCE)
            return State.STOPPED if plan.stopped or certain else State.INCOMPLETE
        return State.RANKED if self.finished >= RANKED_RUNS else State.SMALL

    @property
    def has_ranked_place(self) -> bool:
        """Whether its place is one among the ranked: its own, or its original's."""
        return self.state is State.RANKED or (self.state is State.COPY and self.finished >= RANKED_RUNS)

    @property
    def unbiased(self) -> bool:
        """Whether more than counts and verdict may be shown: not of a row that was stopped early."""
        return self.state is not State.STOPPED

    @property
    def mean(self) -> float | None:
        """Mean of all finished runs, failed ones included."""
        return self.runs.stability.mean if self.unbiased else None

    @property
    def best(self) -> float | None:
        """Best score: the highest, or the lowest where lower is better."""
        return self.runs.stability.best if self.unbiased else None

    @property
    def mean_of_best_checkpoints(self) -> float | None:
        """Mean over all finished runs of each run's best checkpoint; ``mean`` is that of their last ones."""
        if not self.unbiased:
            return None
        return fmean(judged_score(run.record, "best").value for run in self.runs.runs)

    @cached_property
    def std(self) -> float | None:
        """Standard deviation of all finished runs (ddof = 1)."""
        return _finite(self.runs.stability.std) if self.unbiased else None

    @property
    def std_learned(self) -> float | None:
        """Standard deviation of the runs that learned something (ddof = 1)."""
        return _finite(self.runs.stability.std_of_learned) if self.unbiased else None

    @property
    def verdict(self) -> str:
        """PASS, FAIL or INCONCLUSIVE for at most 20 % of seeds at chance; INCOMPLETE where runs lack."""
        return self._judged[0]

    @property
    def reason(self) -> str:
        """What the verdict rests on."""
        return self._judged[1]

    @cached_property
    def _judged(self) -> tuple[str, str]:
        if self.state is State.INCOMPLETE:
            without = self.planned - self.finished
            return "INCOMPLETE", f"{without} of {self.planned} planned runs have no score"
        if self.state is State.STOPPED:
            stopped = stopped_failures(self.runs.failed, self.planned, ALLOWED_AT_CHANCE, ALPHA)
            if stopped is None:  # failed runs are at chance, so a FAIL for them is one for the row
                return (
                    "INCONCLUSIVE",
                    f"stopped early by a stricter gate, after {self.finished} of {self.planned} runs",
                )
            return str(stopped.outcome), stopped.reason
        evidence = statistics.at_chance_gate(self.sample, ALLOWED_AT_CHANCE, ALPHA)
        return str(evidence.outcome), evidence.reason

    @cached_property
    def _seeds(self) -> set[int]:
        return {run.record.seed for run in self.runs.runs}


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def by_task(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each (model, task), in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.model, row.task), []).append(row)
    return found
