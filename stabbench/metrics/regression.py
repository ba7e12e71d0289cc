"""Metrics of predicted numbers, in plain numpy."""

from __future__ import annotations

import numpy as np

from stabbench.metrics.base import NumberMetric, Numbers


def _pearson(truth: Numbers, guess: Numbers) -> float:
    if (truth == truth[0]).all() or (guess == guess[0]).all():
        return 0.0
    return float(np.clip(_unit(truth) @ _unit(guess), -1.0, 1.0))


def _unit(numbers: Numbers) -> Numbers:
    """Return the deviations from the mean, divided so that their squares add up to 1."""
    deviations = numbers - numbers.mean()
    deviations /= np.abs(deviations).max()  # squares of very small or large ones would leave the range
    return np.asarray(deviations / np.linalg.norm(deviations))


def _ranks(numbers: Numbers) -> Numbers:
    """Return the rank of each number from 1 on; equal ones share the mean of theirs."""
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


PEARSON = NumberMetric(
    "pearson", range=(-1, 1), aliases=("pearsonr", "pearson-correlation"), chance=0.0, compute=_pearson
)
"""Pearson's correlation, 0 where it is 0/0, as for a constant answer."""

SPEARMAN = NumberMetric(
    "spearman",
    range=(-1, 1),
    aliases=("spearmanr", "spearman-correlation"),
    chance=0.0,
    compute=lambda truth, guess: _pearson(_ranks(truth), _ranks(guess)),
)
"""Spearman's rank correlation, 0 where it is 0/0."""

MSE = NumberMetric(
    "mse",
    better="lower",
    range=(0, np.inf),
    aliases=("mean-squared-error",),
    compute=lambda truth, guess: float(np.mean((truth - guess) ** 2)),
)
"""Mean squared error."""
