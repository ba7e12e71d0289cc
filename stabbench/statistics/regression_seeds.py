"""How many seeds would decide a regression gate, if the truth is what was observed so far."""

from stabbench.statistics import power
from stabbench.statistics.masked import moments
from stabbench.statistics.paired import Pairs
from stabbench.statistics.sample import MIN_RUNS, Sample
from stabbench.statistics.two_samples import absolute_deviations


def unpaired_seeds_needed(
    candidate: Sample,
    baseline: Sample,
    alpha: float,
    mean_margin: float,
    ratio_margin: float,
    failures_margin: float,
) -> int | None:
    """Candidate seeds in all that would decide, from the observed contrasts; three must have learned."""
    ok, base_ok = candidate.learned, baseline.learned
    x, y = moments(candidate.scores, ok), moments(baseline.scores, base_ok)
    zx = moments(absolute_deviations(candidate.scores, ok), ok)
    zy = moments(absolute_deviations(baseline.scores, base_ok), base_ok)
    rate, base_rate = 1 - ok.mean(), 1 - base_ok.mean()
    # no run at chance seen yet does not mean no variance: add Wilson's two of each
    shrunk = [(r * m + 2) / (m + 4) for r, m in ((rate, candidate.n), (base_rate, baseline.n))]
    differences = [zx.mean - zy.mean, rate - base_rate, y.mean - x.mean]
    margins = [
        ratio_margin * zy.mean - zx.mean,
        failures_margin - (rate - base_rate),
        mean_margin - (y.mean - x.mean),
    ]
    share = 1 - rate
    own = [zx.variance / share, shrunk[0] * (1 - shrunk[0]), x.variance / share]
    base = [
        ratio_margin**2 * zy.variance / y.n,
        shrunk[1] * (1 - shrunk[1]) / baseline.n,
        y.variance / y.n,
    ]
    return power.regression_seeds_needed(differences, margins, own, base, candidate.n, alpha)


def paired_seeds_needed(
    by_seed: Pairs, alpha: float, mean_margin: float, ratio_margin: float, failures_margin: float
) -> int | None:
    """The same from the differences within pairs; None where fewer than three pairs learned."""
    x, y, learned, base_learned = by_seed
    both = learned & base_learned
    if both.sum() < MIN_RUNS:
        return None
    zx, zy = absolute_deviations(x, both), absolute_deviations(y, both)
    more, room, drop = (moments(d, both) for d in (zx - zy, ratio_margin * zy - zx, y - x))
    n, differing, share = len(x), float((learned != base_learned).sum()), float(both.mean())
    rate = float(base_learned.mean() - learned.mean())
    rates = (differing + 2) / (n + 4) - rate**2  # as above: no differing seed yet does not mean no variance
    differences = [float(more.mean), rate, float(drop.mean)]
    margins = [float(room.mean), failures_margin - rate, mean_margin - float(drop.mean)]
    own = [float(room.variance) / share, rates, float(drop.variance) / share]
    return power.regression_seeds_needed(differences, margins, own, [0.0] * 3, n, alpha)
