"""Gates on all runs, where a rare failure may not have been seen: how often their bounds miss."""

from collections.abc import Iterator

import numpy as np
from gate_simulations import Row
from score_models import COLA, MRPC, RTE, Group, named

from stabbench.statistics.mixture import MixtureBounds, mixture_bounds
from stabbench.statistics.spread import spread_bounds, spread_codes

RUNS = 25
WORLDS = (named(RTE, 0.04), named(RTE, 0.08), named(COLA, 0.04), named(COLA, 0.02), named(MRPC, 0.04))
RANGES = {"RTE": (0.0, 100.0), "MRPC": (0.0, 100.0), "CoLA": (-100.0, 100.0)}


def mixture_rates(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """The gates on all runs in worlds of rare failures, with the truth at the threshold and away from it."""
    for group in WORLDS:
        mean, std = truth(group)
        scores, learned = group.draw(generator, reps, RUNS)
        found = bounds(group, scores, learned)
        plain = spread_bounds(scores)
        at = f"true std = tau, {group.name}"
        codes = spread_codes(found.std_lower, found.std_upper, std)
        naive = spread_codes(plain.lower, plain.upper, std)
        yield Row(f"false PASS, {at}", (codes == 1).mean(), most=0.06)
        yield Row(f"false FAIL, {at}", (codes == -1).mean(), most=0.06)
        yield Row(f"false PASS by bounds that know of no mixture, {at}", (naive == 1).mean())
        for ratio in (2, 3):
            passes = spread_codes(found.std_lower, found.std_upper, ratio * std) == 1
            yield Row(f"PASS, true std a {['half', 'third'][ratio - 2]} of tau, {group.name}", passes.mean())
        yield Row(f"FAIL, true std twice tau, {group.name}", (found.std_lower > std / 2).mean())
        yield Row(f"mean below its lower bound, {group.name}", (mean < found.mean_lower).mean())
        yield Row(f"mean above its upper bound, {group.name}", (mean > found.mean_upper).mean())
        width = np.median(found.mean_upper - found.mean_lower)
        yield Row(f"width of the mean's bounds (median, 1 = 100 points), {group.name}", float(width) / 100)


def truth(group: Group) -> tuple[float, float]:
    """Mean and standard deviation of all runs of a group: rounding adds step^2 / 12 to the variance."""
    f, v = float(np.mean(group.constants)), float(np.var(group.constants))
    p, s2 = group.p, group.sd**2 + group.step**2 / 12
    variance = (1 - p) * s2 + p * v + p * (1 - p) * (group.mean - f) ** 2
    return (1 - p) * group.mean + p * f, variance**0.5


def bounds(group: Group, scores: np.ndarray, learned: np.ndarray) -> MixtureBounds:
    """The bounds of many experiments; the constant predictor is the better one of the failed runs' scores."""
    return mixture_bounds(scores, learned, max(group.constants), RANGES[group.name.split(",")[0]])
