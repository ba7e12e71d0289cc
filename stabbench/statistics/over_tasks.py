"""One strategy over several tasks: interquartile mean, performance profile, probability of improvement.

Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice", section 4.
Scores of different tasks are first brought to one scale (`normalised`). Every task has the same weight,
however many runs it has. Intervals come from the stratified percentile bootstrap: runs are resampled within
each task, `RESAMPLES` times, from one fixed generator, so that the same runs always give the same interval,
in whatever order they come. They speak of other seeds on the same tasks, not of other tasks.

For display beside verdicts, never instead of one: an interquartile mean hides up to a quarter of failed runs.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Floats
from stabbench.statistics.two_samples import holm

RESAMPLES = 2_000
SEED = 2021
QUANTILES = (0.025, 0.975)
"""Ends of the percentile intervals: 95 %."""

SLACK = 1e-9
"""Normalised scores this near to each other are equal: rounding of decimals."""

GRID = np.linspace(0.0, 1.0, 101)
"""Where a performance profile is computed: from the constant predictor's score to a perfect one."""


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class Profile(NamedTuple):
    """A performance profile: the share of runs above each value of a grid, with pointwise 95 % bands.

    Attributes:
        grid: shape (g,), normalised scores.
        share: shape (g,), never rising.
        low: shape (g,).
        high: shape (g,).
    """

    grid: Floats
    share: Floats
    low: Floats
    high: Floats


def has_scale(constant: float, best: float) -> bool:
    """Is there a range from the constant predictor's score to the best possible one?

    Not of a metric whose best score is infinite, nor where the constant predictor already reaches it.
    """
    return bool(np.isfinite(best - constant) and best - constant > SLACK)


def normalised(scores: ArrayLike, constant: float, best: float) -> Floats:
    """Scores from 0 = the constant predictor's to 1 = perfect: (score - constant) / (best - constant).

    Nothing is clipped: a run that is worse than the constant predictor is below 0. For a loss, whose best is
    0, it is (constant - loss) / constant.

    Args:
        scores: in the metric's own unit, or negated where the lower score is the better one.
        constant: the best constant predictor's score, negated with them.
        best: the best possible score, negated with them.

    Raises:
        StabbenchError: the metric has no best score, or the constant predictor already reaches it.
    """
    if not has_scale(constant, best):
        raise StabbenchError(
            f"from the constant predictor's {constant:g} to the best score {best:g} there is no range",
            "leave the task out: its scores have no common scale with those of others",
        )
    return np.asarray((np.asarray(scores, dtype=np.float64) - constant) / (best - constant))


def iqm_over_tasks(tasks: Sequence[ArrayLike]) -> Interval:
    """Interquartile mean of the runs of all tasks together, each task with the same weight.

    A quarter of the weight is cut at each end, rounded down to whole runs as in `scipy.stats.trim_mean`; it
    equals that of the pooled runs where all tasks have the same number of them. Where they have not, a run
    at the cut may be kept in part.

    Args:
        tasks: one array of normalised scores per task, each of shape (runs,).

    Raises:
        StabbenchError: there is no task, a task has no run, or a score is not finite.
    """
    strata = _checked(tasks)
    pooled = np.concatenate(strata)
    order = np.argsort(pooled, kind="stable")
    own = np.concatenate([np.full(len(x), 1 / (len(x) * len(strata))) for x in strata])
    drawn = np.concatenate([weights / len(strata) for weights in _resampled(strata)], axis=1)
    middle = _middle(pooled[order], own[order])
    low, high = np.quantile(_middle(pooled[order], drawn[:, order]), QUANTILES)
    return Interval(float(middle), float(low), float(high))


def profile_over_tasks(tasks: Sequence[ArrayLike], grid: Floats = GRID) -> Profile:
    """Share of runs whose normalised score is above each value of a grid, each task with the same weight.

    Above 0 are the runs that beat the constant predictor.

    Args:
        tasks: one array of normalised scores per task, each of shape (runs,).
        grid: shape (g,).

    Raises:
        StabbenchError: there is no task, a task has no run, or a score is not finite.
    """
    strata = _checked(tasks)
    above = [(x[:, None] > grid + SLACK).astype(np.float64) for x in strata]
    share = np.mean([flags.mean(axis=0) for flags in above], axis=0)
    drawn = sum(weights @ flags for weights, flags in zip(_resampled(strata), above, strict=True))
    drawn_share = np.asarray(drawn) / len(strata)
    return Profile(grid, share, *_share_bounds(drawn_share, len(strata) * min(map(len, strata))))


