"""Bounds on mean and standard deviation of all runs that know of failures too rare to have been seen.

Of all runs a share p is at chance, with scores of mean f and variance v; the others, which learned something,
have mean m and standard deviation s. Then

    mean = (1 - p) m + p f,    variance = (1 - p) s^2 + p v + p (1 - p) (m - f)^2.

A box holds p, m and s, each side of each at a third of the level (Bonferroni); mean and variance are taken at
their largest and smallest in the box.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy

from stabbench.statistics.failures import clopper_pearson
from stabbench.statistics.masked import Bools, Floats, moments
from stabbench.statistics.power import MOST_SEEDS, POWER
from stabbench.statistics.sample import Sample
from stabbench.statistics.spread import spread_bounds

_CONTINUATIONS = 64  # the share that decides is known to .05: enough for "about N seeds"


class Box(NamedTuple):
    """Where the parts of the mixture may lie; each field is a pair (least, greatest) of arrays of one shape.

    Attributes:
        share: p, the share of runs at chance (Clopper and Pearson 1934).
        mean: m, the mean of the learned runs (t bounds), within the metric's range.
        std: s, their standard deviation (the wider of chi-squared and Bonett), at most half the range.
        chance: f, the mean of the runs at chance: between the least and the greatest of their scores and the
            constant predictor's.
        chance_variance: v, their variance: at most that of two points at the ends of `chance`.
    """

    share: tuple[Floats, Floats]
    mean: tuple[Floats, Floats]
    std: tuple[Floats, Floats]
    chance: tuple[Floats, Floats]
    chance_variance: tuple[Floats, Floats]


class MixtureBounds(NamedTuple):
    """One-sided bounds on mean and standard deviation of all runs, each at the level asked for.

    A bound is infinite where nothing limits how far from the others a run at chance would lie.
    """

    mean_lower: Floats
    mean_upper: Floats
    std_lower: Floats
    std_upper: Floats


def mixture_bounds(
    scores: Floats,
    learned: Bools,
    constant: float | None,
    range: tuple[float, float],
    alpha: float = 0.05,
) -> MixtureBounds:
    """Bounds along the last axis.

    Args:
        scores: shape (..., n), higher is better.
        learned: same shape, which runs learned something; the others are at chance.
        constant: the constant predictor's score; where it is not known and no run is at chance, a run at
            chance is taken to have the worst score of the range.
        range: the least and the greatest possible score.
        alpha: level of each bound.
    """
    found = box(scores, learned, constant, range, alpha)
    return MixtureBounds(*_mean(found, range), *_std(found, half(range)))


def half(range: tuple[float, float]) -> float:
    """The largest possible standard deviation of scores in a range (Popoviciu 1935)."""
    return (range[1] - range[0]) / 2


def box(
    scores: Floats, learned: Bools, constant: float | None, range: tuple[float, float], alpha: float
) -> Box:
    """Where the parts of the mixture may lie; arguments as in `mixture_bounds`."""
    x = np.asarray(scores, dtype=np.float64)
    worst, best = range
    level = alpha / 3
    n_learned, mean, variance = moments(x, learned)
    share = clopper_pearson(x.shape[-1] - n_learned, x.shape[-1], level)

    quantile = scipy.special.stdtrit(np.maximum(n_learned - 1, 1), 1 - level)
    reach = quantile * np.sqrt(variance / np.maximum(n_learned, 1))
    enough = n_learned > 1
    low = np.where(enough, np.clip(mean - reach, worst, best), worst)
    high = np.where(enough, np.clip(mean + reach, worst, best), best)

    spread = spread_bounds(x, learned, level)
    std = (np.minimum(spread.lower, half(range)), np.minimum(spread.upper, half(range)))

    ends = (np.inf, -np.inf) if constant is None else (constant, constant)
    least = np.where(learned, np.inf, x).min(axis=-1, initial=ends[0])
    greatest = np.where(learned, -np.inf, x).max(axis=-1, initial=ends[1])
    known = np.isfinite(least)
    chance = (np.where(known, least, worst), np.where(known, greatest, worst))
    widest = (np.where(known, greatest, 0.0) - np.where(known, least, 0.0)) / 2
    return Box(share, (low, high), std, chance, (np.zeros_like(widest), widest**2))


def _mean(found: Box, range: tuple[float, float]) -> tuple[Floats, Floats]:
    """The mean is linear in every part, so its extremes lie in corners."""
    f_low, f_high = found.chance
    m_low, m_high = found.mean
    f_high = np.where(np.isfinite(f_high), f_high, m_high)  # unknown: it may be anything
    lower = np.minimum(*(_weighted(1 - p, m_low) + _weighted(p, f_low) for p in found.share))
    upper = np.maximum(*(_weighted(1 - p, m_high) + _weighted(p, f_high) for p in found.share))
    return np.clip(lower, *range), np.clip(upper, *range)


def _weighted(weight: Floats, value: Floats) -> Floats:
    """Their product, 0 where the weight is 0 and the value infinite."""
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, weight * value, 0.0)


def _std(found: Box, widest: float) -> tuple[Floats, Floats]:
    """The variance rises in s, v and |m - f|, and is concave in p.

    So it is least at an end of p, and largest at an end or where its derivative is 0,
    p = 1/2 + (v - s^2) / (2 (m - f)^2).
    """
    (m_low, m_high), (f_low, f_high) = found.mean, found.chance
    v, s = found.chance_variance[1], found.std[1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # where nothing limits m, f or s
        near = np.maximum(np.maximum(m_low - f_high, f_low - m_high), 0.0)
        far = np.maximum(m_high - f_low, f_high - m_low)
        top = np.nan_to_num(0.5 + (v - s**2) / (2 * far**2))
        largest = _variance(np.clip(top, *found.share), s, v, far)
    near = np.where(np.isfinite(near), near, 0.0)
    smallest = np.minimum(*(_variance(p, found.std[0], found.chance_variance[0], near) for p in found.share))
    upper = np.sqrt(np.where(np.isnan(largest), np.inf, largest))
    return np.minimum(np.sqrt(smallest), widest), np.minimum(upper, widest)


def _variance(p: Floats, s: Floats, v: Floats, distance: Floats) -> Floats:
    return (1 - p) * s**2 + p * v + p * (1 - p) * distance**2


def mixture_seeds_needed(
    sample: Sample, decided: Callable[[MixtureBounds], Bools], alpha: float = 0.05
) -> int | None:
    """Seeds in all that decide a gate on all runs if the further runs are drawn from those observed.

    Simulated from a fixed generator, each larger sample being a continuation of the smaller one; the number
    is found to 2 %.

    Args:
        sample: the runs so far.
        decided: whether the gate decides, for bounds of shape (continuations,).
        alpha: level of each side.
    """
    more = MOST_SEEDS - sample.n
    if more <= 0:
        return None
    drawn = np.random.default_rng(0).integers(sample.n, size=(_CONTINUATIONS, more))
    seen = np.tile(np.arange(sample.n), (_CONTINUATIONS, 1))
    runs = np.concatenate([seen, drawn], axis=1)

    def enough(n: int) -> bool:
        rows = runs[:, :n]
        bounds = mixture_bounds(
            sample.scores[rows], sample.learned[rows], sample.constant, sample.range, alpha
        )
        return float(decided(bounds).mean()) >= POWER

    low, high = sample.n, MOST_SEEDS
    if not enough(high):
        return None
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
