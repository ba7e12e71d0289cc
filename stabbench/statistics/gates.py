"""Gates on the scores of one group of runs: spread at most tau, mean at least m."""

from math import ceil
from typing import Literal

import numpy as np
import scipy

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_positive, check_probability, outcome_of
from stabbench.statistics.predictive import mean_chances, spread_chances
from stabbench.statistics.sample import MIN_LEARNED, Sample
from stabbench.statistics.spread import spread_bounds, spread_codes

Scope = Literal["learned", "all"]


def spread_gate(
    sample: Sample,
    tau: float,
    alpha: float = 0.05,
    scope: Scope = "learned",
    failures: Evidence | None = None,
) -> Evidence:
    """Is the standard deviation across seeds at most tau?

    PASS when both upper bounds (chi-squared and Bonett) are at most tau, FAIL when both lower bounds are
    above it.

    Args:
        sample: the runs.
        tau: threshold in the units of the scores.
        alpha: level of each side.
        scope: "learned" judges the runs that learned something; "all" is the paper's definition, over
            all runs, which 25 seeds cannot certify alone, since a rare failure may not have been seen: it
            passes only beside a passed `failures` gate.
        failures: the evidence of the failures gate, for scope="all".

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
    keep = np.ones(sample.n, bool) if scope == "all" else sample.learned
    bounds = spread_bounds(sample.scores, keep, alpha)
    n_used, s = int(bounds.n), float(bounds.std)
    chi2, bonett = (
        (float(bounds.chi2_lower), float(bounds.chi2_upper)),
        (float(bounds.bonett_lower), float(bounds.bonett_upper)),
    )
    lower, upper = min(chi2[0], bonett[0]), max(chi2[1], bonett[1])
    verdict = outcome_of(spread_codes(bounds, tau))
    low, high, allowed = sample.text(lower), sample.text(upper), sample.text(tau)
    reason = f"std {sample.text(s)} over {n_used} runs: {low} to {high} fits; allowed {allowed}{sample.unit}"
    degenerate = sample.degenerate if scope == "all" else sample.degenerate_learned
    needed, chances = None, {}
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
        kurtosis = float(bounds.kurtosis)
        needed = power.spread_seeds_needed(s, tau, sample.n, n_used, alpha, kurtosis)
        reason += power.no_number(needed)
        if needed:
            total = needed * n_used // sample.n
            chances = spread_chances(s / tau, n_used, total, alpha, kurtosis)._asdict()
    details = {
        "n": n_used,
        "failed": sample.n_failed,
        "at_chance": sample.n_at_chance,
        "tau": tau,
        "alpha": alpha,
        "scope": scope,
        "ddof": 1,
        "chi2_lower": chi2[0],
        "chi2_upper": chi2[1],
        "bonett_lower": bonett[0],
        "bonett_upper": bonett[1],
        **chances,
    }
    return Evidence(name, verdict, reason, statistic, s, lower, upper, None, needed, details)


def mean_gate(sample: Sample, wanted: float, alpha: float = 0.05, scope: Scope = "learned") -> Evidence:
    """Is the mean score at least what is wanted (at most, where lower is better)? One-sided t, each at alpha.

    Args:
        sample: the runs.
        wanted: the worst acceptable mean, in the units of the scores.
        alpha: level of each side.
        scope: "learned" or "all". With failed runs among "all" the scores are bimodal and the t bounds are
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
    values = sample.scores if scope == "all" else sample.learned_scores
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
    low, high, asked = sample.text(lower), sample.text(upper), sample.text(wanted)
    reason = f"mean {sample.text(mean)} over {n_used} runs: {low} to {high} fits; wanted {asked}{sample.unit}"
    degenerate = sample.degenerate if scope == "all" else sample.degenerate_learned
    needed, chances = None, {}
    if verdict is Outcome.PASS and degenerate:
        verdict, reason = Outcome.INCONCLUSIVE, degenerate
    elif verdict is Outcome.INCONCLUSIVE and not degenerate:
        needed = power.mean_seeds_needed(gap, s, sample.n, n_used, alpha)
        reason += power.no_number(needed)
        if needed:
            chances = mean_chances(gap / s, n_used, needed * n_used // sample.n, alpha)._asdict()
    details = {
        "n": n_used,
        "failed": sample.n_failed,
        "at_chance": sample.n_at_chance,
        "at_least" if sample.sign > 0 else "at_most": wanted,
        "alpha": alpha,
        "scope": scope,
        "std": s,
        **chances,
    }
    return Evidence(name, verdict, reason, statistic, mean, lower, upper, None, needed, details)


def _check_scope(scope: str) -> None:
    if scope not in ("learned", "all"):
        raise StabbenchError(f"scope is {scope!r}", 'give "learned" or "all"')


def _runs(scope: Scope) -> str:
    return "all runs" if scope == "all" else "the learned runs"


def _without_scores(sample: Sample, scope: Scope) -> tuple[Outcome, str] | None:
    """The verdict where the scores to judge are missing or meaningless, or None."""
    if sample.unclear:
        return Outcome.INCONCLUSIVE, sample.unclear
    if sample.none_learned:
        return Outcome.FAIL, f"none of the {sample.n} runs learned anything: {sample.at_chance}"
    used = sample.n if scope == "all" else sample.n_learned
    if used < MIN_LEARNED:
        runs = f"{used} run{'s' if used != 1 else ''} to judge, fewer than {MIN_LEARNED}"
        enough = f"at least {ceil(MIN_LEARNED * sample.n / used)} seeds in all, if the others learn as often"
        return Outcome.INCONCLUSIVE, f"{runs}: {enough}" if used else runs
    return None
