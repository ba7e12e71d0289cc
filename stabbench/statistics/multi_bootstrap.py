"""Multi-Bootstrap (Sellam et al. 2022, section 3): what other seeds and other dev rows would have given.

A draw takes as many seeds as there are, with replacement, and as many dev rows, with replacement, and scores
the drawn runs on the drawn rows. The percentiles of a statistic over the draws are its interval. Draws are
numbers of how often each seed and each row was taken, so that a score is one of weighted counts.

The score need not be a mean over rows: any function of the counts [true label][predicted label] will do.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.failures import clopper_pearson
from stabbench.statistics.masked import Bools, Floats, Ints
from stabbench.statistics.two_rates import newcombe_upper

LEVEL = 0.95
LARGEST_BLOCK = 2_000_000
"""Numbers of rows taken that are in memory at once."""

Judge = Callable[[Ints], tuple[Floats, Bools]]
"""From counts, shape (..., true label, predicted label), to scores and "is it a failed run", shape (...)."""


class Bounded(NamedTuple):
    """A statistic as it was seen, and the ends of its interval; NaN where it has none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resampled:
    """Runs as they were scored, and on resampled dev rows.

    Attributes:
        seen: shape (runs,), scores on the dev rows as they are.
        seen_failed: shape (runs,), whether a run failed there.
        scores: shape (draws, runs), scores on the rows of each draw.
        failed: shape (draws, runs), whether a run failed there: not better than the best constant answer on
            the very rows that were drawn.
    """

    seen: Floats
    seen_failed: Bools
    scores: Floats
    failed: Bools

    def part(self, runs: slice) -> "Resampled":
        """Some of the runs on the same rows."""
        return Resampled(self.seen[runs], self.seen_failed[runs], self.scores[:, runs], self.failed[:, runs])


@dataclass(frozen=True)
class OtherData:
    """What to expect on other dev data of this size and kind, and with other seeds, at 95 %.

    Attributes:
        mean: mean score of the runs; with one run the interval is of the rows alone.
        std: standard deviation (ddof = 1) of their scores; NaN with one run.
        failure_rate: share of failed runs; never narrower than the exact interval (Clopper and Pearson; of a
            difference Newcombe's) of the runs as they are, since no draw has a failure that no seed has.
        seeds_share: part of the variance of one run's score that is its seed's; None where nothing varies or
            with one run.
        rows_share: the part of the dev rows; the rest is of a seed on rows, which no average takes away.
    """

    mean: Bounded
    std: Bounded
    failure_rate: Bounded
    seeds_share: float | None
    rows_share: float | None


@dataclass(frozen=True)
class Differences:
    """Second side less first side: what to expect of the differences, as in `OtherData`."""

    mean: Bounded
    std: Bounded
    failure_rate: Bounded


def taken(n: int, draws: int, generator: np.random.Generator) -> Ints:
    """How often each of n is taken when n are drawn with replacement, shape (draws, n)."""
    numbers = generator.integers(n, size=(draws, n)) + n * np.arange(draws)[:, None]
    return np.bincount(numbers.ravel(), minlength=draws * n).reshape(draws, n)


