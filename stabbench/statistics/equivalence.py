"""Is strategy A as steady as strategy B? The spread of the learned runs and the rate of runs at chance."""

from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.evidence import Evidence, Outcome, check_probability, codes, outcome_of
from stabbench.statistics.masked import Bools, Floats, Moments, distinct, moments, varies
from stabbench.statistics.sample import MIN_DISTINCT, MIN_LEARNED, MIN_RUNS, Sample
from stabbench.statistics.two_rates import newcombe_upper
from stabbench.statistics.two_samples import absolute_deviations

LEAST_RUNS = 10
"""Fewer on a side can never pass the usual margins, and rates of so few do not keep the level of a FAIL."""

PARTS = ("spread", "runs at chance")


class Bounds(NamedTuple):
    """One-sided bounds, each of shape (..., 2): the ratio A / B of spreads, the difference A - B of rates.

    A ratio that nothing bounds lies between 0 and infinity.
    """

    lower: Floats
    upper: Floats


def equivalence_bounds(
    a: Floats, b: Floats, learned_a: Bools, learned_b: Bools, alpha: float = 0.05
) -> Bounds:
    """Bounds on how far A and B are apart, samples along the last axis, each wrong at most alpha.

    Spread: the mean distance of the learned runs from their median. A ratio fits where Brown and Forsythe's
    one-sided test (1974), with B's distances multiplied by it, finds nothing; the last ones that fit are the
    roots of a quadratic (Fieller 1954). It takes three learned runs of three different values on either
    side. Rates of runs at chance: Newcombe (1998, method 10).

    Args:
        a: shape (..., n_a).
        b: shape (..., n_b).
        learned_a: mask of the runs of A that learned something.
        learned_b: mask of the runs of B that learned something.
        alpha: level of each bound.
    """
    low, high = _ratio_bounds(a, b, learned_a, learned_b, alpha)
    k_a, k_b = (~learned_a).sum(axis=-1), (~learned_b).sum(axis=-1)
    n_a, n_b = a.shape[-1], b.shape[-1]
    less, more = -newcombe_upper(k_b, n_b, k_a, n_a, alpha), newcombe_upper(k_a, n_a, k_b, n_b, alpha)
    return Bounds(np.stack([low, less], axis=-1), np.stack([high, more], axis=-1))


def _ratio_bounds(
    a: Floats, b: Floats, learned_a: Bools, learned_b: Bools, alpha: float
) -> tuple[Floats, Floats]:
    x, y = (moments(absolute_deviations(s, ok), ok) for s, ok in ((a, learned_a), (b, learned_b)))
    squares_x, squares_y = (np.maximum(z.n - 1, 0) * z.variance for z in (x, y))
    scale = np.maximum(
        *(np.where(ok, np.abs(s), 0.0).max(axis=-1) for s, ok in ((a, learned_a), (b, learned_b)))
    )
    judged = varies(squares_x, scale) & varies(squares_y, scale)
    for sample, learned in ((a, learned_a), (b, learned_b)):
        judged &= distinct(sample, learned) >= MIN_DISTINCT
    n_x, n_y = np.maximum(x.n, MIN_RUNS), np.maximum(y.n, MIN_RUNS)
    df = n_x + n_y - 2
    reach = scipy.special.stdtrit(df, 1 - alpha) ** 2 * (1 / n_x + 1 / n_y) / df
    # (mean_x - ratio mean_y)^2 = reach (squares_x + ratio^2 squares_y)
    square, plain, half = (
        y.mean**2 - reach * squares_y,
        x.mean**2 - reach * squares_x,
        x.mean * y.mean,
    )
    root = half + np.sqrt(np.maximum(half**2 - square * plain, 0.0))
    bounded = judged & (root > 0)
    lower = np.where(bounded & (plain > 0), plain / np.where(bounded, root, 1.0), 0.0)
    finite = bounded & (square > 0)
    return lower, np.where(finite, root / np.where(finite, square, 1.0), np.inf)


def equivalence_parts(
    a: Floats,
    b: Floats,
    learned_a: Bools,
    learned_b: Bools,
    ratio: float = 1.5,
    at_chance_within: float = 0.20,
    alpha: float = 0.05,
) -> tuple[Bools, Bools]:
    """Which parts are shown to differ by less than their margin, and which by more, each of shape (..., 2).

    Less: both bounds at alpha lie within the margins (two one-sided tests, Schuirmann 1987). More: one bound
    lies beyond them, at the levels of Holm (1979) over both parts.
    """
    margins = np.array([ratio, at_chance_within])
    opposite = np.array([1 / ratio, -at_chance_within])

    def bounds(level: float) -> Bounds:
        return equivalence_bounds(a, b, learned_a, learned_b, level)

    def beyond(found: Bounds) -> Bools:
        return (found.lower > margins) | (found.upper < opposite)

    at_alpha = bounds(alpha)
    less = (at_alpha.lower > opposite) & (at_alpha.upper < margins)
    more = beyond(bounds(alpha / 2))
    return less, more | (more.any(axis=-1, keepdims=True) & beyond(at_alpha))


def equivalence_codes(less: Bools, more: Bools) -> NDArray[np.int8]:
    """PASS where both parts differ by less than their margins, FAIL where one differs by more."""
    return codes(less.all(axis=-1), more.any(axis=-1))


