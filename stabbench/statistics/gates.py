"""Gates on the scores of one group of runs: spread at most tau, mean at least m."""

from math import ceil, isfinite
from typing import Literal

import numpy as np
import scipy

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import (
    Evidence,
    Outcome,
    check_positive,
    check_probability,
    codes,
    outcome_of,
)
from stabbench.statistics.masked import Floats
from stabbench.statistics.mixture import MixtureBounds, half, mixture_bounds, mixture_seeds_needed
from stabbench.statistics.predictive import mean_chances, spread_chances
from stabbench.statistics.sample import MIN_LEARNED, Sample
from stabbench.statistics.spread import spread_bounds, spread_codes

Scope = Literal["learned", "all"]


def spread_gate(sample: Sample, tau: float, alpha: float = 0.05, scope: Scope = "learned") -> Evidence:
    """Is the standard deviation across seeds at most tau?

    PASS when the upper bound of `std_bounds` is at most tau, FAIL when the lower one is above it.

    Args:
        sample: the runs.
        tau: threshold in the units of the scores.
        alpha: level of each side.
        scope: "learned" judges the runs that learned something; "all" is the paper's definition, over all
            runs. A rare failure that was not seen is allowed for, so that it takes many seeds to pass.

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
    lower, upper = _std_bounds(sample, alpha, scope)
    values = _values(sample, scope)
    n_used, s = len(values), float(values.std(ddof=1))
    verdict = outcome_of(spread_codes(lower, upper, tau))
    fits, allowed = _fits(sample, lower, upper), sample.text(tau)
    reason = f"std {sample.text(s)} over {n_used} runs: {fits}; allowed {allowed}{sample.unit}"
    needed, stopped, chances = None, _not_certified(sample, scope), {}
    details = _details(sample, scope, alpha) | {"tau": tau, "ddof": 1}
    bounds = spread_bounds(sample.scores, sample.learned, alpha)
    if scope == "learned":
        for part in ("chi2_lower", "chi2_upper", "bonett_lower", "bonett_upper"):
            details[part] = float(getattr(bounds, part))
    if verdict is Outcome.PASS and stopped:
        verdict, reason = Outcome.INCONCLUSIVE, stopped
    elif verdict is Outcome.INCONCLUSIVE and not isfinite(upper):
        reason += f"; {_NO_LIMIT}"
    elif verdict is Outcome.INCONCLUSIVE and not stopped:
        if scope == "all":
            needed = mixture_seeds_needed(
                sample, lambda b: spread_codes(b.std_lower, b.std_upper, tau) != 0, alpha
            )
        else:
            kurtosis = float(bounds.kurtosis)
            needed = power.spread_seeds_needed(s, tau, sample.n, n_used, alpha, kurtosis)
            if needed:
                total = needed * n_used // sample.n
                chances = spread_chances(s / tau, n_used, total, alpha, kurtosis)._asdict()
        reason += power.no_number(needed)
    details |= chances
    return Evidence(name, verdict, reason, statistic, s, lower, upper, None, needed, details)


def mean_gate(sample: Sample, wanted: float, alpha: float = 0.05, scope: Scope = "learned") -> Evidence:
    """Is the mean score at least what is wanted (at most, where lower is better)?

    PASS when the worse bound of `mean_bounds` is good enough, FAIL when the better one is not.

    Args:
        sample: the runs.
        wanted: the worst acceptable mean, in the units of the scores.
        alpha: level of each side.
        scope: "learned" or "all". Over all runs a rare failure that was not seen is allowed for.

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
    worst, best = _mean_bounds(sample, alpha, scope)
    values, threshold = _values(sample, scope), sample.sign * wanted
    n_used, mean, s = len(values), float(values.mean()), float(values.std(ddof=1))
    verdict = outcome_of(codes(worst >= threshold, best < threshold))
    gap, mean = mean - threshold, sample.measured(mean)
    lower, upper = _measured(sample, worst, best)
    fits, asked = _fits(sample, lower, upper), sample.text(wanted)
    reason = f"mean {sample.text(mean)} over {n_used} runs: {fits}; wanted {asked}{sample.unit}"
    needed, stopped, chances = None, _not_certified(sample, scope), {}
    if verdict is Outcome.PASS and stopped:
        verdict, reason = Outcome.INCONCLUSIVE, stopped
    elif verdict is Outcome.INCONCLUSIVE and not isfinite(worst):
        reason += f"; {_NO_LIMIT}"
    elif verdict is Outcome.INCONCLUSIVE and not stopped:
        if scope == "all":
            needed = mixture_seeds_needed(
                sample, lambda b: codes(b.mean_lower >= threshold, b.mean_upper < threshold) != 0, alpha
            )
        else:
            needed = power.mean_seeds_needed(gap, s, sample.n, n_used, alpha)
            if needed:
                chances = mean_chances(gap / s, n_used, needed * n_used // sample.n, alpha)._asdict()
        reason += power.no_number(needed)
    details = _details(sample, scope, alpha) | {
        "at_least" if sample.sign > 0 else "at_most": wanted,
        "std": s,
        **chances,
    }
    return Evidence(name, verdict, reason, statistic, mean, lower, upper, None, needed, details)


def std_bounds(sample: Sample, alpha: float = 0.05, scope: Scope = "learned") -> tuple[float, float] | None:
    """One-sided bounds on the standard deviation, each at alpha: those by which `spread_gate` decides.

    Over the learned runs the wider of the chi-squared and Bonett's (2006), over all runs those of the mixture
    (`stabbench.statistics.mixture`). None where the gate judges no scores; a bound may be infinite.

    Args:
        sample: the runs.
        alpha: level of each bound.
        scope: "learned" or "all".
    """
    return None if _without_scores(sample, scope) else _std_bounds(sample, alpha, scope)


def mean_bounds(sample: Sample, alpha: float = 0.05, scope: Scope = "learned") -> tuple[float, float] | None:
    """One-sided bounds on the mean, as it is measured, each at alpha: those by which `mean_gate` decides.

    Over the learned runs Student's t, over all runs those of the mixture, both within the metric's range.
    None where the gate judges no scores; a bound may be infinite.

    Args:
        sample: the runs.
        alpha: level of each bound.
        scope: "learned" or "all".
    """
    return None if _without_scores(sample, scope) else _measured(sample, *_mean_bounds(sample, alpha, scope))


_NO_LIMIT = (
    "no run is at chance and the constant predictor's score is not known, so nothing limits how far from the "
    "others a rare failure would be"
)


def _std_bounds(sample: Sample, alpha: float, scope: Scope) -> tuple[float, float]:
    if scope == "all":
        found = _mixture(sample, alpha)
        return float(found.std_lower), float(found.std_upper)
    bounds, widest = spread_bounds(sample.scores, sample.learned, alpha), half(sample.range)
    return min(float(bounds.lower), widest), min(float(bounds.upper), widest)


def _mean_bounds(sample: Sample, alpha: float, scope: Scope) -> tuple[float, float]:
    """The worse bound and the better one, oriented as the scores are."""
    if scope == "all":
        found = _mixture(sample, alpha)
        return float(found.mean_lower), float(found.mean_upper)
    values = sample.learned_scores
    reach = float(scipy.special.stdtrit(len(values) - 1, 1 - alpha)) * values.std(ddof=1) / len(values) ** 0.5
    worst, best = np.clip([values.mean() - reach, values.mean() + reach], *sample.range)
    return float(worst), float(best)


def _mixture(sample: Sample, alpha: float) -> MixtureBounds:
    return mixture_bounds(sample.scores, sample.learned, sample.constant, sample.range, alpha)


def _measured(sample: Sample, worst: float, best: float) -> tuple[float, float]:
    lower, upper = sorted(sample.measured(bound) for bound in (worst, best))
    return lower, upper


def _values(sample: Sample, scope: Scope) -> Floats:
    return sample.scores if scope == "all" else sample.learned_scores


def _fits(sample: Sample, lower: float, upper: float) -> str:
    """Which values fit the runs, for a sentence."""
    if not isfinite(upper):
        return f"{sample.text(lower)} and more fits"
    if not isfinite(lower):
        return f"{sample.text(upper)} and less fits"
    return f"{sample.text(lower)} to {sample.text(upper)} fits"


def _details(sample: Sample, scope: Scope, alpha: float) -> dict[str, float | int | str | bool | None]:
    return {
        "n": len(_values(sample, scope)),
        "failed": sample.n_failed,
        "at_chance": sample.n_at_chance,
        "alpha": alpha,
        "scope": scope,
    }


def _not_certified(sample: Sample, scope: Scope) -> str | None:
    """Why these runs may not PASS whatever the bounds, or None."""
    if scope == "learned" or sample.degenerate_learned:
        return sample.degenerate_learned
    if sample.n_learned < MIN_LEARNED:
        return f"{sample.n_learned} of {sample.n} runs learned something, fewer than {MIN_LEARNED}"
    return sample.degenerate


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
