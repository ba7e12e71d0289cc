"""Exact tests on the counts of one run or of two on the same rows: do the predictions show anything?

Without `scipy.stats`, which has them too, since loading it takes half a second that every session would wait
for.
"""

import math
from functools import lru_cache

import numpy as np
import scipy

from stabbench.statistics.masked import Floats

Counts = tuple[tuple[int, ...], ...]
"""Rows of a dev set by [true label][predicted label]."""

RANKS = 1.06
"""Variance of Fisher's z of a rank correlation, times n - 3 (Fieller, Hartley and Pearson 1957)."""


def mcnemar(better: int, worse: int) -> float:
    """p-value of "the first is right more often", for two classifiers of the same rows.

    P(Bin(better + worse, 1/2) >= better) (McNemar 1947, exact); 1 where they never differ.

    Args:
        better: rows on which only the first is right.
        worse: rows on which only the second is.
    """
    return float(scipy.special.bdtrc(better - 1, better + worse, 0.5)) if better else 1.0


def beats_majority(counts: Counts) -> float:
    """p-value of "right more often than the most frequent label": McNemar's test against that answer.

    Where several labels are the most frequent, the largest of their p-values.
    """
    rows = [sum(row) for row in counts]
    right = sum(row[label] for label, row in enumerate(counts))
    majorities = [label for label, n in enumerate(rows) if n == max(rows)]
    return max(
        mcnemar(right - counts[label][label], rows[label] - counts[label][label]) for label in majorities
    )


def beats_share(right: int, n: int, share: float) -> float:
    """p-value of "right more often than a share of the rows", exact binomial: P(Bin(n, share) >= right)."""
    return float(scipy.special.bdtrc(right - 1, n, share)) if right > 0 else 1.0


@lru_cache(maxsize=4096)
def fisher(counts: Counts) -> float:
    """p-value of "predictions go with the labels", one-sided (Fisher 1935, exact).

    With more than two labels: the smallest over the labels, each against all others, times their number
    (Bonferroni).
    """
    labels = range(len(counts)) if len(counts) > 2 else range(1)
    n = sum(map(sum, counts))
    found = [
        _hypergeometric(counts[label][label], n, sum(counts[label]), sum(row[label] for row in counts))
        for label in labels
    ]
    return min(1.0, len(found) * min(found))


def correlation_above_zero(r: float, n: int, ranks: bool = False) -> float:
    """p-value of "the correlation is above 0" by Fisher's z = artanh(r), of variance 1 / (n - 3).

    Args:
        r: the correlation.
        n: number of rows.
        ranks: whether it is one of ranks, whose variance is 1.06 times larger.
    """
    if r <= 0 or n <= 3:
        return 1.0
    z = math.atanh(min(r, 1 - 1e-12))
    return float(scipy.special.ndtr(-z * math.sqrt((n - 3) / (RANKS if ranks else 1.0))))


def _hypergeometric(hits: int, n: int, true: int, named: int) -> float:
    """P(X >= hits) of `named` rows drawn without replacement from `n`, of which `true` count."""
    k = np.arange(hits, min(true, named) + 1, dtype=np.float64)

    def log_ways(total: int, chosen: Floats | float) -> Floats:
        gamma = scipy.special.gammaln
        return np.asarray(gamma(total + 1.0) - gamma(chosen + 1.0) - gamma(total - chosen + 1.0))

    logs = log_ways(true, k) + log_ways(n - true, named - k) - log_ways(n, float(named))
    return min(1.0, float(np.exp(logs).sum()))
