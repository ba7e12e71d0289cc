"""Coverage of the 95 % intervals over several tasks: 25 runs on each of three tasks.

Each experiment resamples 2,000 times, so there are fewer of them than of others: an eighth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from gate_simulations import Row
from score_models import COLA, MRPC, RTE, Group, named

import stabbench.statistics as st

RUNS = 25
WORLDS = {
    "no failures": (RTE, MRPC, COLA),
    "some failures": (named(RTE, 0.10), named(MRPC, 0.24, 89.9), named(COLA, 0.14, 60.3)),
    "many failures": (named(RTE, 0.50), named(MRPC, 0.66, 89.4), named(COLA, 0.24, 59.9)),
}
LOWER = tuple(replace(group, mean=group.mean - group.sd) for group in WORLDS["no failures"])
FAR_LOWER = tuple(replace(group, mean=group.mean - 4 * group.sd) for group in WORLDS["no failures"])
EXTREME = "A four std lower than B"
"""Hardly any run of A is better than one of B: there the interval is wider than it need be, by design."""

PAIRS = {
    "A = B": (WORLDS["no failures"], WORLDS["no failures"]),
    "A one std lower than B": (LOWER, WORLDS["no failures"]),
    "some failures against none": (WORLDS["some failures"], WORLDS["no failures"]),
    "many failures against some": (WORLDS["many failures"], WORLDS["some failures"]),
    EXTREME: (FAR_LOWER, WORLDS["no failures"]),
}


def drawn(
    world: Sequence[Group], generator: np.random.Generator, reps: int, runs: int = RUNS
) -> list[np.ndarray]:
    """Normalised scores of `reps` experiments, one array of shape (reps, runs) per task."""
    return [
        st.normalised(group.draw(generator, reps, runs)[0], max(group.constants), 100.0) for group in world
    ]


def coverage(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    reps //= 8
    rates = {}
    for name, world in WORLDS.items():
        scores = drawn(world, generator, reps)
        truth = st.interquartile_mean(np.concatenate([x[0] for x in drawn(world, generator, 1, 400_000)]))
        found = [st.iqm_over_tasks([task[rep] for task in scores]) for rep in range(reps)]
        rates[f"interquartile mean, {name}"] = covered(found, truth)
    for name, (a, b) in PAIRS.items():
        first, second = drawn(a, generator, reps), drawn(b, generator, reps)
        large = [drawn(world, generator, 1, 100_000) for world in (a, b)]
        truth = float(
            np.mean(
                [st.probability_of_improvement(*map(np.ravel, pair)) for pair in zip(*large, strict=True)]
            )
        )
        pairs = (([x[rep] for x in first], [y[rep] for y in second]) for rep in range(reps))
        found = [st.improvement_over_tasks(*pair) for pair in pairs]
        rates[f"probability of improvement, {name}"] = covered(found, truth)
    for name, rate in rates.items():
        yield Row(f"95 % interval holds the truth: {name}", rate, least=0.90, experiments=reps)
    usual = max(rate for name, rate in rates.items() if EXTREME not in name)
    yield Row("the same, most of all but the last", usual, most=0.98, experiments=reps)


def covered(found: Sequence[st.Interval], truth: float) -> float:
    """The share of intervals that hold the truth."""
    return float(np.mean([low <= truth <= high for _, low, high in found]))