def taken_in_blocks(n: int, draws: int, generator: np.random.Generator) -> Iterator[Ints]:
    """The same in blocks of draws that fit into memory, however many rows there are."""
    step = max(1, LARGEST_BLOCK // n)
    for first in range(0, draws, step):
        yield taken(n, min(step, draws - first), generator)


def resample(
    predictions: ArrayLike, labels: ArrayLike, n_labels: int, judge: Judge, rows: Iterable[Ints]
) -> Resampled:
    """Score runs on resampled rows.

    Two groups whose predictions are given together are scored on the same draws: `Resampled.part` splits.

    Args:
        predictions: shape (runs, rows), numbers of classes from 0 on.
        labels: shape (rows,), likewise.
        n_labels: number of classes.
        judge: from counts to scores and failed flags; a draw may lack rows of a class.
        rows: blocks of shape (draws, rows): how often each draw takes each row.

    Raises:
        StabbenchError: the shapes do not fit, there is no run or no row, or a class is not below `n_labels`.
    """
    answers, truth = np.asarray(predictions, np.int64), np.asarray(labels, np.int64)
    if answers.ndim != 2 or truth.shape != answers.shape[1:] or not answers.size:
        raise StabbenchError(
            f"predictions of shape {answers.shape} and labels of shape {truth.shape}",
            "give (runs, rows) and (rows,), with at least one of each",
        )
    low, high = min(answers.min(), truth.min()), max(answers.max(), truth.max())
    if not 0 <= low <= high < n_labels:
        raise StabbenchError(f"classes from {low} to {high}", f"number the {n_labels} classes from 0 on")
    seen, seen_failed = judge(_counts(answers, truth, n_labels, np.ones((1, len(truth)))))
    parts = [judge(_counts(answers, truth, n_labels, block)) for block in rows]
    scores, failed = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Resampled(seen[0], seen_failed[0], scores, failed)


def _counts(answers: Ints, truth: Ints, n_labels: int, weights: Ints | Floats) -> Ints:
    """Weighted counts, shape (draws, runs, true label, predicted label): a matrix product for each cell."""
    by_row = np.asarray(weights, np.float64)
    counts = np.empty((len(by_row), len(answers), n_labels, n_labels), np.int64)
    for true in range(n_labels):
        of_label = truth == true
        chosen, theirs = by_row[:, of_label], answers[:, of_label]
        for predicted in range(n_labels):
            # sums of whole numbers below 2^53 are exact
            counts[:, :, true, predicted] = chosen @ (theirs == predicted).T.astype(np.float64)
    return counts


def on_other_data(runs: Resampled, seeds: Ints) -> OtherData:
    """Return what to expect of a group of runs.

    Args:
        runs: their scores on resampled rows.
        seeds: shape (draws, runs), how often each draw takes each run.
    """
    n, k = len(runs.seen), int(runs.seen_failed.sum())
    mean = _bounded(runs.seen.mean(), _means([_Part(runs.seen, runs.scores, seeds)]))
    std = _bounded(_std(runs.seen), _stds(runs, seeds))
    rate = _bounded(k / n, _means([_failures(runs, seeds)]))
    exact = (float(end) for end in clopper_pearson(k, n, (1 - LEVEL) / 2))
    return OtherData(mean, std, _wider(rate, *exact), *(variance_shares(runs) or (None, None)))


def differences_on_other_data(
    first: Resampled, second: Resampled, seeds: Ints, others: Ints | None = None
) -> Differences:
    """Return what to expect of the differences, second less first, of two groups on the same rows.

    Args:
        first: runs of one side.
        second: runs of the other, on the same draws of rows.
        seeds: shape (draws, runs of the first), how often each draw takes each run.
        others: the same of the second side; None where both have the same seeds in the same order, which are
            taken together then.
    """
    theirs = seeds if others is None else others
    scored = _Part(first.seen, first.scores, seeds), _Part(second.seen, second.scores, theirs)
    failed = _failures(first, seeds), _failures(second, theirs)
    means, rates = (
        _means([two.less(one)] if others is None else [two, one.negated()]) for one, two in (scored, failed)
    )
    n1, n2 = len(first.seen), len(second.seen)
    k1, k2 = int(first.seen_failed.sum()), int(second.seen_failed.sum())
    outside = (1 - LEVEL) / 2
    exact = -newcombe_upper(k1, n1, k2, n2, outside), newcombe_upper(k2, n2, k1, n1, outside)
    return Differences(
        _bounded(second.seen.mean() - first.seen.mean(), means),
        _bounded(_std(second.seen) - _std(first.seen), _stds(second, theirs) - _stds(first, seeds)),
        _wider(_bounded(k2 / n2 - k1 / n1, rates), *map(float, exact)),
    )


def variance_shares(runs: Resampled) -> tuple[float, float] | None:
    """Shares of the seeds and of the dev rows in the variance of one run's score, or None if none varies.

    The score of a new seed on new rows is mean + seed + rows + both, and the table of draws and runs tells
    how much each varies. S^2, the variance over the runs of their scores on the rows as they are, is
    var(seed) + var(both); the variance over the draws of the mean over n runs is var(rows) + var(both) / n;
    the mean square of what is left of the table when both margins are taken off is var(both). A negative
    difference is 0. For an accuracy these are the components of the two-way random-effects analysis of the
    table of right answers (Searle, Casella and McCulloch 1992), which the draws simulate.
    """
    n = len(runs.seen)
    if n < 2 or len(runs.scores) < 2:
        return None
    both = _both(runs.scores)
    seed = max(0.0, float(np.var(runs.seen, ddof=1)) - both)
    rows = max(0.0, float(np.var(runs.scores.mean(axis=1), ddof=1)) - both / n)
    total = seed + rows + both
    # rounding leaves about 1e-33 where nothing varies
    return (seed / total, rows / total) if total > 1e-24 else None


class _Part(NamedTuple):
    """Runs whose seeds are drawn together: values as seen, (runs,), by draw, and how often each was taken."""

    seen: Floats
    by_draw: Floats
    seeds: Ints

    def less(self, other: "_Part") -> "_Part":
        return _Part(self.seen - other.seen, self.by_draw - other.by_draw, self.seeds)

    def negated(self) -> "_Part":
        return _Part(-self.seen, -self.by_draw, self.seeds)


def _failures(runs: Resampled, seeds: Ints) -> _Part:
    return _Part(runs.seen_failed.astype(np.float64), runs.failed.astype(np.float64), seeds)


def _means(parts: list[_Part]) -> Floats:
    """Sum over the parts of the mean of each, by draw, with the right variance.

    As they are, the draws vary too much by 2 var(both) / n: a seed's luck with the rows is in the scores
    already, and comes in once more with each of the two resamplings (Owen 2007, "The pigeonhole bootstrap").
    In a difference on the same rows that luck is most of what is left. So the deviations of the draws are
    scaled to the variance that the components give, var(rows) + (var(seed) + var(both)) / n, and by Student's
    quantile over the normal one, since few seeds tell their variance badly (degrees of freedom by Welch and
    Satterthwaite; those of the rows are many).
    """
    draws: Floats = np.sum(
        [(part.seeds * part.by_draw).sum(axis=1) / len(part.seen) for part in parts], axis=0
    )
    if min(len(draws), *(len(part.seen) for part in parts)) < 2:
        return draws
    margin = np.sum([part.by_draw.mean(axis=1) for part in parts], axis=0)
    luck = [_both(part.by_draw) / len(part.seen) for part in parts]
    rows = max(0.0, float(np.var(margin, ddof=1)) - sum(luck))
    own = [float(np.var(part.seen, ddof=1)) / len(part.seen) for part in parts]
    seeds = [max(pair) for pair in zip(own, luck, strict=True)]
    wanted = rows + sum(seeds)
    unsure = sum(part**2 / (len(p.seen) - 1) for part, p in zip(seeds, parts, strict=True))
    freedom = wanted**2 / unsure if unsure > 0 else 1e6
    student = scipy.special.stdtrit(freedom, 0.5 + LEVEL / 2) / scipy.special.ndtri(0.5 + LEVEL / 2)
    centre, variance = draws.mean(), float(np.var(draws, ddof=1))
    least, most = (sum(edge(part.by_draw) for part in parts) for edge in (np.min, np.max))
    scale = student * np.sqrt(wanted / variance) if variance > 0 else 1.0
    scaled: Floats = np.clip(centre + scale * (draws - centre), least, most)
    return scaled


def _stds(runs: Resampled, seeds: Ints) -> Floats:
    """Standard deviation by draw (ddof = 1), with the right mean square; NaN with one run.

    The variance within a draw is not that of new runs. Seeds that are taken twice make it smaller, by
    (n - 1) / n; rows that are resampled make it larger, by var(both), as in `_means`. So the variances are
    scaled to have the mean that was seen, which is unbiased; where that is 0 they stay as they are.
    """
    n = len(runs.seen)
    if n < 2:
        return np.full(len(runs.scores), np.nan)
    mean = (seeds * runs.scores).sum(axis=1, keepdims=True) / n
    variance = (seeds * (runs.scores - mean) ** 2).sum(axis=1) / (n - 1)
    seen, drawn = float(np.var(runs.seen, ddof=1)), float(variance.mean())
    return np.asarray(np.sqrt(variance * (seen / drawn if seen > 0 and drawn > 0 else 1.0)))


def _both(table: Floats) -> float:
    """Mean square of what is left of a table of draws and runs when both margins are taken off."""
    left = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float((left**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1)))


def _std(seen: Floats) -> float:
    return float(np.std(seen, ddof=1)) if len(seen) > 1 else float("nan")


def _bounded(seen: float, drawn: Floats) -> Bounded:
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [outside, 1 - outside])
    return Bounded(float(seen), float(low), float(high))


def _wider(rate: Bounded, low: float, high: float) -> Bounded:
    """An interval that no resampling can make too short: no draw has a failure that no seed has."""
    return Bounded(rate.value, min(rate.low, low), max(rate.high, high))
