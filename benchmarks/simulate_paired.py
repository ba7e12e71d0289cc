"""Gates on runs paired by seed, beside the same gates unpaired, by how much the two runs of a seed share.

Swaps are resampled 999 times, not 9,999 as in a gate.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import scipy
from gate_simulations import Row
from numpy.typing import NDArray
from score_models import RTE

from stabbench.statistics.paired import rates_upper
from stabbench.statistics.regression import (
    not_worse,
    paired_not_worse,
    paired_regression_tests,
    regression_codes,
    regression_tests,
)
from stabbench.statistics.steadier import paired_steadier_tests, steadier_codes, steadier_tests

SWAPS = 999
Groups = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


def draw(
    generator: np.random.Generator,
    reps: int,
    n: int = 25,
    correlation: float = 0.0,
    p: tuple[float, float] = (0.0, 0.0),
    drop: float = 0.0,
    ratio: float = 1.0,
) -> Groups:
    """Scores of A and B, normal as on RTE, and who learned; both correlated between the runs of a seed.

    A's mean is `drop` points lower, its std `ratio` times B's; p are the shares of failed runs.
    """

    def pair() -> NDArray[np.float64]:
        own, common = generator.normal(size=(2, reps, n)), generator.normal(size=(reps, n))
        return np.asarray(np.sqrt(1 - correlation) * own + np.sqrt(correlation) * common)

    (x, y), luck = pair(), pair()
    ranks = luck.argsort(axis=None).argsort().reshape(luck.shape) / luck.size  # uniform, pairs kept
    learned = ranks >= np.reshape(p, (2, 1, 1))
    a, b = RTE.mean - drop + RTE.sd * ratio * x, RTE.mean + RTE.sd * y
    failed = generator.choice(RTE.constants, (2, reps, n))
    return np.where(learned[0], a, failed[0]), np.where(learned[1], b, failed[1]), learned[0], learned[1]


def steadier(groups: Groups, paired: bool) -> NDArray[np.int8]:
    return steadier_codes(paired_steadier_tests(*groups, swaps=SWAPS) if paired else steadier_tests(*groups))


def regression(groups: Groups, paired: bool) -> NDArray[np.int8]:
    """Outcome codes with a margin of 3 points."""
    if paired:
        p = paired_regression_tests(*groups, swaps=SWAPS)
        return regression_codes(p, paired_not_worse(*groups, 3.0, swaps=SWAPS))
    return regression_codes(regression_tests(*groups), not_worse(*groups, 3.0))


def paired_rates(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """Rates of wrong and of right verdicts, by the correlation between the two runs of a seed."""
    for correlation in (0.0, 0.5, 0.9):
        for world, share in (("normal", 0.0), ("10 % failed", 0.1)):
            groups = draw(generator, reps, 25, correlation, (share, share))
            case = f"A = B, {world}, correlation {correlation:g}"
            for paired in (True, False):
                words = f"{'paired' if paired else 'unpaired'}, {case}"
                bar = 0.06 if paired else None
                yield Row(f"steadier, false PASS, {words}", (steadier(groups, paired) == 1).mean(), most=bar)
                found = regression(groups, paired)
                yield Row(f"regression, false FAIL, {words}", (found == -1).mean(), most=bar)
                yield Row(f"regression, PASS, {words}", (found == 1).mean())
    changes: dict[str, dict[str, Any]] = {
        "mean 1 point lower": {"drop": 1.0},
        "mean 2 points lower": {"drop": 2.0},
        "half again the std": {"ratio": 1.5},
        "20 points more failures": {"p": (0.3, 0.1)},
    }
    for what, change in changes.items():
        for correlation in (0.0, 0.9):
            groups = draw(generator, reps, 25, correlation, **change)
            for words in ("paired", "unpaired"):
                found = (regression(groups, words == "paired") == -1).mean()
                yield Row(f"regression, FAIL, {words}, {what}, correlation {correlation:g}", found)
    # the same runs judged unpaired: 25 pairs leave it no room for .2 more, as it finds most by itself
    for n, least in ((10, 0.2), (15, 0.2), (25, None)):
        groups = draw(generator, reps, n, 0.9, drop=2.0)
        paired, unpaired = ((regression(groups, way) == -1).mean() for way in (True, False))
        yield Row(f"regression, FAIL, mean 2 points lower, {n} pairs, correlation 0.9, paired", paired)
        yield Row(f"the same runs, {n} of each, unpaired", unpaired)
        yield Row(f"the difference, {n} pairs", paired - unpaired, least=least)
    margins: dict[str, dict[str, Any]] = {
        "mean 3 points lower": {"drop": 3.0},
        "twice the std": {"ratio": 2.0},
        "20 points more failures": {"p": (0.3, 0.1)},
    }
    for what, change in margins.items():
        for correlation in (0.0, 0.9):
            passes = (regression(draw(generator, reps, 25, correlation, **change), True) == 1).mean()
            yield Row(f"regression, false PASS, paired, {what}, correlation {correlation:g}", passes, 0.0603)
    for what, n, change in (
        ("twice the std", 25, {"ratio": 2.0}),
        ("mean 3 points lower", 15, {"drop": 3.0}),
        ("20 points more failures than none", 25, {"p": (0.2, 0.0)}),
        ("20 points more failures than none", 40, {"p": (0.2, 0.0)}),
        ("40 points more failures than none", 10, {"p": (0.4, 0.0)}),
        ("40 points more failures than none", 25, {"p": (0.4, 0.0)}),
    ):
        fails = (regression(draw(generator, reps, n, 0.0, **change), True) == -1).mean()
        yield Row(f"regression, FAIL, {what}, {n} pairs, correlation 0", fails)
    for n in (10, 17, 25):
        yield Row(
            f"rate called not worse, 20 points higher, {n} pairs (most of all rates, exact)", _rate_error(n)
        )


def _rate_error(n: int, margin: float = 0.2) -> float:
    """The largest error of the paired bound on a difference of rates, at the margin, over all four rates."""
    counts = np.array([c for c in product(range(n + 1), repeat=3) if sum(c) <= n])  # both, only A, only B
    ends, seeds = counts.cumsum(axis=1)[..., None], np.arange(n)
    at_chance_b = (seeds < ends[:, 0]) | ((seeds >= ends[:, 1]) & (seeds < ends[:, 2]))
    tables = counts[rates_upper(seeds >= ends[:, 1], ~at_chance_b) < margin]
    tables = np.column_stack([tables, n - tables.sum(axis=1)])
    rates = (
        (both, margin + only, only, 1 - margin - 2 * only - both)
        for only in np.linspace(0, 0.4, 21)
        for both in np.linspace(0, 1 - margin - 2 * only, 21)
    )
    return float(max(scipy.stats.multinomial.pmf(tables, n, p).sum() for p in rates))