def equivalence_gate(
    a: Sample,
    b: Sample,
    alpha: float = 0.05,
    ratio: float = 1.5,
    at_chance_within: float = 0.20,
    names: tuple[str, str] = ("A", "B"),
) -> Evidence:
    """Is A as steady as B? PASS: shown to differ by less than both margins. FAIL: by more than one of them.

    What is said of A and B is said of B and A. The means are not judged.

    Args:
        a: the runs to judge.
        b: the runs that they are compared with.
        alpha: level of a false PASS at a margin, and of a false FAIL.
        ratio: how many times as large one spread of learned runs may be as the other.
        at_chance_within: how far the rates of runs at chance may be apart.
        names: how both are called in the reason.

    Raises:
        StabbenchError: an argument is out of range.
    """
    check_probability("alpha", alpha)
    check_probability("at_chance_within", at_chance_within)
    if not 1 < ratio < np.inf:
        raise StabbenchError(f"ratio is {ratio!r}, not a finite number above 1", "give a ratio such as 1.5")
    name, statistic = "equivalence", "ratio of the spreads of the learned runs"
    for who, sample in zip(names, (a, b), strict=True):
        why = sample.unclear
        if not why and sample.n < LEAST_RUNS:
            why = f"{sample.n} runs, fewer than {LEAST_RUNS}"
        if why:
            return Evidence(name, Outcome.INCONCLUSIVE, f"{who}: {why}", statistic)
    arrays = (a.scores, b.scores, a.learned, b.learned)
    less, more = equivalence_parts(*arrays, ratio, at_chance_within, alpha)
    outcome = outcome_of(equivalence_codes(less, more))
    (ratio_low, rate_low), (ratio_high, rate_high) = equivalence_bounds(*arrays, alpha)
    one, two = names
    parts = np.array(PARTS)
    reason = {
        Outcome.PASS: f"{one} is as steady as {two}",
        Outcome.FAIL: f"{one} is not as steady as {two}: too different in {' and '.join(parts[more])}",
        Outcome.INCONCLUSIVE: f"not shown whether {one} is as steady as {two}: "
        f"they may be too different in {' and '.join(parts[~less])}",
    }[outcome]
    needed = None
    if outcome is Outcome.INCONCLUSIVE:
        odd = [(who, s.degenerate_learned) for who, s in zip(names, (a, b), strict=True)]
        refused = [f"{who}: {why}" for who, why in odd if why]
        reason = refused[0] if refused else reason
        needed = None if refused else _seeds_needed(a, b, alpha, ratio, at_chance_within)
    most = f"{ratio_high:.2f}" if np.isfinite(ratio_high) else "any"
    reason += (
        f"; {a.at_chance} against {b.at_chance}: rates {rate_low:+.1%} to {rate_high:+.1%} apart fit, "
        f"allowed {at_chance_within:.1%}; std of the learned runs {_std(a)} against {_std(b)}: "
        f"a ratio of spreads of {ratio_low:.2f} to {most} fits, allowed {1 / ratio:.2f} to {ratio:.2f}"
    )
    spreads = [_distances(sample).mean for sample in (a, b)]
    details: dict[str, Any] = {
        "n_a": a.n,
        "n_b": b.n,
        "failed_a": a.n_failed,
        "failed_b": b.n_failed,
        "at_chance_a": a.n_at_chance,
        "at_chance_b": b.n_at_chance,
        "rates_apart_lower": rate_low,
        "rates_apart_upper": rate_high,
        "ratio": ratio,
        "at_chance_within": at_chance_within,
        "alpha": alpha,
    }
    for part, inside, outside in zip(("spread", "chance"), less, more, strict=True):
        details |= {f"{part}_within": bool(inside), f"{part}_beyond": bool(outside)}
    value = float(spreads[0] / spreads[1]) if spreads[1] > 0 else None
    return Evidence(
        name, outcome, reason, statistic, value, ratio_low, ratio_high, seeds_needed=needed, details=details
    )


def _distances(sample: Sample) -> Moments:
    return moments(absolute_deviations(sample.scores, sample.learned), sample.learned)


def _std(sample: Sample) -> str:
    values = sample.learned_scores
    return sample.text(values.std(ddof=1)) + sample.unit if len(values) > 1 else "none"


def _seeds_needed(a: Sample, b: Sample, alpha: float, ratio: float, at_chance_within: float) -> int | None:
    """Seeds per side that would decide if the truth is what was observed; None with too few runs."""
    if min(a.n_learned, b.n_learned) < MIN_LEARNED:
        return None
    x, y = _distances(a), _distances(b)
    # no run at chance seen yet does not mean no variance: add Wilson's two of each
    shrunk = [(side.n_at_chance + 2) / (side.n + 4) for side in (a, b)]
    rates = sum(rate * (1 - rate) for rate in shrunk)
    apart = a.n_at_chance / a.n - b.n_at_chance / b.n
    own, other = (float(z.variance) * s.n / s.n_learned for z, s in ((x, a), (y, b)))
    margins = [
        float(ratio * y.mean - x.mean),
        float(ratio * x.mean - y.mean),
        at_chance_within - apart,
        at_chance_within + apart,
    ]
    variances = [own + ratio**2 * other, other + ratio**2 * own, rates, rates]
    return power.equivalence_seeds_needed(margins, variances, min(a.n, b.n), alpha)
