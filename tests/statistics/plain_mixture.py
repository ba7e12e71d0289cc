"""The bounds on all runs a second time, in plain Python: parts from `scipy.stats`, extremes by search."""

import itertools
import math
import statistics

import scipy


def plain_box(scores, learned, constant, limits, alpha):
    """The box by formula: pairs of share, mean, std and score at chance."""
    level, n = alpha / 3, len(scores)
    good = [x for x, flag in zip(scores, learned, strict=True) if flag]
    bad = [x for x, flag in zip(scores, learned, strict=True) if not flag]
    k, m = len(bad), len(good)
    share = (
        scipy.stats.beta.ppf(level, k, n - k + 1) if k else 0.0,
        scipy.stats.beta.isf(level, k + 1, n - k) if k < n else 1.0,
    )
    mean, s = statistics.fmean(good), statistics.stdev(good)
    reach = scipy.stats.t.isf(level, m - 1) * s / math.sqrt(m)
    chi2 = [s * math.sqrt((m - 1) / scipy.stats.chi2.ppf(q, m - 1)) for q in (1 - level, level)]
    z = scipy.stats.norm.isf(level)
    c = m / (m - z)
    centre = scipy.stats.trim_mean(good, 1 / (2 * math.sqrt(m - 4)))
    kurtosis = m * sum((x - centre) ** 4 for x in good) / sum((x - mean) ** 2 for x in good) ** 2
    error = z * c * math.sqrt(max(0.0, kurtosis - (m - 3) / m) / (m - 1))
    bonett = [math.exp((math.log(c * s * s) + sign * error) / 2) for sign in (-1, 1)]
    low, high = limits
    widest = (high - low) / 2
    known = [*bad, constant]
    return (
        share,
        (max(mean - reach, low), min(mean + reach, high)),
        (min(chi2[0], bonett[0], widest), min(max(chi2[1], bonett[1]), widest)),
        (min(known), max(known)),
    )


def variance(p, m, s, f, v):
    return (1 - p) * s * s + p * v + p * (1 - p) * (m - f) ** 2


def plain_bounds(scores, learned, constant, limits, alpha=0.05):
    """Least and greatest mean and standard deviation in the box.

    They lie at its corners; the largest variance is looked for by bounded search over the share.
    """
    share, means, stds, chances = plain_box(scores, learned, constant, limits, alpha)
    spreads = (0.0, ((chances[1] - chances[0]) / 2) ** 2)
    least, most = math.inf, 0.0
    for m, s, f, v in itertools.product(means, stds, chances, spreads):
        at_ends = [variance(p, m, s, f, v) for p in share]
        found = scipy.optimize.minimize_scalar(
            lambda p, *rest: -variance(p, *rest), args=(m, s, f, v), bounds=share
        )
        least, most = min(least, *at_ends), max(most, -found.fun, *at_ends)
    mean = [(1 - p) * m + p * f for p in share for m in means for f in chances]
    return min(mean), max(mean), math.sqrt(least), math.sqrt(most)
