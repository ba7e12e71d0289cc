"""Gates on one group of runs: failures at most p0, spread at most tau, mean at least m."""

from math import ceil
from typing import Literal

import numpy as np
import scipy

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_positive, check_probability, outcome_of
from stabbench.statistics.failures import clopper_pearson, failures_codes, failures_limits
from stabbench.statistics.sample import MIN_SUCCESSES, Sample
from stabbench.statistics.spread import spread_bounds, spread_codes

Scope = Literal["success", "all"]


def failures_gate(sample: Sample, p0: float, alpha: float = 0.05) -> Evidence:
    """Do at most a share p0 of all seeds fail? Exact (Clopper and Pearson 1934), wrong at most alpha a side.

    Raises:
        StabbenchError: p0 or alpha is not between 0 and 1.
    """
    check_probability("p0", p0)
    check_probability("alpha", alpha)
    name, statistic = "failures", "share of failed runs"
    if sample.unusable:
        return Evidence(name, Outcome.INCONCLUSIVE, sample.unusable, statistic)
    k, n = sample.n_failed, sample.n
    lower, upper = (float(bound) for bound in clopper_pearson(k, n, alpha))
    outcome = outcome_of(failures_codes(k, n, p0, alpha))
    counted = f"{k} of {n} runs failed: a failure rate of {lower:.1%} to {upper:.1%} fits"
    reason = f"every one of the {n} runs failed" if sample.all_failed else f"{counted}; allowed {p0:.1%}"
    if outcome is Outcome.PASS and sample.degenerate:
        outcome, reason = Outcome.INCONCLUSIVE, sample.degenerate
    at_most, at_least = failures_limits(n, p0, alpha)
    needed = None
    if outcome is Outcome.INCONCLUSIVE and (not sample.degenerate or k / n > p0):  # degenerate may FAIL
        needed = power.failures_seeds_needed(k, n, p0, alpha)
    details = {
        "n": n,
        "failed": k,
        "p0": p0,
        "alpha": alpha,
        "pass_if_at_most": at_most,
        "fail_if_at_least": at_least,
    }
    return Evidence(name, outcome, reason, statistic, k / n, lower, upper, None, needed, details)


def spread_gate(
    sample: Sample,
    tau: float,
    alpha: float = 0.05,
    scope: Scope = "success",
    failures: Evidence | None = None,
    chi2_only: bool = False,
) -> Evidence:
    """Is the standard deviation across seeds at most tau?

    PASS when both upper bounds (chi-squared and Bonett) are at most tau, FAIL when both lower bounds are
    above it.

    Args:
        sample: the runs.
        tau: threshold in the units of the scores.
        alpha: level of each side.
        scope: "success" judges the successful runs; "all" is the paper's definition, over all runs, which 25
            seeds cannot certify alone, since a rare failure may not have been seen: it passes only beside a
            passed `failures` gate.
        failures: the evidence of the failures gate, for scope="all".
        chi2_only: without Bonett's guard, the rule that deterministic curtailment belongs to.

    Raises:
        StabbenchError: an argument is out of range.
    """
    check_positive("tau", tau)
    check_probability("alpha", alpha)
    _check_scope(scope)
    name, statistic = "spread", f"standard deviation of {_runs(scope)}"
    outcome = _without_scores(sample, scope)
    if outcome:
        return Evidence(name, outcome[0], outcome[1], statistic)
    keep = np.ones(sample.n, bool) if scope == "all" else ~sample.failed
    bounds = spread_bounds(sample.scores, keep, alpha)
    n_used, s = int(bounds.n), float(bounds.std)
    chi2, bonett = (
        (float(bounds.chi2_lower), float(bounds.chi2_upper)),
        (float(bounds.bonett_lower), float(bounds.bonett_upper)),
    )
    lower, upper = chi2 if chi2_only else (min(chi2[0], bonett[0]), max(chi2[1], bonett[1]))
    verdict = outcome_of(spread_codes(bounds, tau, chi2_only))
    reason = f"std {s:.4g} over {n_used} runs: {lower:.4g} to {upper:.4g} fits; allowed {tau:.4g}"
    degenerate = sample.degenerate if scope == "all" else sample.degenerate_successes
    needed = None
    if verdict is Outcome.PASS and degenerate:
        verdict, reason = Outcome.INCONCLUSIVE, degenerate
    elif (
        verdict is Outcome.PASS
        and scope == "all"
        and (failures is None or failures.outcome is not Outcome.PASS)
    ):
        verdict = Outcome.INCONCLUSIVE
        reason += "; but failures too rare to be seen here would raise it, and no failures gate has passed"
        needed = failures.seeds_needed if failures else None
    elif verdict is Outcome.INCONCLUSIVE and not degenerate:
        needed = power.spread_seeds_needed(s, tau, sample.n, n_used, alpha)
    details = {
        "n": n_used,
        "failed": sample.n_failed,
        "tau": tau,
        "alpha": alpha,
        "scope": scope,
        "ddof": 1,
        "chi2_lower": chi2[0],
        "chi2_upper": chi2[1],
        "bonett_lower": bonett[0],
        "bonett_upper": bonett[1],
    }
    return Evidence(name, verdict, reason, statistic, s, lower, upper, None, needed, details)


