"""Is strategy A steadier than strategy B? Runs at chance and the spread of the others, judged together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_probability, codes, outcome_of
from stabbench.statistics.levene import TEST_RUNS, levene
from stabbench.statistics.masked import Bools, Floats, distinct, moments
from stabbench.statistics.paired import (
    SWAPS,
    Pairs,
    compared,
    mean_swaps,
    more_at_chance,
    pairs,
    spread_swaps,
)
from stabbench.statistics.sample import MIN_DISTINCT, MIN_RUNS, Sample
from stabbench.statistics.two_rates import more_failures
from stabbench.statistics.two_samples import Center, absolute_deviations, holm, mean_test, spread_test


class SteadierTests(NamedTuple):
    """p-values of both parts (runs at chance, spread) in both directions, each of shape (..., 2).

    Attributes:
        for_a: for "A is steadier".
        for_b: for "B is steadier".
        a_lower: for "A's mean is lower than B's by more than is allowed", shape (...).
        b_lower: the reverse.
    """

    for_a: Floats
    for_b: Floats
    a_lower: Floats
    b_lower: Floats


def steadier_tests(
    a: Floats, b: Floats, learned_a: Bools, learned_b: Bools, lower_mean: float = 0.0
) -> SteadierTests:
    """p-values for "A is steadier" and for "B is steadier", samples along the last axis.

    Runs at chance: Boschloo, one-sided. Spread of the learned runs: Brown-Forsythe, two-sided, counted for
    the side that spreads less, and only where that side's learned runs take at least three different values.
    A side with fewer than three learned runs leaves the spread part unjudged (p = 1). Means of the learned
    runs: Welch, one-sided.

    Args:
        a: shape (..., n_a).
        b: shape (..., n_b).
        learned_a: mask of the runs of A that learned something.
        learned_b: mask of the runs of B that learned something.
        lower_mean: how much lower the mean of the steadier side may be.
    """
    k_a, k_b = (~learned_a).sum(axis=-1), (~learned_b).sum(axis=-1)
    n_a, n_b = a.shape[-1], b.shape[-1]
    spread = spread_test(a, b, learned_a, learned_b)
    less_a = (spread.statistic < 0) & (distinct(a, learned_a) >= MIN_DISTINCT)
    less_b = (spread.statistic > 0) & (distinct(b, learned_b) >= MIN_DISTINCT)
    return SteadierTests(
        np.stack([more_failures(k_b, n_b, k_a, n_a), np.where(less_a, spread.p_value, 1.0)], axis=-1),
        np.stack([more_failures(k_a, n_a, k_b, n_b), np.where(less_b, spread.p_value, 1.0)], axis=-1),
        mean_test(a, b, learned_a, learned_b, "less", shift=lower_mean).p_value,
        mean_test(b, a, learned_b, learned_a, "less", shift=lower_mean).p_value,
    )


def paired_steadier_tests(
    a: Floats, b: Floats, learned_a: Bools, learned_b: Bools, lower_mean: float = 0.0, swaps: int = SWAPS
) -> SteadierTests:
    """The same questions of runs paired by seed: A and B have one shape, and one order of seeds.

    Runs at chance: McNemar's exact test. Spread, two-sided, and means, one-sided: swaps within the seeds on
    which both sides learned something, of which there must be three.
    """
    both = learned_a & learned_b
    spread = spread_swaps(a, b, both, swaps=swaps)
    less_a = (spread.statistic < 0) & (distinct(a, both) >= MIN_DISTINCT)
    less_b = (spread.statistic > 0) & (distinct(b, both) >= MIN_DISTINCT)
    return SteadierTests(
        np.stack([more_at_chance(learned_b, learned_a), np.where(less_a, spread.p_value, 1.0)], axis=-1),
        np.stack([more_at_chance(learned_a, learned_b), np.where(less_b, spread.p_value, 1.0)], axis=-1),
        mean_swaps(a, b, both, "less", lower_mean, swaps).p_value,
        mean_swaps(b, a, both, "less", lower_mean, swaps).p_value,
    )


def steadier_codes(tests: SteadierTests, alpha: float = 0.05) -> NDArray[np.int8]:
    """PASS where a part speaks for A (Holm over both, level alpha) and nothing against it; FAIL the reverse.

    Against it speaks already one part for B at its unadjusted alpha, so that a side with significantly more
    runs at chance is never called steadier, however small its spread; and a significantly lower mean, so that
    a side is not called steadier for being reliably worse.
    """
    claims = [(holm(p) <= alpha).any(axis=-1) for p in (tests.for_a, tests.for_b)]
    hints = [(p <= alpha).any(axis=-1) for p in (tests.for_a, tests.for_b)]
    lower_a, lower_b = tests.a_lower <= alpha, tests.b_lower <= alpha
    return codes(claims[0] & ~hints[1] & ~lower_a, claims[1] & ~hints[0] & ~lower_b)


def steadier_gate(
    a: Sample,
    b: Sample,
    alpha: float = 0.05,
    names: tuple[str, str] = ("A", "B"),
    lower_mean: float = 0.0,
    *,
    paired: bool | None = None,
) -> Evidence:
    """Is A steadier than B? PASS: A, at level alpha. FAIL: B is. INCONCLUSIVE: neither, or each in one part.

    It is also INCONCLUSIVE where the steadier side has a significantly lower mean. The paper's test on all
    runs is in the details (`raw_w`, `raw_p`, both centres), never in the verdict. It sees no pairs.

    Args:
        a: the sample that is claimed to be steadier.
        b: the sample that it is compared with.
        alpha: level of each side.
        names: what the reason calls them.
        lower_mean: how much lower the mean of the steadier side may be, in the units of the scores.
        paired: whether the runs are paired by seed; None: where both sides have the same 10 seeds or more.
            Both sides must be of one task then.

    Raises:
        StabbenchError: alpha is not between 0 and 1, lower_mean is negative, or pairs are wanted of runs
            with other seeds.
    """
    check_probability("alpha", alpha)
    if not (np.isfinite(lower_mean) and lower_mean >= 0):
        raise StabbenchError(f"lower_mean is {lower_mean!r}", "give it in the units of the scores, 0 or more")
    name, statistic = "steadier", "std of the learned runs, A / B"
    by_seed = pairs(a, b, paired, names)
    for side, sample in zip(names, (a, b), strict=True):
        if sample.unclear:
            return Evidence(name, Outcome.INCONCLUSIVE, f"{side}: {sample.unclear}", statistic)
    if by_seed is None:
        tests = steadier_tests(a.scores, b.scores, a.learned, b.learned, lower_mean)
    else:
        tests = paired_steadier_tests(*by_seed, lower_mean)
    values_a, values_b, part = compared(a, b, by_seed)
    outcome = outcome_of(steadier_codes(tests, alpha))
    steadier = outcome_of(steadier_codes(_without_means(tests), alpha))
    winner, loser = reversed(names) if steadier is Outcome.FAIL else names
    best = b if steadier is Outcome.FAIL else a
    reason = f"{winner} is steadier than {loser}"
    if steadier is Outcome.INCONCLUSIVE:
        reason = "neither is shown to be steadier"
    elif best.degenerate:
        # a sample that hardly varies says nothing about its strategy
        outcome, reason = Outcome.INCONCLUSIVE, f"{winner}: {best.degenerate}"
    elif outcome is Outcome.INCONCLUSIVE:
        gap = float(abs(values_a.mean() - values_b.mean()))
        worse = "lower" if a.sign > 0 else "higher, and so worse,"
        reason = f"{winner} is steadier than {loser}, but its mean is {a.text(gap)}{a.unit} {worse}{part}"
    std_a, std_b = _std(values_a), _std(values_b)
    reason += (
        f": {a.at_chance} against {b.at_chance}, "
        f"std of the learned runs {_text(a, std_a)} against {_text(b, std_b)}{part}"
        f"{'' if by_seed is None else ', paired by seed'}"
    )
    needed = None
    if steadier is Outcome.INCONCLUSIVE and not any(side.degenerate for side in _hopefuls(a, b)):
        needed = _seeds_needed(a, b, by_seed, alpha)
        reason += power.no_number(needed)
    p_a, p_b = (holm(p) for p in (tests.for_a, tests.for_b))
    details: dict[str, Any] = {
        "n_a": a.n,
        "n_b": b.n,
        "failed_a": a.n_failed,
        "failed_b": b.n_failed,
        "at_chance_a": a.n_at_chance,
        "at_chance_b": b.n_at_chance,
        "std_a": std_a,
        "std_b": std_b,
        "p_chance_for_a": tests.for_a[0],
        "p_spread_for_a": tests.for_a[1],
        "p_chance_for_b": tests.for_b[0],
        "p_spread_for_b": tests.for_b[1],
        "p_for_a": p_a.min(),
        "p_for_b": p_b.min(),
        "p_mean_a_lower": tests.a_lower,
        "p_mean_b_lower": tests.b_lower,
        "lower_mean": lower_mean,
        "paired": by_seed is not None,
        "alpha": alpha,
    }
    ratio = std_a / std_b if std_a is not None and std_b else None
    p = float(min(p_a.min(), p_b.min()))
    return Evidence(
        name, outcome, reason, statistic, ratio, None, None, p, needed, details | raw_levene(a, b)
    )


def _without_means(tests: SteadierTests) -> SteadierTests:
    """The same tests as if no mean were lower."""
    return tests._replace(a_lower=np.ones_like(tests.a_lower), b_lower=np.ones_like(tests.b_lower))


def raw_levene(a: Sample, b: Sample) -> dict[str, float | str | None]:
    """The two-sided tests on all runs, median centre and mean centre (the paper's), with their caveats."""
    found: dict[str, float | str | None] = {}
    centers: tuple[tuple[str, Center], ...] = (("raw", "median"), ("paper", "mean"))
    for key, center in centers:
        test = levene(a.scores, b.scores, center=center)
        reason = f"fewer than {TEST_RUNS} runs" if min(a.n, b.n) < TEST_RUNS else test.degenerate
        found[f"{key}_w"] = None if reason else test.statistic
        found[f"{key}_p"] = None if reason else test.p_value
        found[f"{key}_note"] = f"not tested: {reason}" if reason else test.warning
    return found


def _std(values: Floats) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _text(sample: Sample, value: float | None) -> str:
    return "none" if value is None else sample.text(value) + sample.unit


def _hopefuls(a: Sample, b: Sample) -> list[Sample]:
    """The sides that more seeds could show to be steadier: the one that is at chance less often, or both."""
    rates = [side.n_at_chance / side.n for side in (a, b)]
    return [side for side, rate in zip((a, b), rates, strict=True) if rate == min(rates)]


def _seeds_needed(a: Sample, b: Sample, by_seed: Pairs | None, alpha: float) -> int | None:
    """Seeds per side at which one part would be significant, in whichever direction the samples point."""
    rate_a, rate_b = a.n_at_chance / a.n, b.n_at_chance / b.n
    effects = [abs(rate_a - rate_b)]
    if by_seed is None:
        pooled = (a.n_at_chance + b.n_at_chance) / (a.n + b.n)
        variances = [2 * pooled * (1 - pooled)]
        if min(a.n_learned, b.n_learned) >= MIN_RUNS:
            za, zb = (moments(absolute_deviations(x.scores, x.learned), x.learned) for x in (a, b))
            effects.append(abs(float(za.mean - zb.mean)))
            variances.append(float(za.variance) / (1 - rate_a) + float(zb.variance) / (1 - rate_b))
    else:
        variances = [float((by_seed.learned_a != by_seed.learned_b).mean()) - effects[0] ** 2]
        both = by_seed.learned_a & by_seed.learned_b
        if both.sum() >= MIN_RUNS:
            gaps = absolute_deviations(by_seed.a, both) - absolute_deviations(by_seed.b, both)
            gap = moments(gaps, both)
            effects.append(abs(float(gap.mean)))
            variances.append(float(gap.variance) / float(both.mean()))
    levels = [alpha / 2, alpha / 4][: len(effects)]  # Holm's first step; the spread part is two-sided
    return power.two_group_seeds_needed(effects, variances, levels, min(a.n, b.n))
