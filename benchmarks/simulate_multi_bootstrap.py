"""Coverage of the Multi-Bootstrap's intervals in worlds whose truth is known.

A run is right on a row when quality + seed + row + luck > 0, all normal, luck with variance 1: a share of
Phi(quality / sqrt(1 + var(seed) + var(row))) of all rows over all seeds. Two strategies share rows and seeds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy
from gate_simulations import Row

import stabbench.statistics as st

ROWS, MAJORITY, DRAWS = 277, 0.527, 400


@dataclass(frozen=True)
class World:
    """Two strategies, both with `n` seeds: their qualities, and the deviations of what varies."""

    name: str
    qualities: tuple[float, float]
    seed: float
    row: float
    n: int = 25
    shared: float = 0.5
    failed: float = 0.0

    def truth(self, strategy: int) -> float:
        """Expected accuracy over all rows and seeds."""
        share = scipy.special.ndtr(self.qualities[strategy] / np.sqrt(1 + self.seed**2 + self.row**2))
        return float(share * (1 - self.failed) + MAJORITY * self.failed)

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Predictions of both strategies, shape (2 n, rows), and labels; a failed run predicts 1."""
        labels = (generator.random(ROWS) < MAJORITY).astype(int)
        rows, both = generator.normal(0, self.row, ROWS), generator.normal(0, self.seed, self.n)
        parts = []
        for quality in self.qualities:
            own = generator.normal(0, self.seed, self.n)
            seeds = np.sqrt(self.shared) * both + np.sqrt(1 - self.shared) * own
            right = quality + seeds[:, None] + rows + generator.standard_normal((self.n, ROWS)) > 0
            answers = np.where(right, labels, 1 - labels)
            parts.append(np.where(generator.random((self.n, 1)) < self.failed, 1, answers))
        return np.concatenate(parts), labels


def accuracy(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right, by_label = counts[..., 0, 0] + counts[..., 1, 1], counts.sum(axis=-1)
    return right / ROWS, right <= by_label.max(axis=-1)


RTE_LIKE = World("RTE-like, seeds and rows", (0.75, 0.65), 0.12, 1.0)
WORLDS = (
    RTE_LIKE,
    replace(RTE_LIKE, name="rows alone", seed=0.0),
    replace(RTE_LIKE, name="seeds that count for more than rows", seed=0.6),
    replace(RTE_LIKE, name="a fifth of the runs failed", failed=0.2),
    replace(RTE_LIKE, name="5 seeds, which count for more than rows", seed=0.6, n=5),
)


def covers(interval: st.Bounded, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def multi_bootstrap(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """Shares of intervals at 95 % that hold the truth, with a tenth of the usual repetitions, 1,000 at least.

    The variance of the scores on given rows is unbiased for that of new runs, so its mean over all
    repetitions stands for the true one.
    """
    few = max(1_000, reps // 10)
    for world in WORLDS:
        truths = world.truth(0), world.truth(1)
        means, stds, spreads = [], [], []
        for _ in range(few):
            answers, labels = world.draw(generator)
            every = st.resample(answers, labels, 2, accuracy, [st.taken(ROWS, DRAWS, generator)])
            one, two = every.part(slice(world.n)), every.part(slice(world.n, None))
            seeds = st.taken(world.n, DRAWS, generator)
            difference = st.differences_on_other_data(one, two, seeds)
            alone = st.on_other_data(one, seeds)
            means.append((covers(difference.mean, truths[1] - truths[0]), covers(alone.mean, truths[0])))
            stds.append((difference.std, alone.std))
            spreads.append([np.var(side.seen, ddof=1) for side in (one, two)])
        a, b = np.sqrt(np.mean(spreads, axis=0))
        of_means = np.mean(means, axis=0)
        of_stds = np.mean([(covers(d, b - a), covers(own, a)) for d, own in stds], axis=0)
        at = world.name
        bars = (0.98, 0.92) if world.n == 25 else (None, None)
        yield Row(f"coverage, difference of means, {at}", of_means[0], *bars, experiments=few)
        yield Row(f"coverage, mean, {at}", of_means[1], experiments=few)
        yield Row(f"coverage, difference of standard deviations, {at}", of_stds[0], experiments=few)
        yield Row(f"coverage, standard deviation, {at}", of_stds[1], experiments=few)
