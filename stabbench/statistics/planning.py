"""Power of the gates at a truth, before anything has run, and the least number of seeds that has it.

Exact for shares; for spread and mean by the formulas of `power`; for the gates that compare two groups by
4,000 simulated experiments of normal scores from a fixed generator, the same ones for every number of seeds.
Those gates pair by seed where both sides have the same seeds, 10 or more, and are simulated so: with seeds
that have nothing in common, since the more they have, the more pairs find.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from stabbench.statistics.failures import binomial_tails
from stabbench.statistics.masked import Bools, Floats, Ints
from stabbench.statistics.paired import MIN_PAIRS
from stabbench.statistics.power import MOST_SEEDS, limits_table
from stabbench.statistics.regression import (
    not_worse,
    paired_not_worse,
    paired_regression_tests,
    regression_codes,
    regression_tests,
)
from stabbench.statistics.steadier import paired_steadier_tests, steadier_codes, steadier_tests
from stabbench.statistics.two_rates import more_failures

EXPERIMENTS = 4_000
MOST_SIMULATED = 250
"""The most seeds for which a comparison is simulated."""
SWAPS = 999
"""Random swaps of an experiment; the gates draw 9,999."""


def share_power(n: ArrayLike, at_most: float, truth: float, alpha: float = 0.05) -> tuple[Floats, Floats]:
    """Probability of PASS and of FAIL of a gate on a share of runs, if the true share is `truth`; exact.

    Args:
        n: numbers of seeds, up to 1,000.
        at_most: the gate's allowance.
        truth: true share, from 0 to 1.
        alpha: level of each side.
    """
    runs = np.asarray(n)
    passing, failing = (limits[runs] for limits in limits_table(at_most, alpha))
    return binomial_tails(passing, failing, runs, truth)


def steadier_power(
    n: int, ratio: float = 1.0, at_chance: float = 0.0, alpha: float = 0.05, paired: bool | None = None
) -> tuple[float, float]:
    """Probability of PASS and of FAIL of "steadier than the other", the same n seeds each, equal means.

    Args:
        n: seeds of each strategy, 3 to `MOST_SIMULATED`.
        ratio: the other's true standard deviation, divided by one's own.
        at_chance: share of the other's runs that learn nothing; of one's own none does.
        alpha: level of each side.
        paired: as the gate's: None pairs from 10 seeds on.
    """
    own, other, chance = (numbers[:, :n] for numbers in _worlds(n))
    learned = chance >= at_chance
    scores = np.where(learned, ratio * other, _AT_CHANCE)
    arrays = (own, scores, np.ones(own.shape, bool), learned)
    tests = paired_steadier_tests(*arrays, swaps=SWAPS) if _pairs(n, paired) else steadier_tests(*arrays)
    return _rates(steadier_codes(tests, alpha))


def regression_power(
    n: int,
    baseline: int,
    ratio: float = 1.0,
    drop: float = 0.0,
    at_chance: float = 0.0,
    alpha: float = 0.05,
    paired: bool | None = None,
) -> tuple[float, float]:
    """Probability of PASS and of FAIL of "no regression", against a baseline none of whose runs is at chance.

    Args:
        n: the candidate's seeds, 5 to `MOST_SIMULATED`.
        baseline: the baseline's seeds; where they are as many or more, it has all of the candidate's.
        ratio: the candidate's true standard deviation, divided by the baseline's.
        drop: how much lower its true mean is, in standard deviations of the baseline.
        at_chance: share of its runs that learn nothing.
        alpha: level of a false FAIL.
        paired: as the gate's: None pairs from 10 seeds on, where the baseline has them all.
    """
    candidate, stored, chance = _worlds(max(n, baseline))
    candidate, chance, stored = candidate[:, :n], chance[:, :n], stored[:, :baseline]
    margin, by_seed = stored.std(axis=1, ddof=1), n <= baseline and _pairs(n, paired)
    if by_seed:
        stored = stored[:, :n]
    learned, every = chance >= at_chance, np.ones(stored.shape, bool)
    arrays = (np.where(learned, ratio * candidate - drop, _AT_CHANCE), stored, learned, every)
    if by_seed:
        p_values = paired_regression_tests(*arrays, swaps=SWAPS)
        fine = paired_not_worse(*arrays, margin, alpha, swaps=SWAPS)
    else:
        p_values, fine = regression_tests(*arrays), not_worse(*arrays, margin, alpha)
    return _rates(regression_codes(p_values, fine, alpha))


def _pairs(n: int, paired: bool | None) -> bool:
    return n >= MIN_PAIRS if paired is None else paired


_AT_CHANCE = -20.0  # of runs that learned nothing; the gates look at their number alone


@lru_cache(maxsize=4)
def _numbers(seeds: int) -> tuple[Floats, Floats, Floats]:
    generator = np.random.default_rng(6)
    shape = (EXPERIMENTS, seeds)
    return generator.normal(size=shape), generator.normal(size=shape), generator.random(shape)


def _worlds(seeds: int) -> tuple[Floats, Floats, Floats]:
    """Scores of both sides and uniform numbers: more seeds go on where fewer end."""
    return _numbers(64 if seeds <= 64 else MOST_SIMULATED)


def _rates(codes: ArrayLike) -> tuple[float, float]:
    found = np.asarray(codes)
    return float((found == 1).mean()), float((found == -1).mean())


def least_seeds(powers: Callable[[Ints], Floats], power: float, least: int = 1) -> int | None:
    """The first number of seeds up to 1,000 with at least this power, or None.

    Args:
        powers: power at each of some numbers of seeds.
        power: what is wanted, between 0 and 1.
        least: the fewest that the gate needs.
    """
    seeds = np.arange(least, MOST_SEEDS + 1)
    enough: Bools = np.asarray(powers(seeds) >= power)
    return int(seeds[np.argmax(enough)]) if enough.any() else None


def least_simulated(power_at: Callable[[int], float], power: float, pieces: Iterable[range]) -> int | None:
    """The same for a power that is simulated.

    Args:
        power_at: power at a number of seeds.
        power: what is wanted.
        pieces: the numbers of seeds, from few to many, in ranges within which power grows with every seed, so
            that bisection finds it.
    """
    for piece in pieces:
        at = bisect_left(piece, power, key=power_at)
        if at < len(piece):
            return piece[at]
    return None


def fewest_to_be_steadier(alpha: float = 0.05) -> int:
    """The fewest seeds with which "steadier" can PASS: all of the other's at chance, none of one's own."""
    return next(n for n in range(1, MOST_SEEDS) if more_failures(n, n, 0, n) <= alpha / 2)
