"""Tests on two groups of runs that share their seeds: what a seed does to both sides cancels.

Arrays have shape (..., n), seed by seed in one order on both sides, with masks of the runs to use. Where
nothing changed, the two runs of a seed may change places; so every test asks how extreme the observed
assignment is among those that swap the runs of some seeds (Fisher 1935; Phipson and Smyth 2010).
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Bools, Floats, Ints, moments, varies
from stabbench.statistics.sample import MIN_RUNS, Sample
from stabbench.statistics.two_rates import wilson_bound
from stabbench.statistics.two_samples import Alternative, absolute_deviations

MIN_PAIRS = 10
"""Pairs from which on gates pair by default: n pairs give no p below 2^-n, so fewer can hardly decide."""
SWAPS = 9_999
_EXACT_PAIRS = 10  # up to here all 2^n swaps are enumerated
_SEED = 1998
_BLOCK = 4_000_000  # sums held in memory at once


class SwapTest(NamedTuple):
    """The mean difference within pairs, the p-value of a swap test, and where the test could be made."""

    statistic: Floats
    p_value: Floats
    valid: Bools


class Pairs(NamedTuple):
    """Both sides in the order of the shared seeds: scores, and which runs learned something."""

    a: Floats
    b: Floats
    learned_a: Bools
    learned_b: Bools


def pairs(
    a: Sample, b: Sample, paired: bool | None, names: tuple[str, str], part: bool = False
) -> Pairs | None:
    """Both samples in the order of their shared seeds, or None where they are judged unpaired.

    Scores have no say in it.

    Args:
        a: one side.
        b: the other side.
        paired: True wants pairs, False none, None pairs where there can be, 10 at the least.
        names: what an error calls the sides.
        part: whether A's seeds may be a part of B's; B's other runs are left out then.

    Raises:
        StabbenchError: pairs are wanted and the seeds do not match.
    """
    cause = _mismatch(a, b, names, part)
    if paired and cause:
        raise StabbenchError(
            f"the runs cannot be paired by seed: {cause}",
            "run both sides on one set of seeds, or give paired=False",
        )
    if cause or paired is False or (paired is None and a.n < MIN_PAIRS):
        return None
    mine, theirs = np.argsort(_seeds(a)), np.argsort(_seeds(b))
    theirs = theirs[np.searchsorted(_seeds(b), _seeds(a)[mine], sorter=theirs)]
    return Pairs(a.scores[mine], b.scores[theirs], a.learned[mine], b.learned[theirs])


def partners(a: Sample, b: Sample) -> Sample:
    """The runs of B that have a seed of A."""
    part = np.isin(_seeds(b), _seeds(a))
    return replace(
        b,
        scores=b.scores[part],
        failed=b.failed[part],
        learned=b.learned[part],
        untold=b.untold[part],
        seeds=_seeds(b)[part],
    )


def compared(a: Sample, b: Sample, by_seed: Pairs | None) -> tuple[Floats, Floats, str]:
    """The scores whose spreads and means are compared; and, where they are not all learned runs, which.

    Unpaired they are all learned runs. Paired they are those of the seeds on which both sides learned
    something; where these are too few to be judged, again all.

    Args:
        a: one side.
        b: the other side.
        by_seed: both in pairs, or None.
    """
    if by_seed is not None:
        both = by_seed.learned_a & by_seed.learned_b
        n = int(both.sum())
        if n >= MIN_RUNS:
            part = "" if n == a.n_learned == b.n_learned else f" on the {n} seeds on which both learned"
            return by_seed.a[both], by_seed.b[both], part
    return a.learned_scores, b.learned_scores, ""


def _mismatch(a: Sample, b: Sample, names: tuple[str, str], part: bool) -> str | None:
    for name, sample in zip(names, (a, b), strict=True):
        if sample.seeds is None:
            return f"the seeds of {name} are not known"
        if len(set(sample.seeds)) < sample.n:
            return f"a seed comes twice in {name}"
    surplus = [(names[0], np.setdiff1d(_seeds(a), _seeds(b))), (names[1], np.setdiff1d(_seeds(b), _seeds(a)))]
    for name, alone in surplus[: 1 if part else 2]:
        if len(alone):
            return f"only {name} has seed {', '.join(map(str, alone[:3]))}{' ...' if len(alone) > 3 else ''}"
    return None


def _seeds(sample: Sample) -> Ints:
    return np.zeros(0, np.int64) if sample.seeds is None else sample.seeds


def more_at_chance(learned_a: Bools, learned_b: Bools) -> Floats:
    """p-value of "A is at chance more often": McNemar's exact test (1947) on the seeds that differ.

    P(Bin(b + c, 1/2) >= b) for b seeds on which only B learned and c on which only A did; 1 where b is 0.
    """
    more = (~learned_a & learned_b).sum(axis=-1)
    fewer = (learned_a & ~learned_b).sum(axis=-1)
    p = scipy.special.bdtrc(np.maximum(more - 1, 0), np.maximum(more + fewer, 1), 0.5)
    return np.asarray(np.where(more > 0, p, 1.0))


def rates_upper(learned_a: Bools, learned_b: Bools, alpha: float = 0.05) -> Floats:
    """One-sided upper bound on how much more often A is at chance (Newcombe 1998, paired, method 10).

    With Wilson's one-sided bounds u of A's rate p and l of B's rate q, and the correlation phi of the pairs
    (its numerator, where positive, brought nearer to 0 by n / 2):
    p - q + sqrt((u - p)^2 - 2 phi (u - p) (q - l) + (q - l)^2).
    """
    n = learned_a.shape[-1]
    both = (~learned_a & ~learned_b).sum(axis=-1)
    k_a, k_b = (~learned_a).sum(axis=-1), (~learned_b).sum(axis=-1)
    neither, only_a, only_b = n - k_a - k_b + both, k_a - both, k_b - both
    product = (both * neither - only_a * only_b).astype(np.float64)
    numerator = np.where(product > 0, np.maximum(product - n / 2, 0.0), product)
    margins = (k_a * (n - k_a) * k_b * (n - k_b)).astype(np.float64)
    phi = numerator / np.sqrt(np.where(margins > 0, margins, 1.0))
    z = scipy.special.ndtri(1 - alpha)
    up, down = wilson_bound(k_a, n, z) - k_a / n, k_b / n - wilson_bound(k_b, n, -z)
    return np.asarray((k_a - k_b) / n + np.sqrt(np.maximum(up**2 - 2 * phi * up * down + down**2, 0.0)))


def spread_swaps(
    a: Floats,
    b: Floats,
    keep: Bools,
    alternative: Alternative = "two-sided",
    ratio: float = 1.0,
    swaps: int = SWAPS,
) -> SwapTest:
    """Is A's spread different from (or greater, less than) B's, by swaps within seeds?

    What is swapped are the absolute deviations of each side from its own median (Brown and Forsythe 1974), so
    that a difference of means does not disturb. Their pooled t statistic grows with their mean difference, as
    swaps change neither their sum nor their sum of squares: both give the same p.

    Args:
        a: shape (..., n).
        b: shape (..., n).
        keep: mask of the pairs to use.
        alternative: "greater" asks whether A spreads more.
        ratio: B's deviations are multiplied by it first, to test against a ratio of spreads other than 1.
        swaps: how many random swaps, beyond 10 pairs.
    """
    za, zb = absolute_deviations(a, keep), absolute_deviations(b, keep) * ratio
    return _swap_test(za, zb, a, b, keep, alternative, swaps)


def mean_swaps(
    a: Floats,
    b: Floats,
    keep: Bools,
    alternative: Alternative = "two-sided",
    shift: ArrayLike = 0.0,
    swaps: int = SWAPS,
) -> SwapTest:
    """Is A's mean different from (or greater, less than) B's mean minus `shift`, by swaps within seeds?"""
    moved = np.where(keep, a, 0.0) + np.asarray(shift)[..., None]
    return _swap_test(moved, np.where(keep, b, 0.0), a, b, keep, alternative, swaps)


def _swap_test(
    x: Floats, y: Floats, a: Floats, b: Floats, keep: Bools, alternative: Alternative, swaps: int
) -> SwapTest:
    """Swaps of x and y, which were made of the scores a and b; p = 1 where neither x nor y varies."""
    scale = np.max(np.where(keep, np.maximum(np.abs(a), np.abs(b)), 0.0), axis=-1, initial=0.0)
    n, differences = keep.sum(axis=-1), np.where(keep, x - y, 0.0)
    within = moments(x, keep).variance + moments(y, keep).variance
    valid = (n >= MIN_RUNS) & varies(within * np.maximum(n - 1, 1), scale)
    p = _swap_p(differences, keep, scale, alternative, swaps)
    mean = differences.sum(axis=-1) / np.maximum(n, 1)
    return SwapTest(np.where(valid, mean, 0.0), np.where(valid, p, 1.0), valid)


def _swap_p(differences: Floats, keep: Bools, scale: Floats, alternative: Alternative, swaps: int) -> Floats:
    # the kept pairs first, so that the others do not matter
    order = np.argsort(~keep, axis=-1, kind="stable")
    rows = np.take_along_axis(differences, order, -1).reshape(-1, keep.shape[-1])
    if alternative == "less":
        rows = -rows
    kept, slack = keep.sum(axis=-1).ravel(), 1e-12 * keep.shape[-1] * scale.ravel()  # sums that are ties
    p = np.empty(len(rows))
    for exact in (True, False):
        chosen = np.flatnonzero((kept <= _EXACT_PAIRS) == exact)
        if len(chosen) == 0:
            continue
        width = min(_EXACT_PAIRS, rows.shape[1]) if exact else rows.shape[1]
        signs = _all_signs(width) if exact else _random_signs(width, swaps)
        for block in np.array_split(chosen, 1 + len(chosen) * signs.shape[1] // _BLOCK):
            sums, seen = rows[block, :width] @ signs, rows[block].sum(axis=-1)
            if alternative == "two-sided":
                sums, seen = np.abs(sums), np.abs(seen)
            reached = (sums >= (seen - slack[block])[:, None]).sum(axis=-1)
            p[block] = reached / signs.shape[1] if exact else (reached + 1) / (signs.shape[1] + 1)
    return p.reshape(keep.shape[:-1])


def _all_signs(n: int) -> Floats:
    """All 2^n swaps of n pairs, shape (n, 2^n); the surplus of pairs that are not kept repeats each alike."""
    return np.asarray(1.0 - 2.0 * (np.arange(2**n) >> np.arange(n)[:, None] & 1), np.float64)


@lru_cache(maxsize=4)
def _random_signs(n: int, swaps: int) -> Floats:
    """The same random swaps whenever they are asked for, the first pairs' whatever n; shape (n, swaps)."""
    flips = np.random.default_rng(_SEED).integers(0, 2, (n, swaps), dtype=np.int8)
    return 1.0 - 2.0 * flips.astype(np.float64)
