"""Tests between two groups of runs: spread and mean of the scores, and the correction for several tests.

Samples have shape (..., n) with a mask of the runs to use, so one definition serves a gate and a simulation.
A test that cannot be made (fewer than three kept runs on a side, no variation) has p = 1.
"""

from typing import Literal, NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.statistics.masked import Bools, Floats, Moments, median, moments, varies
from stabbench.statistics.sample import MIN_RUNS

Alternative = Literal["two-sided", "less", "greater"]
Center = Literal["median", "mean"]


class TTest(NamedTuple):
    """A t statistic, its p-value, and where the test could be made."""

    statistic: Floats
    p_value: Floats
    valid: Bools


def absolute_deviations(x: Floats, keep: Bools, center: Center = "median") -> Floats:
    """|x - centre| of the kept entries, 0 elsewhere: what Levene's and Brown-Forsythe's tests compare."""
    middle = median(x, keep) if center == "median" else moments(x, keep).mean
    safe = np.where(keep.any(axis=-1), middle, 0.0)
    return np.where(keep, np.abs(x - safe[..., None]), 0.0)


def spread_test(
    a: Floats,
    b: Floats,
    keep_a: Bools,
    keep_b: Bools,
    alternative: Alternative = "two-sided",
    center: Center = "median",
    ratio: float = 1.0,
) -> TTest:
    """Is A's spread different from (or greater, less than) B's? Brown and Forsythe (1974), signed.

    The pooled t test on absolute deviations from the median; its square is the F of `scipy.stats.levene`.

    Args:
        a: shape (..., n_a).
        b: shape (..., n_b).
        keep_a: mask of the runs of A.
        keep_b: mask of the runs of B.
        alternative: "greater" asks whether A spreads more.
        center: "median" (Brown-Forsythe) or "mean" (Levene 1960).
        ratio: B's deviations are multiplied by it first, to test against a ratio of spreads other than 1.
    """
    za = absolute_deviations(a, keep_a, center)
    zb = absolute_deviations(b, keep_b, center) * ratio
    scale = np.maximum(_largest(a, keep_a), _largest(b, keep_b))
    return _t_test(moments(za, keep_a), moments(zb, keep_b), scale, True, alternative)


def mean_test(
    a: Floats,
    b: Floats,
    keep_a: Bools,
    keep_b: Bools,
    alternative: Alternative = "two-sided",
    shift: ArrayLike = 0.0,
) -> TTest:
    """Is A's mean different from (or greater, less than) B's mean minus `shift`? Welch (1947)."""
    moved = moments(a, keep_a)
    moved = moved._replace(mean=moved.mean + np.asarray(shift))
    scale = np.maximum(_largest(a, keep_a), _largest(b, keep_b))
    return _t_test(moved, moments(b, keep_b), scale, False, alternative)


def _largest(x: Floats, keep: Bools) -> Floats:
    return np.asarray(np.max(np.where(keep, np.abs(x), 0.0), axis=-1, initial=0.0))


def _t_test(a: Moments, b: Moments, scale: Floats, equal_var: bool, alternative: Alternative) -> TTest:
    within = (a.n - 1) * a.variance + (b.n - 1) * b.variance
    valid = (a.n >= MIN_RUNS) & (b.n >= MIN_RUNS) & varies(within, scale)
    stand_in = [np.where(valid, part, value) for part, value in zip((*a, *b), (3, 0.0, 1.0) * 2, strict=True)]
    n_a, mean_a, var_a, n_b, mean_b, var_b = stand_in
    if equal_var:
        df = n_a + n_b - 2
        pooled = ((n_a - 1) * var_a + (n_b - 1) * var_b) / df
        parts = pooled / n_a, pooled / n_b
    else:
        parts = var_a / n_a, var_b / n_b
        df = sum(parts) ** 2 / (parts[0] ** 2 / (n_a - 1) + parts[1] ** 2 / (n_b - 1))
    t = (mean_a - mean_b) / np.sqrt(sum(parts))
    # scipy.stats has this test too, but takes half a second more to load, in every session
    if alternative == "two-sided":
        p = 2 * scipy.special.stdtr(df, -np.abs(t))
    else:
        p = scipy.special.stdtr(df, t if alternative == "less" else -t)
    return TTest(np.where(valid, t, 0.0), np.where(valid, p, 1.0), valid)


def holm(p_values: ArrayLike) -> Floats:
    """Holm's adjusted p-values along the last axis (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1, kind="stable")
    factor = p.shape[-1] - np.arange(p.shape[-1])
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * factor, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), -1)
    return adjusted


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """P(a run of A beats a run of B) + half the ties: Mann-Whitney's U / (n_a n_b)."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return float(scipy.stats.mannwhitneyu(x, y, method="asymptotic").statistic / (len(x) * len(y)))


def permutation_spread_test(
    a: ArrayLike,
    b: ArrayLike,
    generator: np.random.Generator,
    resamples: int = 9_999,
    center: Center = "median",
) -> tuple[float, float]:
    """(t, p) of "A spreads more", by permuting the labels of the pooled raw scores.

    Exact when nothing changed (both groups from one distribution), hence for regressions only: equal spreads
    with different failure rates are not its null. All divisions are enumerated when there are no more than
    `resamples`; else p = (count + 1) / (resamples + 1) (Phipson and Smyth 2010).

    Args:
        a: shape (n_a,).
        b: shape (n_b,).
        generator: source of the permutations; no global state is touched.
        resamples: how many random divisions.
        center: as in `spread_test`.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)

    def statistic(first: Floats, second: Floats, axis: int) -> Floats:
        u, v = np.moveaxis(first, axis, -1), np.moveaxis(second, axis, -1)
        test = spread_test(u, v, np.ones(u.shape, bool), np.ones(v.shape, bool), center=center)
        return test.statistic

    result = scipy.stats.permutation_test(
        (x, y), statistic, n_resamples=resamples, alternative="greater", vectorized=True, rng=generator
    )
    return float(result.statistic), float(result.pvalue)