def mean_gate(sample: Sample, wanted: float, alpha: float = 0.05, scope: Scope = "success") -> Evidence:
    """Is the mean score at least what is wanted (at most, where lower is better)? One-sided t, each at alpha.

    Args:
        sample: the runs.
        wanted: the worst acceptable mean, in the units of the scores.
        alpha: level of each side.
        scope: "success" or "all". With failed runs among "all" the scores are bimodal and the t bounds are
            rough.

    Raises:
        StabbenchError: an argument is out of range.
    """
    check_probability("alpha", alpha)
    _check_scope(scope)
    if not np.isfinite(wanted):
        raise StabbenchError(f"the wanted mean is {wanted!r}", "give it in the units of the scores")
    name, statistic = "mean", f"mean of {_runs(scope)}"
    outcome = _without_scores(sample, scope)
    if outcome:
        return Evidence(name, outcome[0], outcome[1], statistic)
    values = sample.scores if scope == "all" else sample.successes
    n_used, mean, s = len(values), float(values.mean()), float(values.std(ddof=1))
    reach = float(scipy.special.stdtrit(n_used - 1, 1 - alpha)) * s / np.sqrt(n_used)
    worst, best, threshold = mean - reach, mean + reach, sample.sign * wanted
    verdict = Outcome.INCONCLUSIVE
    if worst >= threshold:
        verdict = Outcome.PASS
    elif best < threshold:
        verdict = Outcome.FAIL
    gap, mean = mean - threshold, sample.measured(mean)
    lower, upper = sorted(sample.measured(bound) for bound in (worst, best))
    reason = f"mean {mean:.4g} over {n_used} runs: {lower:.4g} to {upper:.4g} fits; wanted {wanted:.4g}"
    degenerate = sample.degenerate if scope == "all" else sample.degenerate_successes
    needed = None
    if verdict is Outcome.PASS and degenerate:
        verdict, reason = Outcome.INCONCLUSIVE, degenerate
    elif verdict is Outcome.INCONCLUSIVE and not degenerate:
        needed = power.mean_seeds_needed(gap, s, sample.n, n_used, alpha)
    details = {
        "n": n_used,
        "failed": sample.n_failed,
        "at_least" if sample.sign > 0 else "at_most": wanted,
        "alpha": alpha,
        "scope": scope,
        "std": s,
    }
    return Evidence(name, verdict, reason, statistic, mean, lower, upper, None, needed, details)


def _check_scope(scope: str) -> None:
    if scope not in ("success", "all"):
        raise StabbenchError(f"scope is {scope!r}", 'give "success" or "all"')


def _runs(scope: Scope) -> str:
    return "all runs" if scope == "all" else "the successful runs"


def _without_scores(sample: Sample, scope: Scope) -> tuple[Outcome, str] | None:
    """The verdict where the scores to judge are missing or meaningless, or None."""
    if sample.unusable:
        return Outcome.INCONCLUSIVE, sample.unusable
    if sample.all_failed:
        return Outcome.FAIL, f"every one of the {sample.n} runs failed"
    used = sample.n if scope == "all" else sample.n - sample.n_failed
    if used < MIN_SUCCESSES:
        enough = ceil(MIN_SUCCESSES * sample.n / used)
        runs = f"{used} run{'s' if used > 1 else ''} to judge, fewer than {MIN_SUCCESSES}"
        return Outcome.INCONCLUSIVE, f"{runs}: at least {enough} seeds in all, if the others fail as often"
    return None
