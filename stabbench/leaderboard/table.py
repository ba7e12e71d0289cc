"""The rows of the leaderboard: every number from the statistics functions, nothing dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np

from stabbench import statistics
from stabbench.samples.groups import RunGroup
from stabbench.samples.verdict import is_certain_to_fail, stopped_failures

ALLOWED_FAILURES = 0.2
"""The verdict's allowance: at most this share of all seeds fails (one-sided exact bounds at .05)."""

ALPHA = 0.05

RANKED_RUNS = 20
"""Below this many runs the smallest sample deviation is often not the steadiest strategy's."""

TRIES = (1, 5, 10)


class State(StrEnum):
    """Whether a row takes part in comparisons, and why not."""

    RANKED = "ranked"
    SMALL = "fewer than 20 seeds"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped early"


@dataclass(frozen=True)
class Row:
    """One model, task and strategy. Scores are in the metric's own unit (fractions), ``None`` = unknown.

    Attributes:
        model: name of the model.
        task: name of the task.
        strategy: label of the strategy.
        group: digest of the group.
        metric: the task's metric.
        constant: its value for the best constant classifier: what a failed run reaches.
        n_dev: rows of the dev set.
        state: whether the row is ranked. A row that was stopped early shows counts and verdict only,
            since its other numbers are biased.
        planned: planned seeds = finished + errored + missing.
        finished: runs with a score, failed runs included.
        errored: runs that ended without a score.
        missing: planned, but not run.
        failed: failed runs among the finished.
        failed_low: exact two-sided 95 % bound on the share of failed runs (Clopper and Pearson).
        failed_high: the upper one.
        mean: mean of all finished runs, failed ones included.
        mean_low: two-sided 95 % t bound.
        mean_high: the upper one.
        std: standard deviation of all finished runs (ddof = 1).
        std_low: two-sided 90 % bound (Bonett).
        std_high: the upper one.
        std_successes: standard deviation of the runs that did not fail (ddof = 1).
        max: best score.
        expected_max: expected best score of 1, 5 and 10 tries (unbiased).
        expected_max_dodge: the same by Dodge et al. (2019), which is biased low.
        per_point: mean variance over seeds of being right on a point (Mosbach et al. 2021, 7.1).
        disagreement: share of points on which two seeds differ, where predictions exist.
        verdict: PASS, FAIL or INCONCLUSIVE for at most 20 % failed runs; INCOMPLETE where runs lack.
        reason: what the verdict rests on.
        seconds: median wall time of a run.
        updates: updates of a run.
        star: "*" or "★": see ``ranking``.
        star_p: the p-value behind the star, Holm-adjusted over the model's tasks.
        near_best: whether the row is the best of its task or not separable from it; ``None`` if unranked.
        replicates: same-seed repeats set aside.
    """

    model: str
    task: str
    strategy: str
    group: str
    metric: str
    constant: float
    n_dev: int
    state: State
    planned: int
    finished: int
    errored: int
    missing: int
    failed: int
    failed_low: float
    failed_high: float
    mean: float | None
    mean_low: float | None
    mean_high: float | None
    std: float | None
    std_low: float | None
    std_high: float | None
    std_successes: float | None
    max: float | None
    expected_max: tuple[float | None, ...]
    expected_max_dodge: tuple[float | None, ...]
    per_point: float | None
    disagreement: float | None
    verdict: str
    reason: str
    seconds: float | None
    updates: int | None
    replicates: int
    star: str = ""
    star_p: float | None = None
    near_best: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain JSON values."""
        return asdict(self) | {"state": self.state.value}


def row_of(group: RunGroup) -> Row:
    """Return the row of a group, before the comparisons with its rivals."""
    first, sample, plan = group.first, group.stability.sample, group.plan
    done = {run.record.seed for run in group.runs}
    missing = len(set(plan.seeds) - done - plan.errored.keys())
    state = _state(group, missing)
    low, high = statistics.clopper_pearson(sample.n_failed, sample.n, 0.025)
    mean = statistics.mean_gate(sample, 0.0, 0.025, "all")
    bounded = state is not State.STOPPED and sample.n >= 5 and sample.degenerate is None
    bounds = statistics.spread_bounds(sample.scores, alpha=0.05) if bounded else None
    verdict, reason = _verdict(group, state)
    shown = state is not State.STOPPED
    predictions = [run.traces.predictions for run in group.runs]
    complete = sample.n > 1 and len({len(row) for row in predictions}) == 1 and len(predictions[0]) > 0
    labels = np.repeat(np.arange(len(first.dev_counts or ())), first.dev_counts or ())
    seconds = [run.record.seconds for run in group.runs if run.record.seconds is not None]
    return Row(
        model=group.model,
        task=group.task,
        strategy=group.strategy,
        group=first.group,
        metric=first.metric,
        constant=first.constant,
        n_dev=first.n_dev,
        state=state,
        planned=len(plan.seeds),
        finished=sample.n,
        errored=len(plan.errored.keys() - done),
        missing=missing,
        failed=sample.n_failed,
        failed_low=float(low),
        failed_high=float(high),
        mean=group.stability.mean if shown else None,
        mean_low=mean.lower if shown else None,
        mean_high=mean.upper if shown else None,
        std=_finite(group.stability.std) if shown else None,
        std_low=_finite(float(bounds.bonett_lower)) if bounds else None,
        std_high=_finite(float(bounds.bonett_upper)) if bounds else None,
        std_successes=_finite(group.stability.std_of_successes) if shown else None,
        max=group.stability.best if shown else None,
        expected_max=tuple(
            group.stability.expected_best(k) if shown and k <= sample.n else None for k in TRIES
        ),
        expected_max_dodge=tuple(
            sample.measured(statistics.expected_max_dodge(sample.scores, k)[0])
            if shown and k <= sample.n
            else None
            for k in TRIES
        ),
        per_point=statistics.per_point_stability(np.array(predictions) == labels) if complete else None,
        disagreement=statistics.pairwise_disagreement(predictions) if complete else None,
        verdict=verdict,
        reason=reason,
        seconds=float(np.median(seconds)) if seconds else None,
        updates=first.fine_tuning.total_updates if first.fine_tuning else None,
        replicates=group.replicates,
    )


def _state(group: RunGroup, missing: int) -> State:
    if group.plan.errored:
        return State.INCOMPLETE
    if missing:
        certain = is_certain_to_fail(group.failed, len(group.plan.seeds), ALLOWED_FAILURES)
        return State.STOPPED if group.plan.stopped or certain else State.INCOMPLETE
    return State.RANKED if len(group.runs) >= RANKED_RUNS else State.SMALL


def _verdict(group: RunGroup, state: State) -> tuple[str, str]:
    planned = len(group.plan.seeds)
    if state is State.INCOMPLETE:
        return "INCOMPLETE", f"{planned - len(group.runs)} of {planned} planned runs have no score"
    if state is State.STOPPED:
        stopped = stopped_failures(group.failed, planned, ALLOWED_FAILURES, ALPHA)
        if stopped is None:
            return (
                "INCONCLUSIVE",
                f"stopped early by a stricter gate, after {len(group.runs)} of {planned} runs",
            )
        return str(stopped.outcome), stopped.reason
    evidence = statistics.failures_gate(group.stability.sample, ALLOWED_FAILURES, ALPHA)
    return str(evidence.outcome), evidence.reason


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def by_task(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of each (model, task), in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.model, row.task), []).append(row)
    return found
