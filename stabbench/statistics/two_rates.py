"""Tests between two groups of runs: the rates of their failed runs."""

from functools import lru_cache
from itertools import accumulate
from math import comb, log

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.statistics.masked import Floats


@lru_cache(maxsize=65536)
def boschloo(k1: int, n1: int, k0: int, n0: int) -> float:
    """Boschloo's exact p-value for "the first rate is higher", k1 of n1 against k0 of n0 (Boschloo 1970).

    The largest probability, over every common rate, of a table whose one-sided p by Fisher is no larger than
    the observed one. Tables are compared as integers, so no tie is lost to rounding. Without `scipy.stats`,
    which has this test too, since loading it takes half a second that every session would wait for.

    1 where either group is empty or nothing (or everything) failed. Cached: a call costs milliseconds.
    """
    if n1 == 0 or n0 == 0 or k1 + k0 in (0, n1 + n0):
        return 1.0
    first = [comb(n1, k) for k in range(n1 + 1)]
    second = [comb(n0, k) for k in range(n0 + 1)]

    def tails(failed: int) -> list[int]:
        """Ways in which `failed` runs fail, the most of them in the first group, or one fewer, and so on."""
        most, least = min(n1, failed), max(0, failed - n0)
        return list(accumulate(first[k] * second[failed - k] for k in range(most, least - 1, -1)))

    ways = [comb(n1 + n0, failed) for failed in range(n1 + n0 + 1)]
    tail, size = tails(k1 + k0)[min(n1, k1 + k0) - k1], ways[k1 + k0]  # Fisher's p is their ratio
    # given the total of failed runs, the common rate does not change the chance of a table so extreme
    extreme = [
        max((other for other in tails(failed) if other * size <= tail * ways[failed]), default=0)
        for failed in range(n1 + n0 + 1)
    ]
    return min(1.0, _largest_mean([part / whole for part, whole in zip(extreme, ways, strict=True)]))


def _largest_mean(values: list[float]) -> float:
    """Maximum over the rate of the mean of values[m], where m is binomial with len(values) - 1 trials."""
    n = len(values) - 1
    m = np.arange(n + 1)
    log_ways = np.array([log(comb(n, int(i))) for i in m])

    def mean(angle: Floats) -> Floats:
        # in p = sin^2(angle) a binomial has the same width everywhere
        p, q = np.sin(angle)[..., None] ** 2, np.cos(angle)[..., None] ** 2
        terms = log_ways + scipy.special.xlogy(m, p) + scipy.special.xlogy(n - m, q)
        return np.asarray(np.exp(terms) @ np.array(values))

    angles = np.linspace(0, np.pi / 2, 1025)
    found = mean(angles)
    peaks = 1 + np.flatnonzero((found[1:-1] >= found[:-2]) & (found[1:-1] >= found[2:]))
    centers, reach = angles[peaks], angles[1]
    for _ in range(3):
        around = centers[:, None] + reach * np.linspace(-1, 1, 33)
        centers = np.take_along_axis(around, mean(around).argmax(axis=1)[:, None], 1)[:, 0]
        reach /= 16
    return float(max(found.max(), mean(centers).max(initial=0.0)))


def more_failures(k1: ArrayLike, n1: int, k0: ArrayLike, n0: int) -> Floats:
    """Boschloo's p for "the first group fails more", by pair of counts; 1 where its rate is not higher."""
    first, second = np.broadcast_arrays(np.asarray(k1, np.int64), np.asarray(k0, np.int64))
    pairs, which = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1, return_inverse=True)
    values = np.array([boschloo(int(i), n1, int(j), n0) if i * n0 > j * n1 else 1.0 for i, j in pairs.T])
    return np.asarray(values[which].reshape(first.shape))


def newcombe_upper(k1: ArrayLike, n1: ArrayLike, k0: ArrayLike, n0: ArrayLike, alpha: float = 0.05) -> Floats:
    """One-sided upper bound on the difference of two rates, p1 - p0 (Newcombe 1998, method 10).

    With Wilson's one-sided bounds u1 and l0: d + sqrt((u1 - p1)^2 + (p0 - l0)^2).
    """
    z = scipy.special.ndtri(1 - alpha)
    p1, p0 = np.asarray(k1) / np.asarray(n1), np.asarray(k0) / np.asarray(n0)
    u1, l0 = wilson_bound(k1, n1, z), wilson_bound(k0, n0, -z)
    return np.asarray(p1 - p0 + np.sqrt((u1 - p1) ** 2 + (p0 - l0) ** 2))


def wilson_bound(k: ArrayLike, n: ArrayLike, z: float) -> Floats:
    """Wilson's (1927) one-sided bound on a rate, k of n: the upper one at z > 0, the lower one at z < 0."""
    count, size = np.asarray(k, np.float64), np.asarray(n, np.float64)
    p = count / size
    root = np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
    return np.asarray((p + z**2 / (2 * size) + z * root) / (1 + z**2 / size))
