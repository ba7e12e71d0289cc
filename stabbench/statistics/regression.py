"""Did a strategy get worse than its baseline? Spread, runs at chance and mean, each on its own ground."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stabbench.statistics import power
from stabbench.statistics.evidence import (
    Evidence,
    Outcome,
    check_positive,
    check_probability,
    codes,
    outcome_of,
)
from stabbench.statistics.masked import Bools, Floats, Moments, moments
from stabbench.statistics.paired import (
    SWAPS,
    compared,
    mean_swaps,
    more_at_chance,
    pairs,
    partners,
    rates_upper,
    spread_swaps,
)
from stabbench.statistics.regression_seeds import paired_seeds_needed, unpaired_seeds_needed
from stabbench.statistics.sample import MIN_RUNS, Sample
from stabbench.statistics.two_rates import more_failures, newcombe_upper
from stabbench.statistics.two_samples import holm, mean_test, spread_test

MIN_CANDIDATE = 5
MIN_BASELINE = 25
PARTS = ("spread", "runs at chance", "mean")


def regression_tests(candidate: Floats, baseline: Floats, learned: Bools, baseline_learned: Bools) -> Floats:
    """p-values of "the candidate is worse", shape (..., 3): spread, runs at chance, mean.

    Samples lie along the last axis. Spread of the learned runs: one-sided Brown-Forsythe. Runs at chance:
    one-sided Boschloo. Mean of the learned runs: one-sided Welch. With fewer than three learned runs on
    a side only those at chance are judged.
    """
    spread = spread_test(candidate, baseline, learned, baseline_learned, "greater").p_value
    counts = more_failures(
        (~learned).sum(axis=-1),
        learned.shape[-1],
        (~baseline_learned).sum(axis=-1),
        baseline_learned.shape[-1],
    )
    mean = mean_test(candidate, baseline, learned, baseline_learned, "less").p_value
    return np.stack([spread, counts, mean], axis=-1)


def not_worse(
    candidate: Floats,
    baseline: Floats,
    learned: Bools,
    baseline_learned: Bools,
    mean_margin: ArrayLike,
    alpha: float = 0.05,
    ratio_margin: float = 2.0,
    failures_margin: float = 0.20,
) -> Bools:
    """Which parts are shown to be less bad than their margin, shape (..., 3), each at level alpha.

    Spread: less than `ratio_margin` times the baseline's. Runs at chance: Newcombe's upper bound on the
    difference of the rates is below `failures_margin`. Mean: the drop is less than `mean_margin`, in the
    units of the scores.
    """
    spread = (
        spread_test(candidate, baseline, learned, baseline_learned, "less", ratio=ratio_margin).p_value
        <= alpha
    )
    upper = newcombe_upper(
        (~learned).sum(axis=-1),
        learned.shape[-1],
        (~baseline_learned).sum(axis=-1),
        baseline_learned.shape[-1],
        alpha,
    )
    mean = (
        mean_test(candidate, baseline, learned, baseline_learned, "greater", shift=mean_margin).p_value
        <= alpha
    )
    return np.stack([spread, upper < failures_margin, mean], axis=-1)


def paired_regression_tests(
    candidate: Floats, baseline: Floats, learned: Bools, baseline_learned: Bools, swaps: int = SWAPS
) -> Floats:
    """The p-values of `regression_tests` for runs paired by seed: one shape, and one order of seeds.

    Spread and mean: one-sided swaps within the seeds on which both sides learned something, of which there
    must be three. Runs at chance: McNemar's exact test.
    """
    both = learned & baseline_learned
    spread = spread_swaps(candidate, baseline, both, "greater", swaps=swaps).p_value
    mean = mean_swaps(candidate, baseline, both, "less", swaps=swaps).p_value
    return np.stack([spread, more_at_chance(learned, baseline_learned), mean], axis=-1)


def paired_not_worse(
    candidate: Floats,
    baseline: Floats,
    learned: Bools,
    baseline_learned: Bools,
    mean_margin: ArrayLike,
    alpha: float = 0.05,
    ratio_margin: float = 2.0,
    failures_margin: float = 0.20,
    swaps: int = SWAPS,
) -> Bools:
    """`not_worse` for runs paired by seed, by swaps and by Newcombe's bound for pairs."""
    both = learned & baseline_learned
    spread = spread_swaps(candidate, baseline, both, "less", ratio_margin, swaps).p_value <= alpha
    upper = rates_upper(learned, baseline_learned, alpha)
    mean = mean_swaps(candidate, baseline, both, "greater", mean_margin, swaps).p_value <= alpha
    return np.stack([spread, upper < failures_margin, mean], axis=-1)


