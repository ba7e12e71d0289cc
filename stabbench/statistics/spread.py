"""Standard deviation across seeds: bounds on it and the three-valued rule for "at most tau"."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from stabbench.statistics.evidence import codes
from stabbench.statistics.masked import Bools, Floats, Ints, moments, trimmed_mean
from stabbench.statistics.sample import MIN_LEARNED

NORMAL_KURTOSIS = 3.0


class SpreadBounds(NamedTuple):
    """Standard deviation (ddof=1) and its one-sided bounds, each at level alpha; same shape as the samples.

    Where fewer than five scores are kept the bounds are 0 and infinity.
    """

    n: Ints
    std: Floats
    chi2_lower: Floats
    chi2_upper: Floats
    bonett_lower: Floats
    bonett_upper: Floats
    kurtosis: Floats

    @property
    def lower(self) -> Floats:
        """The smaller of the lower bounds: the one that decides."""
        return np.minimum(self.chi2_lower, self.bonett_lower)

    @property
    def upper(self) -> Floats:
        """The larger of the upper bounds: the one that decides."""
        return np.maximum(self.chi2_upper, self.bonett_upper)


def std(scores: ArrayLike, ddof: int = 1) -> float:
    """Standard deviation; ddof=0 is what the paper probably printed. 0 where it is not defined."""
    values = np.asarray(scores, dtype=np.float64)
    return float(np.std(values, ddof=ddof)) if len(values) > ddof else 0.0


def chi2_factors(n: ArrayLike, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """(a_n, b_n): the chi-squared rule says PASS iff s <= a_n tau, FAIL iff s > b_n tau.

    a_n = sqrt(chi2 quantile(alpha, n-1) / (n-1)), b_n the same with the quantile 1 - alpha. Exact for normal
    scores.
    """
    df = np.maximum(np.asarray(n, dtype=np.float64) - 1, 1)
    # the chi-squared quantiles, through the incomplete gamma function
    return np.sqrt(2 * scipy.special.gammaincinv(df / 2, alpha) / df), np.sqrt(
        2 * scipy.special.gammainccinv(df / 2, alpha) / df
    )


def spread_factors(n: ArrayLike, alpha: float, kurtosis: float) -> tuple[Floats, Floats]:
    """The same factors for the rule of the gate, in which the chi-squared and Bonett's bound must agree.

    Args:
        n: numbers of scores, 5 or more.
        alpha: level of each side.
        kurtosis: what Bonett's bound takes for the kurtosis of the scores.
    """
    runs = np.asarray(n, dtype=np.float64)
    z = scipy.special.ndtri(1 - alpha)
    c = runs / (runs - z)
    se = c * np.sqrt(np.maximum(0.0, kurtosis - (runs - 3) / runs) / (runs - 1))
    below, above = chi2_factors(runs, alpha)
    return np.minimum(below, np.exp(-z * se / 2) / np.sqrt(c)), np.maximum(
        above, np.exp(z * se / 2) / np.sqrt(c)
    )


def spread_bounds(scores: Floats, keep: Bools | None = None, alpha: float = 0.05) -> SpreadBounds:
    """Chi-squared and Bonett (2006) bounds on the standard deviation along the last axis.

    Bonett's interval estimates the kurtosis about a trimmed mean: with z the upper alpha quantile of the
    normal, c = n/(n-z), g = n sum (x-m_trim)^4 / (sum (x-mean)^2)^2 and se = c sqrt(max(0, g - (n-3)/n) /
    (n-1)), the bounds are exp((ln(c s^2) -/+ z se) / 2).

    Args:
        scores: shape (..., n).
        keep: same shape, the entries to use (default all).
        alpha: level of each one-sided bound.
    """
    x = np.asarray(scores, dtype=np.float64)
    mask = np.ones(x.shape, bool) if keep is None else keep
    n, mean, variance = moments(x, mask)
    enough = n >= MIN_LEARNED
    m = np.where(enough, n, MIN_LEARNED).astype(np.float64)
    s = np.sqrt(variance)
    below, above = chi2_factors(m, alpha)

    z = scipy.special.ndtri(1 - alpha)
    c = m / (m - z)
    cut = (m / (2 * np.sqrt(m - 4))).astype(np.int64)
    fourth = (np.where(mask, x - trimmed_mean(x, mask, cut)[..., None], 0.0) ** 2) ** 2  # ** 4 is slow
    squares = np.where(mask, x - mean[..., None], 0.0) ** 2
    total = squares.sum(axis=-1)
    usable = enough & (total > 0)
    kurtosis = np.where(usable, m * fourth.sum(axis=-1) / np.where(usable, total, 1.0) ** 2, 0.0)
    se = c * np.sqrt(np.maximum(0.0, kurtosis - (m - 3) / m) / (m - 1))
    centre = s * np.sqrt(c)
    nothing, anything = np.zeros_like(s), np.full_like(s, np.inf)
    return SpreadBounds(
        n,
        s,
        np.where(enough, s / above, nothing),
        np.where(enough, s / below, anything),
        np.where(enough, centre * np.exp(-z * se / 2), nothing),
        np.where(enough, centre * np.exp(z * se / 2), anything),
        kurtosis,
    )


def spread_codes(lower: ArrayLike, upper: ArrayLike, tau: float) -> NDArray[np.int8]:
    """Outcome codes of "standard deviation at most tau": PASS where upper <= tau, FAIL where lower > tau.

    Args:
        lower: lower bounds on it.
        upper: upper bounds, same shape.
        tau: threshold in the units of the scores.
    """
    return codes(np.asarray(upper) <= tau, np.asarray(lower) > tau)
