"""How many seeds would decide a gate that has just been INCONCLUSIVE.

That means: with probability 0.8, if the truth is what was observed so far, at the level of the second look,
since the advice is to take one (`--stab-more-seeds`). The count is a total, seeds already run included; None
means that no number up to 1,000 would (the truth seems to lie on the threshold). `alpha` is everywhere the
level of the gate, of which the second look has its share (`look_alpha`).
"""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from stabbench.statistics.curtailment import look_alpha
from stabbench.statistics.failures import binomial_tails, failures_codes
from stabbench.statistics.masked import Floats
from stabbench.statistics.sample import MIN_LEARNED
from stabbench.statistics.spread import NORMAL_KURTOSIS, spread_factors

POWER = 0.8
MOST_SEEDS = 1_000


def no_number(needed: int | None) -> str:
    """What a reason adds where no number of seeds up to 1,000 would decide."""
    return "" if needed else f"; if that is the truth, no number of seeds up to {MOST_SEEDS:,} would decide"


def failures_seeds_needed(k: int, n: int, p0: float, alpha: float = 0.05) -> int | None:
    """Seeds in all that decide the failures gate if, after k of n failed, the rest fail at the rate k / n."""
    at_most, at_least = limits_table(p0, look_alpha(alpha, 2))
    totals = np.arange(n + 1, MOST_SEEDS + 1)
    if n == 0 or len(totals) == 0:
        return None
    passes, fails = binomial_tails(at_most[totals] - k, at_least[totals] - k, totals - n, k / n)
    decided = passes + fails
    return _first(totals, decided >= POWER)


@lru_cache(maxsize=64)
def limits_table(p0: float, alpha: float) -> tuple[Floats, Floats]:
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


def spread_power(
    n: ArrayLike, ratio: float, alpha: float = 0.05, kurtosis: float = NORMAL_KURTOSIS
) -> tuple[Floats, Floats]:
    """Probability of PASS and of FAIL of "standard deviation at most tau" over n learned runs.

    The observed variance is taken for a chi-squared one whose degrees of freedom are scaled by the true
    variance of a variance, 2 / (kurtosis - 1) of what they are for normal scores, and Bonett's bound for the
    one that the true kurtosis would give.

    Args:
        n: numbers of runs, 5 or more.
        ratio: true standard deviation divided by tau.
        alpha: level of each side.
        kurtosis: of the scores, 3 if they are normal; a smaller one counts as 3.
    """
    shape = max(kurtosis, NORMAL_KURTOSIS)
    runs = np.asarray(n, dtype=np.float64)
    passing, failing = spread_factors(runs, alpha, shape)
    half = (runs - 1) / (shape - 1)
    passes = scipy.special.gammainc(half, half * (passing / ratio) ** 2)
    return np.asarray(passes), np.asarray(scipy.special.gammaincc(half, half * (failing / ratio) ** 2))


def spread_seeds_needed(
    observed: float,
    tau: float,
    n: int,
    n_learned: int,
    alpha: float = 0.05,
    kurtosis: float = NORMAL_KURTOSIS,
) -> int | None:
    """Seeds in all that decide "spread at most tau" if the true spread is the observed one.

    Args:
        observed: standard deviation so far, in the units of tau.
        tau: threshold.
        n: runs so far.
        n_learned: how many of them the standard deviation is taken over; their share is assumed to stay.
        alpha: level of each side of the gate.
        kurtosis: of the scores so far, as Bonett estimates it.
    """
    if n_learned == 0 or observed <= 0:
        return None
    runs = np.arange(max(n_learned + 1, MIN_LEARNED), MOST_SEEDS + 1)
    passes, fails = spread_power(runs, observed / tau, look_alpha(alpha, 2), kurtosis)
    return _scaled(_first(runs, np.maximum(passes, fails) >= POWER), n / n_learned)


def mean_reach(n: ArrayLike, alpha: float = 0.05) -> Floats:
    """How many standard deviations the mean of n runs must be from m for a verdict on "mean at least m"."""
    runs = np.asarray(n, dtype=np.float64)
    return np.asarray(scipy.special.stdtrit(runs - 1, 1 - alpha) / np.sqrt(runs))


def mean_power(n: ArrayLike, gap: float, alpha: float = 0.05) -> Floats:
    """Probability of PASS of "mean at least m" where the true mean is `gap` standard deviations above m."""
    root = np.sqrt(np.asarray(n, dtype=np.float64))
    return np.asarray(scipy.special.ndtr((gap - mean_reach(n, alpha)) * root))


def mean_seeds_needed(gap: float, spread: float, n: int, n_learned: int, alpha: float = 0.05) -> int | None:
    """Seeds in all that decide "mean at least m" if mean - m is `gap` and the standard deviation `spread`."""
    if n_learned == 0 or spread <= 0 or gap == 0:
        return None
    runs = np.arange(max(n_learned + 1, MIN_LEARNED), MOST_SEEDS + 1)
    enough = mean_power(runs, abs(gap) / spread, look_alpha(alpha, 2)) >= POWER
    return _scaled(_first(runs, enough), n / n_learned)


def two_group_seeds_needed(
    effects: ArrayLike, variances: ArrayLike, levels: Sequence[float], n: int
) -> int | None:
    """Seeds per group at which at least one of several one-sided contrasts becomes significant.

    Args:
        effects: observed differences in the wanted direction; negative ones never become significant.
        variances: for each, the sum of both groups' variances of one run.
        levels: the level of each contrast in the gate.
        n: runs per group so far.
    """
    totals = np.arange(n + 1, MOST_SEEDS + 1)[:, None]
    found = _contrast_power(effects, np.asarray(variances) / totals, [look_alpha(a, 2) for a in levels])
    return _first(totals[:, 0], found.max(axis=1) >= POWER)


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
    level = look_alpha(alpha, 2)
    fails = _contrast_power(differences, variance, np.full(3, level / 3)).max(axis=1)
    misses = 1 - _contrast_power(margins, variance, np.full(3, level))
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


def _scaled(learned: int | None, runs_per_learned: float) -> int | None:
    total = None if learned is None else ceil(learned * runs_per_learned - 1e-9)
    return None if total is None or total > MOST_SEEDS else total
