"""Power of the gates, and how many seeds would decide one.

That means: with probability 0.8, if the truth is what was observed so far. The count is a total, seeds
already run included; None means that no number up to 1,000 would (the truth seems to lie on the threshold).
"""

from functools import lru_cache
from math import ceil

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from stabbench.statistics.failures import failures_codes
from stabbench.statistics.masked import Floats
from stabbench.statistics.sample import MIN_LEARNED
from stabbench.statistics.spread import chi2_factors

POWER = 0.8
MOST_SEEDS = 1_000


def failures_seeds_needed(k: int, n: int, p0: float, alpha: float = 0.05) -> int | None:
    """Seeds in all that decide the failures gate if, after k of n failed, the rest fail at the rate k / n."""
    at_most, at_least = _limits_table(p0, alpha)
    totals = np.arange(n + 1, MOST_SEEDS + 1)
    if n == 0 or len(totals) == 0:
        return None
    more = totals - n
    decided = scipy.special.bdtr(np.floor(at_most[totals] - k).clip(-1, more), more, k / n)
    decided = np.where(at_most[totals] >= k, decided, 0.0)
    missing = at_least[totals] - k
    decided += np.where(
        missing <= 0,
        1.0,
        np.where(missing > more, 0.0, scipy.special.bdtrc((missing - 1).clip(0, more), more, k / n)),
    )
    return _first(totals, decided >= POWER)


@lru_cache(maxsize=64)
def _limits_table(p0: float, alpha: float) -> tuple[Floats, Floats]:
    """By n up to MOST_SEEDS: the largest passing count (-1: none), the smallest failing one (n + 1)."""
    n = np.arange(MOST_SEEDS + 1)
    # outcomes are monotone in k: bisect for both limits of every n at once
    limits = []
    for wanted in (1, -1):
        low, high = np.full(n.shape, -1), n + 1
        while (high - low > 1).any():
            middle = (low + high) // 2
            inside = (middle >= 0) & (middle <= n)
            found = failures_codes(np.where(inside, middle, 0), np.maximum(n, 1), p0, alpha)
            below = found == 1 if wanted == 1 else found != -1
            open_ = high - low > 1
            low = np.where(open_ & below, middle, low)
            high = np.where(open_ & ~below, middle, high)
        limits.append((low if wanted == 1 else high).astype(np.float64))
    return limits[0], limits[1]


def _spread_power(df: Floats, a: Floats, b: Floats, ratio: float) -> tuple[Floats, Floats]:
    passes = scipy.special.gammainc(df / 2, df * (a / ratio) ** 2 / 2)
    return np.asarray(passes), np.asarray(scipy.special.gammaincc(df / 2, df * (b / ratio) ** 2 / 2))


@lru_cache(maxsize=64)
def _factors_table(alpha: float) -> tuple[Floats, Floats]:
    """The factors a_n and b_n for n = 0 ... MOST_SEEDS."""
    return chi2_factors(np.arange(MOST_SEEDS + 1), alpha)


def spread_seeds_needed(
    observed: float, tau: float, n: int, n_successes: int, alpha: float = 0.05
) -> int | None:
    """Seeds in all that decide "spread at most tau" if the true spread is the observed one.

    Args:
        observed: standard deviation so far, in the units of tau.
        tau: threshold.
        n: runs so far.
        n_successes: how many of them the standard deviation is taken over; their share is assumed to stay.
        alpha: level of each side.
    """
    if n_successes == 0 or observed <= 0:
        return None
    successes = np.arange(max(n_successes + 1, MIN_LEARNED), MOST_SEEDS + 1)
    a, b = (factors[successes] for factors in _factors_table(alpha))
    passes, fails = _spread_power((successes - 1).astype(np.float64), a, b, observed / tau)
    return _scaled(_first(successes, np.maximum(passes, fails) >= POWER), n / n_successes)


