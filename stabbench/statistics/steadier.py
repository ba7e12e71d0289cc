"""Is strategy A steadier than strategy B? Failures and the spread of the successes, judged together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_probability, codes, outcome_of
from stabbench.statistics.levene import PAPER_WARNING, TEST_RUNS
from stabbench.statistics.masked import Bools, Floats, distinct, moments
from stabbench.statistics.sample import MIN_DISTINCT, Sample
from stabbench.statistics.two_rates import more_failures
from stabbench.statistics.two_samples import Center, absolute_deviations, holm, spread_test


class SteadierTests(NamedTuple):
    """p-values of both parts (failures, spread) in both directions, each of shape (..., 2)."""

    for_a: Floats
    for_b: Floats


def steadier_tests(a: Floats, b: Floats, failed_a: Bools, failed_b: Bools) -> SteadierTests:
    """p-values for "A is steadier" and for "B is steadier", samples along the last axis.

    Failures: Boschloo, one-sided. Spread of the successes: Brown-Forsythe, two-sided, counted for the side
    that spreads less, and only where that side's successes take at least three different values. A side with
    fewer than three successes leaves the spread part unjudged (p = 1).
    """
    k_a, k_b = failed_a.sum(axis=-1), failed_b.sum(axis=-1)
    n_a, n_b = a.shape[-1], b.shape[-1]
    spread = spread_test(a, b, ~failed_a, ~failed_b)
    less_a = (spread.statistic < 0) & (distinct(a, ~failed_a) >= MIN_DISTINCT)
    less_b = (spread.statistic > 0) & (distinct(b, ~failed_b) >= MIN_DISTINCT)
    return SteadierTests(
        np.stack([more_failures(k_b, n_b, k_a, n_a), np.where(less_a, spread.p_value, 1.0)], axis=-1),
        np.stack([more_failures(k_a, n_a, k_b, n_b), np.where(less_b, spread.p_value, 1.0)], axis=-1),
    )


def steadier_codes(tests: SteadierTests, alpha: float = 0.05) -> NDArray[np.int8]:
    """PASS where a part speaks for A (Holm over both, level alpha) and none for B; FAIL the reverse.

    For the veto a part speaks already at its unadjusted alpha, so that a side with significantly more failed
    runs is never called steadier, however small its spread.
    """
    claims = [(holm(p) <= alpha).any(axis=-1) for p in tests]
    hints = [(p <= alpha).any(axis=-1) for p in tests]
    return codes(claims[0] & ~hints[1], claims[1] & ~hints[0])


def steadier_gate(a: Sample, b: Sample, alpha: float = 0.05, names: tuple[str, str] = ("A", "B")) -> Evidence:
    """Is A steadier than B? PASS: A, at level alpha. FAIL: B is. INCONCLUSIVE: neither, or each in one part.

    The paper's test on all runs is in the details (`raw_w`, `raw_p`, both centres), never in the verdict.

    Args:
        a: the sample that is claimed to be steadier.
        b: the sample that it is compared with.
        alpha: level of each side.
        names: what the reason calls them.

    Raises:
        StabbenchError: alpha is not between 0 and 1.
    """
    check_probability("alpha", alpha)
    name, statistic = "steadier", "std of the successes, A / B"
    for side, sample in zip(names, (a, b), strict=True):
        if sample.unusable:
            return Evidence(name, Outcome.INCONCLUSIVE, f"{side}: {sample.unusable}", statistic)
    tests = steadier_tests(a.scores, b.scores, a.failed, b.failed)
    outcome = outcome_of(steadier_codes(tests, alpha))
    winner, loser = reversed(names) if outcome is Outcome.FAIL else names
    reason = {
        Outcome.PASS: f"{winner} is steadier than {loser}",
        Outcome.FAIL: f"{winner} is steadier than {loser}",
        Outcome.INCONCLUSIVE: "neither is shown to be steadier",
    }[outcome]
    # A collapsed winner must not be certified: a sample that hardly varies says nothing about its strategy.
    refused = (a if outcome is Outcome.PASS else b).degenerate
    if outcome is not Outcome.INCONCLUSIVE and refused:
        outcome, reason = Outcome.INCONCLUSIVE, f"{winner}: {refused}"
    std_a, std_b = _success_std(a), _success_std(b)
    reason += (
        f": failed {a.n_failed}/{a.n} against {b.n_failed}/{b.n}, "
        f"std of the successes {_text(std_a)} against {_text(std_b)}"
    )
    needed = None
    if outcome is Outcome.INCONCLUSIVE and not any(side.degenerate for side in _hopefuls(a, b)):
        needed = _seeds_needed(a, b, alpha)
    p_a, p_b = (holm(p) for p in tests)
    details: dict[str, Any] = {
        "n_a": a.n,
        "n_b": b.n,
        "failed_a": a.n_failed,
        "failed_b": b.n_failed,
        "std_a": std_a,
        "std_b": std_b,
        "p_failures_for_a": tests.for_a[0],
        "p_spread_for_a": tests.for_a[1],
        "p_failures_for_b": tests.for_b[0],
        "p_spread_for_b": tests.for_b[1],
        "p_for_a": p_a.min(),
        "p_for_b": p_b.min(),
        "alpha": alpha,
    }
    ratio = std_a / std_b if std_a is not None and std_b else None
    p = float(min(p_a.min(), p_b.min()))
    return Evidence(
        name, outcome, reason, statistic, ratio, None, None, p, needed, details | raw_levene(a, b)
    )


def raw_levene(a: Sample, b: Sample) -> dict[str, float | str | None]:
    """The two-sided tests on all runs, median centre and mean centre (the paper's), with their caveats."""
    found: dict[str, float | str | None] = {}
    every_a, every_b = np.ones(a.n, bool), np.ones(b.n, bool)
    centers: tuple[tuple[str, Center], ...] = (("raw", "median"), ("paper", "mean"))
    for key, center in centers:
        test = spread_test(a.scores, b.scores, every_a, every_b, center=center)
        note = PAPER_WARNING if center == "mean" else None
        if min(a.n, b.n) < TEST_RUNS:
            note = f"not tested with fewer than {TEST_RUNS} runs"
        elif not test.valid:
            note = "not tested: the scores of no group vary, or take two values only"
        tested = min(a.n, b.n) >= TEST_RUNS and bool(test.valid)
        found[f"{key}_w"] = float(test.statistic) ** 2 if tested else None
        found[f"{key}_p"] = float(test.p_value) if tested else None
        found[f"{key}_note"] = note
    return found


def _success_std(sample: Sample) -> float | None:
    values = sample.successes
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _text(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _hopefuls(a: Sample, b: Sample) -> list[Sample]:
    """The sides that more seeds could show to be steadier: the one that fails less often, or both."""
    rates = [side.n_failed / side.n for side in (a, b)]
    return [side for side, rate in zip((a, b), rates, strict=True) if rate == min(rates)]


def _seeds_needed(a: Sample, b: Sample, alpha: float) -> int | None:
    """Seeds per side at which one part would be significant, in whichever direction the samples point."""
    rate_a, rate_b = a.n_failed / a.n, b.n_failed / b.n
    pooled = (a.n_failed + b.n_failed) / (a.n + b.n)
    effects, variances = [abs(rate_a - rate_b)], [2 * pooled * (1 - pooled)]
    if min(a.n - a.n_failed, b.n - b.n_failed) >= 3:
        za, zb = (moments(absolute_deviations(x.scores, ~x.failed), ~x.failed) for x in (a, b))
        effects.append(abs(float(za.mean - zb.mean)))
        variances.append(float(za.variance) / (1 - rate_a) + float(zb.variance) / (1 - rate_b))
    levels = [alpha / 2, alpha / 4][: len(effects)]  # Holm's first step; the spread part is two-sided
    return power.two_group_seeds_needed(effects, variances, levels, min(a.n, b.n))
