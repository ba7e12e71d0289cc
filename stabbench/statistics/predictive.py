"""How likely each verdict is at a larger number of seeds, given the seeds that are there.

Predictive: over the truths that fit what was seen, not at the single one that fits best. `alpha` is the level
of the gate; the larger number is judged at the second look's share of it.
"""

from typing import NamedTuple

import numpy as np
import scipy

from stabbench.statistics.curtailment import look_alpha
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.power import mean_reach
from stabbench.statistics.spread import NORMAL_KURTOSIS, spread_factors


class Chances(NamedTuple):
    """Probabilities of the verdicts with more seeds; the rest of 1 is that of INCONCLUSIVE."""

    chance_of_pass: float
    chance_of_fail: float


def share_chances(
    k: int, n: int, total: int, p0: float, alpha: float = 0.05, all_is_fail: bool = True
) -> Chances:
    """Of a gate on a share of runs, after k of n: beta-binomial, Jeffreys' prior Beta(1/2, 1/2).

    Args:
        k: runs of which it is true so far.
        n: runs so far.
        total: runs in all, more than n.
        p0: allowance.
        alpha: level of each side.
        all_is_fail: as in `failures_codes`.
    """
    more = total - n
    fresh = np.arange(more + 1)
    a, b = k + 0.5, n - k + 0.5
    weight = np.exp(
        scipy.special.betaln(a + fresh, b + more - fresh)
        - scipy.special.betaln(a, b)
        - scipy.special.betaln(1 + fresh, 1 + more - fresh)
        - np.log(more + 1)
    )
    found = failures_codes(k + fresh, total, p0, look_alpha(alpha, 2), all_is_fail)
    return _chances(weight[found == 1].sum(), weight[found == -1].sum())


def spread_chances(
    ratio: float, n: int, total: int, alpha: float = 0.05, kurtosis: float = NORMAL_KURTOSIS
) -> Chances:
    """Of "standard deviation at most tau".

    The sum of squares grows by one that is F-distributed about the observed variance (flat prior on mean and
    log std); with heavy tails both have fewer degrees of freedom, 2 / (kurtosis - 1) of them.

    Args:
        ratio: observed standard deviation divided by tau.
        n: learned runs so far.
        total: learned runs in all, more than n.
        alpha: level of each side.
        kurtosis: of the scores so far; less than 3 counts as 3.
    """
    shape = max(kurtosis, NORMAL_KURTOSIS)
    scale = 2 / (shape - 1)
    passing, failing = (float(at) for at in spread_factors(np.asarray(total), look_alpha(alpha, 2), shape))

    def at_most(limit: float) -> float:
        grown = (total - 1) * (limit / ratio) ** 2 - (n - 1)
        return float(scipy.special.fdtr((total - n) * scale, (n - 1) * scale, max(0.0, grown / (total - n))))

    return _chances(at_most(passing), 1 - at_most(failing))


def mean_chances(gap: float, n: int, total: int, alpha: float = 0.05) -> Chances:
    """Of "mean at least m": Student's t about the observed mean, the standard deviation staying as it is.

    Args:
        gap: how many observed standard deviations the mean is above m.
        n: learned runs so far.
        total: learned runs in all, more than n.
        alpha: level of each side.
    """
    reach = mean_reach(total, look_alpha(alpha, 2))
    spread = np.sqrt((total - n) / (total * n))  # of the mean of all about that of the first n
    return _chances(
        scipy.special.stdtr(n - 1, (gap - reach) / spread),
        scipy.special.stdtr(n - 1, (-gap - reach) / spread),
    )


def _chances(passes: float, fails: float) -> Chances:
    return Chances(min(1.0, float(passes)), min(1.0, float(fails)))
