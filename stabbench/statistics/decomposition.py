"""Where the variance of a run comes from: the head's seed, the data order's, or no seed at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.evidence import check_probability


@dataclass(frozen=True)
class Component:
    """One source of variance.

    Attributes:
        variance: the estimate, 0 where the unbiased one is negative.
        share: part of the total variance of one run.
        f: F statistic against the remainder, or None.
        p_value: of "this source does nothing", or None.
        lower: one-sided lower bound on the share against the remainder, var / (var + remainder).
        upper: the upper bound.
    """

    variance: float
    share: float
    f: float | None = None
    p_value: float | None = None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Decomposition:
    """Variance of a run split over a crossed grid; `remainder` holds the interaction and everything else."""

    head: Component
    order: Component
    remainder: Component
    total: float


def decompose(scores: ArrayLike, alpha: float = 0.05) -> Decomposition | None:
    """Two-way random-effects analysis of variance without replicates, for Dodge et al.'s (2020) grid.

    With MS the mean squares of an H x O grid: var(head) = (MS_head - MS_rest) / O, F = MS_head / MS_rest with
    (H-1, (H-1)(O-1)) degrees of freedom; the bounds on var(head) / var(rest) are (F / F_quantile - 1) / O,
    exact for normal effects. The same for the order with H and O exchanged.

    Args:
        scores: shape (head seeds, order seeds), one run per cell.
        alpha: level of each one-sided bound.

    Returns:
        The components, or None when the grid does not vary or nothing remains besides the main effects.

    Raises:
        StabbenchError: the grid is smaller than 2 x 2, has holes, or alpha is out of range.
    """
    check_probability("alpha", alpha)
    y = np.asarray(scores, dtype=np.float64)
    if y.ndim != 2 or min(y.shape) < 2:
        raise StabbenchError(f"a grid of shape {y.shape}", "give (head seeds, order seeds), at least 2 x 2")
    if not np.isfinite(y).all():
        raise StabbenchError(
            "a cell of the grid is not finite", "run the missing seeds; failed runs have a score"
        )
    heads, orders = y.shape
    rows, columns, mean = y.mean(axis=1), y.mean(axis=0), y.mean()
    rest = y - rows[:, None] - columns[None, :] + mean
    df_rest = (heads - 1) * (orders - 1)
    ms_rest = float((rest**2).sum() / df_rest)
    if ms_rest <= 1e-24 * float(np.abs(y).max()) ** 2:
        return None
    ms_head = float(orders * ((rows - mean) ** 2).sum() / (heads - 1))
    ms_order = float(heads * ((columns - mean) ** 2).sum() / (orders - 1))
    variances = [max(0.0, (ms_head - ms_rest) / orders), max(0.0, (ms_order - ms_rest) / heads), ms_rest]
    total = sum(variances)

    def component(ms: float, variance: float, df: int, per: int) -> Component:
        f = ms / ms_rest
        ratios = [(f / float(scipy.stats.f.ppf(q, df, df_rest)) - 1) / per for q in (1 - alpha, alpha)]
        lower, upper = (max(0.0, ratio) / (1 + max(0.0, ratio)) for ratio in ratios)
        return Component(variance, variance / total, f, float(scipy.stats.f.sf(f, df, df_rest)), lower, upper)

    return Decomposition(
        component(ms_head, variances[0], heads - 1, orders),
        component(ms_order, variances[1], orders - 1, heads),
        Component(ms_rest, ms_rest / total),
        total,
    )


@dataclass(frozen=True)
class Repeatability:
    """Standard deviations, in the units of the scores, of runs that were repeated with the same seed.

    Attributes:
        same_seed: of runs with one seed: what nondeterminism does.
        seed: of the seeds' own effects, nondeterminism taken off; 0 where the unbiased estimate of the
            variance is negative, ``None`` with one seed.
    """

    same_seed: float
    seed: float | None


def repeatability(scores: Sequence[ArrayLike]) -> Repeatability:
    """One-way random-effects analysis of variance, seeds as groups; they may have different sizes.

    With r_i runs of seed i, N in all, a seeds, MS_within = sum (y - mean_i)^2 / (N - a) and MS_between = sum
    r_i (mean_i - mean)^2 / (a - 1): var(same seed) = MS_within and var(seed) = (MS_between - MS_within) / r,
    r = (N - sum r_i^2 / N) / (a - 1) (Searle, Casella and McCulloch 1992, section 3.6).

    Args:
        scores: for each seed the scores of its runs; one seed at least has two.

    Raises:
        StabbenchError: no seed was run twice, or a score is not finite.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in scores]
    groups = [group for group in groups if len(group)]
    every = np.concatenate([*groups, []])
    if len(every) <= len(groups) or not np.isfinite(every).all():
        raise StabbenchError("no seed has two finite scores", "repeat a seed")
    sizes = np.array([len(group) for group in groups])
    means = np.array([group.mean() for group in groups])
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (len(every) - len(groups))
    if len(groups) == 1:
        return Repeatability(float(np.sqrt(within)), None)
    between = float((sizes * (means - every.mean()) ** 2).sum()) / (len(groups) - 1)
    per_seed = (len(every) - float((sizes**2).sum()) / len(every)) / (len(groups) - 1)
    return Repeatability(float(np.sqrt(within)), float(np.sqrt(max(0.0, (between - within) / per_seed))))
