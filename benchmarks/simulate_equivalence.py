"""Simulated experiments: the gate "as steady as", at its margins and for equal strategies."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import scipy.stats
from gate_simulations import Row
from numpy.typing import NDArray
from score_models import COLA, MIXTURES, MRPC, RTE, Group, named

from stabbench.statistics import newcombe_upper
from stabbench.statistics.equivalence import equivalence_codes, equivalence_parts
from stabbench.statistics.masked import moments
from stabbench.statistics.power import equivalence_seeds_needed
from stabbench.statistics.two_samples import absolute_deviations

RATIO, APART = 1.5, 0.20
SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]] = {
    "t with 3 degrees of freedom": lambda g, shape: g.standard_t(3, shape),
    "exponential": lambda g, shape: -g.exponential(1, shape),
    "10 % partial collapse": lambda g, shape: g.normal(size=shape) - 8 * (g.random(shape) < 0.1),
}


def equivalence(
    a: Group, b: Group, n: int, reps: int, generator: np.random.Generator, n_b: int = 0, ratio: float = RATIO
) -> NDArray[np.int8]:
    """Outcome codes of the gate, n runs of A against n_b (default n) of B."""
    (x, learned_x), (y, learned_y) = a.draw(generator, reps, n), b.draw(generator, reps, n_b or n)
    return equivalence_codes(*equivalence_parts(x, y, learned_x, learned_y, ratio, APART))


def wider(group: Group, ratio: float = RATIO) -> Group:
    return replace(group, sd=ratio * group.sd)


def equivalence_rates(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    worlds = [replace(g, step=1e-9) for g in (RTE, MRPC, COLA, named(RTE, 0.10), named(COLA, 0.14, 60.3))]
    for n, n_b in ((25, 25), (25, 50), (50, 50), (100, 100)):
        found = [equivalence(wider(g), g, n, reps, generator, n_b) for g in worlds]
        found += [equivalence(g, wider(g), n, reps, generator, n_b) for g in worlds[:1]]
        at = f"spreads {RATIO:g} times apart, {n} against {n_b} (most of {len(found)})"
        yield Row(f"false PASS, {at}", max((c == 1).mean() for c in found), most=0.06)
        yield Row(f"false FAIL, {at}", max((c == -1).mean() for c in found), most=0.06)
    for shape, draw in SHAPES.items():
        for n in (50, 100):
            x, y = draw(generator, (reps, n)), draw(generator, (reps, n))
            every = np.ones(x.shape, bool)
            found = equivalence_codes(*equivalence_parts(RATIO * x, y, every, every))
            yield Row(
                f"false PASS, spreads {RATIO:g} times apart, {shape}, {n} each", (found == 1).mean(), 0.06
            )
            yield Row(
                f"false FAIL, spreads {RATIO:g} times apart, {shape}, {n} each", (found == -1).mean(), 0.06
            )
    for n, n_b in ((25, 25), (25, 50), (50, 50), (100, 100)):
        found = []
        for p in (0.0, 0.05, 0.2, 0.4):
            a, b = named(RTE, p + APART), named(RTE, p)
            found += [equivalence(*pair, n, reps, generator, n_b) for pair in ((a, b), (b, a))]
        at = f"rates {APART:g} apart, {n} against {n_b} (most of {len(found)})"
        yield Row(f"false PASS, {at}", max((c == 1).mean() for c in found), most=0.06)
        yield Row(f"false FAIL, {at}", max((c == -1).mean() for c in found), most=0.06)
    shares = np.linspace(0, 1 - APART, 81)
    for n, bar in ((20, None), (25, 0.06), (50, 0.06), (100, 0.06)):
        most = max(_rates_within(n, p) for p in shares)
        yield Row(f"false PASS of the rates alone, {APART:g} apart, {n} each (exact)", most, most=bar)
    most = max(_rates_beyond(11, 50, p) for p in shares)
    yield Row(f"false FAIL of the rates alone, {APART:g} apart, 11 against 50 (exact)", most)
    for ratio in (RATIO, 2.0):
        for n in (25, 50, 100):
            for group in (RTE, named(RTE, 0.10), named(COLA, 0.24, 59.9)):
                found = equivalence(group, group, n, reps, generator, ratio=ratio)
                yield Row(f"PASS, equal, ratio {ratio:g}, {group.name}, {n} each", (found == 1).mean())
    for n in (25, 50):
        rates = [(equivalence(g, g, n, reps, generator) == -1).mean() for g in MIXTURES]
        yield Row(f"FAIL, equal, {n} each (most of {len(MIXTURES)} mixtures)", max(rates), most=0.01)
        for what, other in (("twice", wider(RTE, 2)), ("three times", wider(RTE, 3))):
            rate = (equivalence(other, RTE, n, reps, generator) == -1).mean()
            yield Row(f"FAIL, {what} the spread, {n} each", rate)
        rate = (equivalence(named(RTE, 0.5), RTE, n, reps, generator) == -1).mean()
        yield Row(f"FAIL, half of the runs at chance against none, {n} each", rate)
    for ratio in (RATIO, 2.0):
        n = _advised(RTE, ratio, generator)
        rate = (equivalence(RTE, RTE, n, reps, generator, ratio=ratio) == 1).mean()
        yield Row(f"PASS, equal, ratio {ratio:g}, with the seeds that are advised", rate, least=0.75)
    for shape, draw in SHAPES.items():
        x, y = draw(generator, (reps, 100)), draw(generator, (reps, 100))
        found = equivalence_codes(*equivalence_parts(x, y, *[np.ones(x.shape, bool)] * 2))
        yield Row(f"PASS, equal, ratio {RATIO:g}, {shape}, 100 each", (found == 1).mean())


def _rates_within(n: int, p: float) -> float:
    """Probability that both of Newcombe's bounds lie within the margin, rates of p and p + margin."""
    k = np.arange(n + 1)
    within = (newcombe_upper(k[:, None], n, k, n) < APART) & (newcombe_upper(k, n, k[:, None], n) < APART)
    first, second = (scipy.stats.binom.pmf(k, n, rate) for rate in (min(1.0, p + APART), p))
    return float(first @ within @ second)


def _rates_beyond(n: int, n_b: int, p: float) -> float:
    """Probability that one of Newcombe's bounds, at .025, lies beyond the margin; rates of p + margin, p."""
    k, k_b = np.arange(n + 1)[:, None], np.arange(n_b + 1)
    lower, upper = -newcombe_upper(k_b, n_b, k, n, 0.025), newcombe_upper(k, n, k_b, n_b, 0.025)
    beyond = (lower > APART) | (upper < -APART)
    first = scipy.stats.binom.pmf(k[:, 0], n, min(1.0, p + APART))
    return float(first @ beyond @ scipy.stats.binom.pmf(k_b, n_b, p))


def _advised(group: Group, ratio: float, generator: np.random.Generator) -> int:
    """Seeds that the gate names when it observes two equal strategies without runs at chance."""
    x, learned = group.draw(generator, 1, 100_000)
    z = moments(absolute_deviations(x, learned), learned)
    mean, variance = float(z.mean[0]), float(z.variance[0])
    rate = 2 / 29  # as the gate's, at 25 seeds
    variances = [(1 + ratio**2) * variance] * 2 + [2 * rate * (1 - rate)] * 2
    margins = [(ratio - 1) * mean] * 2 + [APART] * 2
    found = equivalence_seeds_needed(margins, variances, 25)
    assert found is not None
    return found
