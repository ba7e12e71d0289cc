"""Failed runs: bounds on their rate, and which counts decide a gate."""

from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics.evidence import check_probability, codes
from stabbench.statistics.masked import Floats
from stabbench.statistics.sample import MIN_RUNS


def clopper_pearson(k: ArrayLike, n: ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """One-sided exact bounds on a rate, each at level alpha.

    Upper: 1 if k = n, else the (1 - alpha) quantile of Beta(k+1, n-k). Lower: 0 if k = 0, else the alpha
    quantile of Beta(k, n-k+1) (Clopper and Pearson 1934).
    """
    k_, n_ = np.broadcast_arrays(np.asarray(k, np.float64), np.asarray(n, np.float64))
    lower = scipy.special.betaincinv(np.maximum(k_, 1), n_ - k_ + 1, alpha)
    upper = scipy.special.betainccinv(k_ + 1, np.maximum(n_ - k_, 1), alpha)
    return np.where(k_ == 0, 0.0, lower), np.where(k_ == n_, 1.0, upper)


def wilson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's two-sided score interval, for display (its coverage at n = 25 falls to .88)."""
    interval = scipy.stats.binomtest(k, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def jeffreys(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Jeffreys' two-sided interval, Beta(k + 1/2, n - k + 1/2) quantiles, for display."""
    tail = (1 - confidence) / 2
    low = 0.0 if k == 0 else float(scipy.special.betaincinv(k + 0.5, n - k + 0.5, tail))
    high = 1.0 if k == n else float(scipy.special.betainccinv(k + 0.5, n - k + 0.5, tail))
    return low, high


def failures_codes(
    k: ArrayLike, n: ArrayLike, p0: float, alpha: float = 0.05, all_is_fail: bool = True
) -> NDArray[np.int8]:
    """Outcomes of the gate "at most a share p0 of the runs fails", for any shape of k and n.

    PASS where the upper bound is <= p0; FAIL where the lower bound is > p0, and with `all_is_fail` also where
    all of at least three runs failed; else INCONCLUSIVE.
    """
    k_, n_ = np.broadcast_arrays(np.asarray(k), np.asarray(n))
    lower, upper = clopper_pearson(k_, n_, alpha)
    every = (k_ == n_) & (n_ >= MIN_RUNS) & all_is_fail
    return codes((upper <= p0) & ~every & (n_ >= MIN_RUNS), ((lower > p0) | every) & (n_ >= MIN_RUNS))


@lru_cache(maxsize=4096)
def failures_limits(
    n: int, p0: float, alpha: float = 0.05, all_is_fail: bool = True
) -> tuple[int | None, int | None]:
    """The counts that decide n runs: (PASS if at most this many failed, FAIL if at least this many).

    None where no count would.

    Raises:
        StabbenchError: the allowance p0 or alpha is not between 0 and 1, or n is negative.
    """
    check_probability("at_most", p0)
    check_probability("alpha", alpha)
    if n < 0:
        raise StabbenchError(f"n is {n}", "give the number of runs")
    found = failures_codes(np.arange(n + 1), n, p0, alpha, all_is_fail)
    passing, failing = np.flatnonzero(found == 1), np.flatnonzero(found == -1)
    return (int(passing[-1]) if len(passing) else None), (int(failing[0]) if len(failing) else None)


def binomial_tails(at_most: ArrayLike, at_least: ArrayLike, n: ArrayLike, p: float) -> tuple[Floats, Floats]:
    """P(X <= at_most) and P(X >= at_least) of binomial counts; limits outside of 0 ... n are allowed."""
    low, high = (np.asarray(x, dtype=np.float64) for x in (at_most, at_least))
    runs = np.asarray(n, dtype=np.int64)
    passes = np.where(low >= 0, scipy.special.bdtr(low.clip(0, runs), runs, p), 0.0)
    above = scipy.special.bdtrc((high - 1).clip(0, runs), runs, p)
    return passes, np.where(high <= 0, 1.0, np.where(high > runs, 0.0, above))