def mean_seeds_needed(gap: float, spread: float, n: int, n_successes: int, alpha: float = 0.05) -> int | None:
    """Seeds in all that decide "mean at least m" if mean - m is `gap` and the standard deviation `spread`."""
    if n_successes == 0 or spread <= 0 or gap == 0:
        return None
    successes = np.arange(max(n_successes + 1, MIN_LEARNED), MOST_SEEDS + 1)
    power = scipy.special.ndtr(
        abs(gap) / spread * np.sqrt(successes) - scipy.special.stdtrit(successes - 1, 1 - alpha)
    )
    return _scaled(_first(successes, power >= POWER), n / n_successes)


def two_group_seeds_needed(effects: ArrayLike, variances: ArrayLike, levels: ArrayLike, n: int) -> int | None:
    """Seeds per group at which at least one of several one-sided contrasts becomes significant.

    Args:
        effects: observed differences in the wanted direction; negative ones never become significant.
        variances: for each, the sum of both groups' variances of one run.
        levels: the level of each contrast.
        n: runs per group so far.
    """
    totals = np.arange(n + 1, MOST_SEEDS + 1)[:, None]
    return _first(
        totals[:, 0], _contrast_power(effects, np.asarray(variances) / totals, levels).max(axis=1) >= POWER
    )


def regression_seeds_needed(
    differences: ArrayLike, margins: ArrayLike, own: ArrayLike, base: ArrayLike, n: int, alpha: float = 0.05
) -> int | None:
    """Candidate seeds in all that decide a regression gate, the baseline staying as it is.

    Either one of the three contrasts becomes a significant worsening (at alpha / 3), or all three become
    significantly less bad than their margins (at alpha each).

    Args:
        differences: observed worsening of each contrast.
        margins: distance of each contrast from its margin (positive: on the good side).
        own: variance of one candidate run in each contrast.
        base: squared standard error of the baseline in each contrast.
        n: candidate runs so far.
        alpha: level of the gate.
    """
    totals = np.arange(n + 1, MOST_SEEDS + 1)[:, None]
    variance = np.asarray(own) / totals + np.asarray(base)
    fails = _contrast_power(differences, variance, np.full(3, alpha / 3)).max(axis=1)
    misses = 1 - _contrast_power(margins, variance, np.full(3, alpha))
    return _first(totals[:, 0], np.maximum(fails, 1 - misses.sum(axis=1)) >= POWER)


def equivalence_seeds_needed(
    margins: ArrayLike, variances: ArrayLike, n: int, alpha: float = 0.05
) -> int | None:
    """Seeds per group that decide an equivalence gate.

    Either all contrasts become significantly less than their margins (at alpha each), or one becomes
    significantly more (at alpha / 2).

    Args:
        margins: distance of each contrast from its margin (positive: on the good side).
        variances: for each, the sum of both groups' variances of one run.
        n: runs per group so far.
        alpha: level of the gate.
    """
    totals = np.arange(n + 1, MOST_SEEDS + 1)[:, None]
    distance, variance = np.asarray(margins), np.asarray(variances) / totals
    levels = np.full(distance.shape, alpha)
    misses = 1 - _contrast_power(distance, variance, levels)
    fails = _contrast_power(-distance, variance, levels / 2).max(axis=1)
    return _first(totals[:, 0], np.maximum(fails, 1 - misses.sum(axis=1)) >= POWER)


def _contrast_power(effects: ArrayLike, variances: NDArray[np.float64], levels: ArrayLike) -> Floats:
    """Normal power of one-sided contrasts; without any variance, certainty for a positive effect."""
    effect = np.asarray(effects, dtype=np.float64)
    spread = np.sqrt(variances)
    standard = np.where(
        spread > 0, effect / np.where(spread > 0, spread, 1.0), np.where(effect > 0, 99.0, -99.0)
    )
    return np.asarray(
        scipy.special.ndtr(standard - scipy.special.ndtri(1 - np.asarray(levels, dtype=np.float64)))
    )


def _first(totals: NDArray[np.int64], enough: NDArray[np.bool_]) -> int | None:
    return int(totals[np.argmax(enough)]) if enough.any() else None


def _scaled(successes: int | None, runs_per_success: float) -> int | None:
    return None if successes is None else ceil(successes * runs_per_success)
