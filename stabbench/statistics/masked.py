"""Moments and order statistics along the last axis, over the entries that a mask keeps.

The gates judge the successful runs, whose number differs from sample to sample. With a mask, one definition
serves a single sample of shape (n,) and thousands of simulated ones of shape (repetitions, n).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Moments(NamedTuple):
    """Of the kept entries: their number, mean, and variance with ddof=1 (0 for fewer than two)."""

    n: Ints
    mean: Floats
    variance: Floats


def moments(x: Floats, keep: Bools) -> Moments:
    """Number, mean and variance (two passes) of the kept entries; the mean of none is 0."""
    n = keep.sum(axis=-1)
    mean = np.where(keep, x, 0.0).sum(axis=-1) / np.maximum(n, 1)
    squares = np.where(keep, x - mean[..., None], 0.0) ** 2
    return Moments(n, mean, squares.sum(axis=-1) / np.maximum(n - 1, 1))


def varies(within: ArrayLike, scale: ArrayLike) -> Bools:
    """Is a sum of squared deviations more than rounding, for entries of at most `scale`?

    Rounding leaves about 1e-32 scale^2 per entry where nothing varies. Entries below 1e-30 never vary: their
    squares are on the way to underflow.
    """
    return np.asarray(np.asarray(within) > 1e-18 * np.maximum(scale, 1e-30) ** 2)


def median(x: Floats, keep: Bools) -> Floats:
    """Median of the kept entries; of none, infinity."""
    ordered = np.sort(np.where(keep, x, np.inf), axis=-1)
    n = keep.sum(axis=-1)[..., None]
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(n // 2, x.shape[-1] - 1), axis=-1)
    return np.asarray((0.5 * (low + high))[..., 0])


def trimmed_mean(x: Floats, keep: Bools, cut: Ints) -> Floats:
    """Mean of the kept entries without the `cut` smallest and the `cut` largest ones."""
    ordered = np.sort(np.where(keep, x, np.inf), axis=-1)
    n = keep.sum(axis=-1)
    rank = np.arange(x.shape[-1])
    inside = (rank >= cut[..., None]) & (rank < (n - cut)[..., None])
    return np.asarray(np.where(inside, ordered, 0.0).sum(axis=-1) / np.maximum(inside.sum(axis=-1), 1))


def distinct(x: Floats, keep: Bools) -> Ints:
    """How many different values the kept entries take, to 12 significant digits of the largest one."""
    scale = np.max(np.where(keep, np.abs(x), 0.0), axis=-1, keepdims=True, initial=0.0)
    rounded = np.round(np.where(keep, x, 0.0) / np.where(scale > 0, scale, 1.0), 12)
    ordered = np.sort(np.where(keep, rounded, np.inf), axis=-1)
    n = keep.sum(axis=-1)
    steps = (ordered[..., 1:] != ordered[..., :-1]) & (np.arange(1, x.shape[-1]) < n[..., None])
    return np.asarray(steps.sum(axis=-1) + (n > 0))
