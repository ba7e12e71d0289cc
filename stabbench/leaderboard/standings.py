"""The strategies of one task compared with one another: pure functions of their samples.

All comparisons are those of the two-part gate ``statistics.steadier_gate`` (runs at chance, spread of the
learned runs, guarded by their means), paired by seed where that gate is. What is judged FAIL for its runs at
chance neither is the best, nor near it, nor starred.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stabbench import statistics
from stabbench.statistics import Sample
from stabbench.statistics.paired import Pairs, pairs
from stabbench.statistics.steadier import paired_steadier_tests, steadier_codes, steadier_tests

LEVEL = 0.05


def relation(samples: Sequence[Sample]) -> NDArray[np.bool_]:
    """Return whether sample i is steadier than sample j by ``steadier_gate``, for all pairs: (m, m)."""
    m = len(samples)
    steadier = np.zeros((m, m), bool)
    clear = [place for place, sample in enumerate(samples) if not sample.unclear]
    alike: dict[tuple[bool, int, int], list[tuple[int, int, Pairs]]] = defaultdict(list)
    for i, j in combinations(clear, 2):
        a, b = samples[i], samples[j]
        by_seed = pairs(a, b, None, ("", ""))
        sides = by_seed or Pairs(a.scores, b.scores, a.learned, b.learned)
        alike[by_seed is not None, a.n, b.n].append((i, j, sides))
    for (paired, *_), found in alike.items():
        first, second = (np.array(places) for places in list(zip(*found, strict=True))[:2])
        stacked = Pairs(*(np.stack(side) for side in zip(*(sides for *_, sides in found), strict=True)))
        tests = paired_steadier_tests(*stacked) if paired else steadier_tests(*stacked)
        codes = steadier_codes(tests, LEVEL)
        steadier[first, second], steadier[second, first] = codes == 1, codes == -1
    steadier[[place for place, sample in enumerate(samples) if sample.degenerate]] = False
    return steadier


def steady_order(samples: Sequence[Sample], among: Sequence[int], steadier: NDArray[np.bool_]) -> list[int]:
    """Return some samples from steady to unsteady, so that nobody stands behind one that it is steadier than.

    The next one is always that which fewest of the remaining ones are steadier than; of equals that with the
    smaller share of runs at chance, then the smaller std of its learned runs, then the better mean.
    """
    left, order = list(among), list[int]()
    while left:
        above = steadier[np.ix_(left, left)].sum(axis=0)
        next_ = min(zip(above, left, strict=True), key=lambda one: (one[0], *by_numbers(samples[one[1]])))[1]
        order.append(next_)
        left.remove(next_)
    return order


def by_numbers(sample: Sample) -> tuple[float, float, float]:
    """Return the sorting key of a sample alone: share of runs at chance, std of the learned, mean."""
    learned = sample.learned_scores
    spread = statistics.std(learned) if len(learned) > 1 else inf
    return sample.n_at_chance / sample.n, spread, -float(sample.scores.mean())


class Standings(NamedTuple):
    """The strategies of one task.

    Attributes:
        order: places in the given samples, from steady to unsteady; those judged FAIL come last.
        near_best: of each given sample, whether it is the first or cannot be told from it; ``None`` where
            nobody can tell.
    """

    order: list[int]
    near_best: list[bool | None]


def standings(samples: Sequence[Sample], failing: Sequence[bool]) -> Standings:
    """Return the order of the strategies of a task, and who cannot be told from the best.

    The best is the first in order. Another one can be told from it when the best is steadier by the two-part
    gate at .05, as a suite would ask it, however many others there are. A best one whose scores hardly vary,
    or of which nobody knows whether it learned, is no yardstick: then nobody is near it.

    Args:
        samples: of the ranked strategies, in an order that does not depend on the runs (by name).
        failing: whether each is judged FAIL for its runs at chance.
    """
    steadier = relation(samples)
    hopeful = steady_order(samples, [i for i, fails in enumerate(failing) if not fails], steadier)
    order = hopeful + steady_order(samples, [i for i, fails in enumerate(failing) if fails], steadier)
    near: list[bool | None] = [False if fails else None for fails in failing]
    if not hopeful:
        return Standings(order, near)
    best, *others = hopeful
    if samples[best].unclear or samples[best].degenerate or samples[best].degenerate_learned:
        return Standings(order, near)
    near[best] = True
    for i in others:
        near[i] = None if samples[i].unclear else not steadier[best, i]
    return Standings(order, near)


class StarTest(NamedTuple):
    """The test behind a star: of which sample, its two-sided p-value, the smaller number of runs."""

    sample: int
    p_value: float
    runs: int


def star_test(samples: Sequence[Sample], failing: Sequence[bool]) -> StarTest | None:
    """Return the test of the smallest std of learned runs against the next larger one; ``None`` without two.

    Brown and Forsythe's, two-sided, on the learned runs of those that are not judged FAIL. p is 1 where the
    other one is at chance significantly less often or has a significantly better mean (one-sided .05 each),
    or any third one has (Holm-adjusted over all others), so that a neighbour as poor as the first does not
    hide a good one; and where the learned runs of the first take fewer than three different scores.
    """
    hopeful = [i for i, fails in enumerate(failing) if not fails and not samples[i].unclear]
    if len(hopeful) < 2:
        return None
    first, second, *others = sorted(hopeful, key=lambda i: by_numbers(samples[i])[1])
    a, b = samples[first], samples[second]
    tests = [
        steadier_tests(a.scores, samples[i].scores, a.learned, samples[i].learned) for i in (second, *others)
    ]
    better = np.array([(found.for_b[0], found.a_lower) for found in tests], np.float64)  # (others, 2)
    barred = (better[0] <= LEVEL).any() or (statistics.holm(better.T) <= LEVEL).any() or a.degenerate
    return StarTest(first, 1.0 if barred else float(tests[0].for_a[1]), min(a.n, b.n))