def regression_codes(p_values: Floats, fine: Bools, alpha: float = 0.05) -> NDArray[np.int8]:
    """FAIL where a part is worse at level alpha (Holm over the three), PASS where all are shown not to be."""
    worse = (holm(p_values) <= alpha).any(axis=-1)
    return codes(fine.all(axis=-1) & ~worse, worse)


def regression_gate(
    candidate: Sample,
    baseline: Sample,
    alpha: float = 0.05,
    mean_margin: float | None = None,
    ratio_margin: float = 2.0,
    failures_margin: float = 0.20,
    *,
    paired: bool | None = None,
) -> Evidence:
    """No regression? FAIL: worse in spread, runs at chance or mean. PASS: shown not to be much worse in any.

    Identical scores on the same seeds (those of the candidate may be a part of the baseline's) pass without a
    test. Needs 5 candidate seeds and 25 baseline seeds. Paired by seed, tests and figures leave out what the
    baseline has beside the candidate's seeds.

    Args:
        candidate: the runs to judge.
        baseline: the stored runs.
        alpha: level of a false FAIL, and of a false PASS at the margins.
        mean_margin: how much worse the mean may be, in the units of the scores; by default the baseline's
            standard deviation over its learned runs.
        ratio_margin: the same for the ratio of spreads.
        failures_margin: the same for the difference of the rates of runs at chance.
        paired: whether the runs are paired by seed; None: where the candidate has 10 seeds or more and the
            baseline has all of them.

    Raises:
        StabbenchError: an argument is out of range, or pairs are wanted and the baseline lacks a seed.
    """
    check_probability("alpha", alpha)
    check_probability("failures_margin", failures_margin)
    check_positive("ratio_margin", ratio_margin)
    if mean_margin is not None:
        check_positive("mean_margin", mean_margin)
    name, statistic = "regression", "smallest p-value of spread, runs at chance, mean (Holm)"
    by_seed = pairs(candidate, baseline, paired, ("the candidate", "the baseline"), part=True)

    def refuse(reason: str) -> Evidence:
        return Evidence(name, Outcome.INCONCLUSIVE, reason, statistic)

    for who, sample in (("candidate", candidate), ("baseline", baseline)):
        if sample.unclear:
            return refuse(f"{who}: {sample.unclear}")
    if candidate.n < MIN_CANDIDATE:
        return refuse(f"{candidate.n} candidate runs, fewer than {MIN_CANDIDATE}")
    if baseline.n < MIN_BASELINE:
        return refuse(
            f"the baseline has {baseline.n} runs, fewer than {MIN_BASELINE}: save one with more seeds"
        )
    if not (candidate.degenerate or candidate.none_learned) and identical(candidate, baseline):
        reason = f"IDENTICAL: all {candidate.n} scores equal those of the same seeds in the baseline"
        return Evidence(name, Outcome.PASS, reason, statistic, details={"identical": True, "n": candidate.n})

    ok, base_ok = candidate.learned, baseline.learned
    margin = (
        float(np.sqrt(moments(baseline.scores, base_ok).variance)) if mean_margin is None else mean_margin
    )
    stored = baseline if by_seed is None else partners(candidate, baseline)
    if by_seed is None:
        arrays = (candidate.scores, baseline.scores, ok, base_ok)
        p_values = regression_tests(*arrays)
        fine = not_worse(*arrays, margin, alpha, ratio_margin, failures_margin)
    else:
        p_values = paired_regression_tests(*by_seed)
        fine = paired_not_worse(*by_seed, margin, alpha, ratio_margin, failures_margin)
    outcome = outcome_of(regression_codes(p_values, fine, alpha))
    adjusted = holm(p_values)
    worse = [part for part, p in zip(PARTS, adjusted, strict=True) if p <= alpha]
    unsure = [part for part, good in zip(PARTS, fine, strict=True) if not good]
    allowed = (
        f"less than {ratio_margin:g} times the spread, {100 * failures_margin:g} points more runs at chance, "
        f"a mean {candidate.text(margin)}{candidate.unit} worse"
    )
    reason = {
        Outcome.FAIL: f"worse than the baseline in {' and '.join(worse)}",
        Outcome.PASS: f"spread, runs at chance and mean are shown to be within the margins ({allowed})",
        Outcome.INCONCLUSIVE: f"no part is shown to be worse, but {' and '.join(unsure)} might be",
    }[outcome]
    refused = candidate.degenerate or candidate.degenerate_learned or baseline.degenerate
    if outcome is Outcome.PASS and refused:
        outcome, reason = Outcome.INCONCLUSIVE, refused
    scores, stored_scores, part = compared(candidate, stored, by_seed)
    own, base = (moments(x, np.ones(x.shape, bool)) for x in (scores, stored_scores))
    reason += (
        f": {candidate.at_chance} against {stored.at_chance}, "
        f"learned runs {_mean_and_std(candidate, own)}"
        f" against {_mean_and_std(baseline, base)}"
        f"{candidate.unit}{part}{'' if by_seed is None else ', paired by seed'}"
    )
    needed = None
    if outcome is Outcome.INCONCLUSIVE and not refused and min(ok.sum(), base_ok.sum()) >= MIN_RUNS:
        margins = (alpha, margin, ratio_margin, failures_margin)
        needed = paired_seeds_needed(by_seed, *margins) if by_seed else None
        if needed is None or needed > baseline.n:  # more seeds than the baseline has are no pairs
            needed = unpaired_seeds_needed(candidate, baseline, *margins)
        reason += power.no_number(needed)
    details: dict[str, Any] = {
        "n": candidate.n,
        "failed": candidate.n_failed,
        "at_chance": candidate.n_at_chance,
        "mean": candidate.measured(float(own.mean)),
        "std": np.sqrt(own.variance),
        "baseline_n": stored.n,
        "baseline_failed": stored.n_failed,
        "baseline_at_chance": stored.n_at_chance,
        "baseline_mean": baseline.measured(float(base.mean)),
        "baseline_std": np.sqrt(base.variance),
        "mean_margin": margin,
        "ratio_margin": ratio_margin,
        "failures_margin": failures_margin,
        "paired": by_seed is not None,
        "alpha": alpha,
    }
    for part, p, q, good in zip(("spread", "chance", "mean"), p_values, adjusted, fine, strict=True):
        details |= {f"p_{part}": p, f"p_{part}_holm": q, f"{part}_not_worse": bool(good)}
    p = float(adjusted.min())
    return Evidence(name, outcome, reason, statistic, p, None, None, p, needed, details)


def _mean_and_std(sample: Sample, of: Moments) -> str:
    if of.n == 0:
        return "none"
    return f"{sample.text(sample.measured(of.mean))} +- {sample.text(np.sqrt(of.variance))}"


def identical(candidate: Sample, baseline: Sample) -> bool:
    """Every seed of the candidate is in the baseline with bitwise the same score, learned or not."""
    if candidate.seeds is None or baseline.seeds is None:
        return False
    stored = {
        int(seed): (score, flag)
        for seed, score, flag in zip(baseline.seeds, baseline.scores, baseline.learned, strict=True)
    }
    rows = zip(candidate.seeds, candidate.scores, candidate.learned, strict=True)
    return all(stored.get(int(seed)) == (score, flag) for seed, score, flag in rows)
