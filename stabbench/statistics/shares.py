"""Gates on the share of runs of which something is said: failed, at chance, collapsed, below a floor."""

from dataclasses import dataclass, replace

import numpy as np

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_probability, codes, outcome_of
from stabbench.statistics.failures import clopper_pearson, failures_codes, failures_limits
from stabbench.statistics.masked import Bools
from stabbench.statistics.predictive import share_chances
from stabbench.statistics.sample import Sample


@dataclass(frozen=True, eq=False)
class Counted:
    """What is said of some runs.

    Attributes:
        gate: name of the gate.
        what: what such runs are called: "3 of 25 runs ...".
        flags: shape (n,), of which runs it is true.
        unknown: shape (n,), of which nobody knows; by default of none.
        why_unknown: what they lack, for a sentence.
        all_is_fail: whether it fails any allowance when it is true of all runs, three at least.
    """

    gate: str
    what: str
    flags: Bools
    unknown: Bools | None = None
    why_unknown: str = ""
    all_is_fail: bool = False


def failures_gate(sample: Sample, at_most: float, alpha: float = 0.05) -> Evidence:
    """Do at most this share of all seeds fail? Exact (Clopper and Pearson 1934), wrong at most alpha a side.

    Of three runs or more that all failed it is FAIL whatever the share.

    Raises:
        StabbenchError: an argument is not between 0 and 1.
    """
    counted = Counted("failures", "failed", sample.failed, all_is_fail=True)
    return share_gate(sample, counted, at_most, alpha)


def at_chance_gate(sample: Sample, at_most: float, alpha: float = 0.05) -> Evidence:
    """Do at most this share of all seeds learn nothing that shows? Exact, wrong at most alpha a side.

    Raises:
        StabbenchError: an argument is not between 0 and 1.
    """
    why = sample.unclear or ""
    counted = Counted("at chance", "learned nothing that shows", ~sample.learned, sample.untold, why)
    return share_gate(sample, counted, at_most, alpha)


def floor_gate(sample: Sample, floor: float, at_most: float, alpha: float = 0.05) -> Evidence:
    """Do at most this share of all seeds score worse than a floor? Exact, whatever the distribution.

    Where no run is known to have learned anything a floor that they reach may be none: it does not pass.

    Args:
        sample: the runs.
        floor: the worst acceptable score, as scores are measured; a run that reaches it is good.
        at_most: the allowance.
        alpha: level of each side.

    Raises:
        StabbenchError: the floor is not finite, or another argument not between 0 and 1.
    """
    if not np.isfinite(floor):
        raise StabbenchError(f"the floor is {floor!r}", "give it in the units of the scores")
    than = f"worse than {sample.text(floor)}{sample.unit}"
    counted = Counted("floor", f"scored {than}", sample.scores < sample.sign * floor)
    found = share_gate(sample, counted, at_most, alpha)
    if found.outcome is Outcome.PASS and sample.n_learned == 0:
        reason = f"none of the {sample.n} runs learned anything, and they are not worse than the floor"
        reason = sample.unclear or f"{reason}: it is too low"
        return replace(found, outcome=Outcome.INCONCLUSIVE, reason=reason)
    return found


def share_gate(sample: Sample, counted: Counted, at_most: float, alpha: float = 0.05) -> Evidence:
    """Is something true of at most this share of all seeds? Exact (Clopper and Pearson 1934).

    PASS where the upper bound is at most the allowance, FAIL where the lower bound is above it. A run of
    which nobody knows stands in the way of PASS (it might be one) and of FAIL (it might not).

    Args:
        sample: the runs.
        counted: what is counted.
        at_most: the allowance, as a share.
        alpha: level of each side.

    Raises:
        StabbenchError: an argument is not between 0 and 1.
    """
    check_probability("at_most", at_most)
    check_probability("alpha", alpha)
    statistic = f"share of runs that {counted.what}"
    if sample.unusable:
        return Evidence(counted.gate, Outcome.INCONCLUSIVE, sample.unusable, statistic)
    unknown = np.zeros(sample.n, bool) if counted.unknown is None else counted.unknown
    n, k, k_most = sample.n, int((counted.flags & ~unknown).sum()), int((counted.flags | unknown).sum())
    lower, upper = float(clopper_pearson(k, n, alpha)[0]), float(clopper_pearson(k_most, n, alpha)[1])
    best, worst = (failures_codes(count, n, at_most, alpha, counted.all_is_fail) for count in (k, k_most))
    outcome = outcome_of(codes(worst == 1, best == -1))
    reason = f"{k} of {n} runs {counted.what}: a rate of {lower:.1%} to {upper:.1%} fits"
    reason += f"; allowed {at_most:.1%}"
    if counted.all_is_fail and k == n:
        reason = f"every one of the {n} runs {counted.what}"
    needed: int | None = None
    chances: dict[str, float] = {}
    if outcome is Outcome.PASS and sample.degenerate:
        outcome, reason = Outcome.INCONCLUSIVE, sample.degenerate
    elif outcome is Outcome.INCONCLUSIVE and k_most > k:
        reason = counted.why_unknown
    elif outcome is Outcome.INCONCLUSIVE and (not sample.degenerate or k / n > at_most):
        needed = power.failures_seeds_needed(k, n, at_most, alpha)  # a degenerate sample may still FAIL
        reason += power.no_number(needed)
        if needed:
            chances = share_chances(k, n, needed, at_most, alpha, counted.all_is_fail)._asdict()
    passing, failing = failures_limits(n, at_most, alpha, counted.all_is_fail)
    details = {
        "n": n,
        "counted": k,
        "unknown": k_most - k,
        "failed": sample.n_failed,
        "at_most": at_most,
        "alpha": alpha,
        "pass_if_at_most": passing,
        "fail_if_at_least": failing,
        **chances,
    }
    return Evidence(counted.gate, outcome, reason, statistic, k / n, lower, upper, None, needed, details)