def improvement_over_tasks(a: Sequence[ArrayLike], b: Sequence[ArrayLike]) -> Interval:
    """P(a run of A scores better than a run of B) + half the ties, averaged over the tasks.

    On each task Mann-Whitney's U / (n_a n_b). It says how often, not by how much.

    Args:
        a: one array of scores per task, each of shape (runs,), higher = better.
        b: the same tasks in the same order.

    Raises:
        StabbenchError: the numbers of tasks differ, or as for `iqm_over_tasks`.
    """
    first, second = _checked(a), _checked(b)
    if len(first) != len(second):
        raise StabbenchError(
            f"one strategy has {len(first)} tasks, the other {len(second)}", "give both on the same tasks"
        )
    drawn = _resampled([*first, *second])
    values, total = [], np.zeros(RESAMPLES)
    for x, y, of_x, of_y in zip(first, second, drawn[: len(first)], drawn[len(first) :], strict=True):
        difference = x[:, None] - y
        wins = 0.5 * (1 + np.where(np.abs(difference) > SLACK, np.sign(difference), 0.0))
        values.append(wins.mean())
        total += ((of_x @ wins) * of_y).sum(axis=1)
    pairs = len(first) * min(map(len, (*first, *second)))
    return Interval(float(np.mean(values)), *map(float, _share_bounds(total / len(first), pairs)))


def tasks_that_remain(p_values: ArrayLike, alpha: float = 0.05) -> int:
    """On how many tasks a claim still holds when it is made over all of them: Holm's correction.

    For every sentence of the form "X is steadier than Y on k of m tasks".

    Args:
        p_values: shape (m,), one per task; 1 where the task does not bear the claim out.
        alpha: the chance of naming one task or more wrongly.
    """
    return int((holm(p_values) <= alpha).sum())


def _checked(tasks: Sequence[ArrayLike]) -> list[Floats]:
    """Return the scores of each task in order of size, so that the order of the runs changes nothing."""
    strata = [np.sort(np.asarray(scores, dtype=np.float64)) for scores in tasks]
    if not strata or any(x.ndim != 1 or not len(x) or not np.isfinite(x).all() for x in strata):
        raise StabbenchError(
            "over several tasks there must be a task, and of each a finite score per run",
            "leave out tasks without runs, and runs without a score",
        )
    return strata


def _resampled(strata: Sequence[Floats]) -> tuple[Floats, ...]:
    """Return the weights of the runs in each resample, one array of shape (RESAMPLES, runs) per stratum.

    A run that is drawn k times of n has the weight k / n: so what is computed of weighted runs once is
    computed of all resamples at a stroke.
    """
    return _resample_weights(tuple(map(len, strata)))


@lru_cache(maxsize=4)  # most strategies of a board have the same numbers of runs
def _resample_weights(sizes: tuple[int, ...]) -> tuple[Floats, ...]:
    generator = np.random.default_rng(SEED)
    drawn = []
    for n in sizes:
        picked = (generator.random((RESAMPLES, n)) * n).astype(np.intp) + n * np.arange(RESAMPLES)[:, None]
        drawn.append(np.bincount(picked.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n) / n)
    return tuple(drawn)


def _middle(ordered: Floats, weights: Floats) -> Floats:
    """Return the mean of the middle half of weighted scores, which are in rising order."""
    cut = len(ordered) // 4 / len(ordered)
    reached = np.clip(np.cumsum(weights, axis=-1), cut, 1 - cut)
    kept = np.diff(reached, axis=-1, prepend=cut)
    kept = np.where(kept > 1e-12, kept, 0.0)  # rounding must not bring a loss that exploded back in
    return np.asarray(kept @ ordered / kept.sum(axis=-1))


def _share_bounds(resampled: Floats, n: int) -> tuple[Floats, Floats]:
    """Return the 95 % interval of a share from its resamples, along the first axis.

    Resamples of runs that are all alike are all alike too, and would exclude what no run has shown so far.
    Hence the interval reaches at least as far as n runs without a single case allow: an event of probability
    q is missed by all of them with (1 - q)^n, so q <= ln(1 / .025) / n (the rule of three, two-sided).

    Args:
        resampled: shape (RESAMPLES, ...), the share in each resample.
        n: the number of independent runs, or pairs of runs, that it comes from at least.
    """
    low, high = np.quantile(resampled, QUANTILES, axis=0)
    unseen = min(1.0, -np.log(QUANTILES[0]) / n)
    return np.minimum(low, 1 - unseen), np.maximum(high, unseen)
