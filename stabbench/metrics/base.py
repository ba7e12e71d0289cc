"""What a metric is: its name, its direction, and when a score is no better than a constant predictor's.

A run failed when it is not better than the constant predictor on the same metric and the same dev rows
(Mosbach et al. 2021, section 3, after Dodge et al. 2020). Counts are compared, not rounded decimals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stabbench.spec import Direction

Counts = tuple[tuple[int, ...], ...]
"""Rows of the dev set by [true label][predicted label]."""

Numbers = NDArray[np.float64]

SLACK = 1e-9
"""Scores this near to the constant predictor's, in the metric's unit, equal it: rounding of decimals."""


@dataclass(frozen=True)
class Metric:
    """What is scored. As it stands: something that a script or a file reports and nothing here computes.

    Attributes:
        name: what tasks, records and tables call it.
        better: which scores are better, the ``higher`` or the ``lower``.
        range: the least and the greatest possible score.
        aliases: other names by which people call it.
        chance: the constant predictor's score where it is the same on any data, else ``None``.
        share_of_rows: whether a score is a number of dev rows divided by all of them, so that a rounded
            one can be turned back into a count.
    """

    name: str
    better: Direction = "higher"
    range: tuple[float, float] = (-math.inf, math.inf)
    aliases: tuple[str, ...] = ()
    chance: float | None = None
    share_of_rows: bool = False

    @property
    def sign(self) -> int:
        """Factor that makes the higher score the better one: 1, or -1 where the lower one is better."""
        return 1 if self.better == "higher" else -1

    @property
    def scale(self) -> int:
        """Factor for readers: fractions (within -1 to 1) are shown in points, anything else as it is."""
        return 100 if self.range[0] >= -1 and self.range[1] <= 1 else 1

    def text(self, value: float, digits: int = 1) -> str:
        """Return a score, or a difference of scores, as readers see it.

        Args:
            value: in the metric's own unit.
            digits: decimals of points; a metric that is not shown in points gets two more, and numbers from a
                million on have three digits and an exponent.
        """
        shown = self.scale * value
        if abs(shown) >= 1e6:
            return f"{shown:.3g}"
        return f"{shown:.{digits if self.scale == 100 else digits + 2}f}"

    def is_better(self, score: float, than: float) -> bool:
        """Return whether one score is better than another."""
        return self.sign * score > self.sign * than

    def best(self, scores: Iterable[float]) -> float:
        """Return the best of some scores."""
        return max(scores, key=lambda score: self.sign * score)

    def fails_by_score(self, score: float, constant: float, n_dev: int, step: float = 0.0) -> bool:
        """Return whether a score is not better than the constant predictor's, where no counts are known.

        Args:
            score: the score.
            constant: the constant predictor's on the same dev rows.
            n_dev: number of these rows.
            step: step to which the score was rounded (1e-4 for 0.5271); half of it is slack, so that a
                rounded constant counts as failed. Where scores are shares of rows, counts decide instead.
        """
        if self.share_of_rows:
            return self.sign * round(score * n_dev) <= self.sign * round(constant * n_dev)
        return self.sign * score <= self.sign * constant + max(SLACK, step / 2)


@dataclass(frozen=True, kw_only=True)
class LabelMetric(Metric):
    """A metric of predicted labels: a function of the counts [true label][predicted label].

    Attributes:
        compute: the score of such counts; 0 where a formula is 0/0.
        exact: integers or fractions that are ordered as the scores of one dev set are, so that "not better
            than the best constant answer" is decided without rounding; ``None`` compares the scores.
    """

    compute: Callable[[Counts], float]
    exact: Callable[[Counts], Fraction] | None = None

    def value(self, counts: Counts) -> float:
        """Return the score of some predictions."""
        return self.compute(counts)

    def constant(self, rows: Sequence[int]) -> float:
        """Return the best score of a predictor with one constant answer.

        Args:
            rows: number of dev rows by true label.
        """
        return self.best(self.compute(counts) for counts in _constant_answers(rows))

    def fails(self, counts: Counts) -> bool:
        """Return whether some predictions are not better than the best constant answer."""
        rows = tuple(map(sum, counts))
        if self.exact is None:
            return self.fails_by_score(self.value(counts), self.constant(rows), sum(rows))
        return self.sign * self.exact(counts) <= _best_exact(self, rows)


@lru_cache(maxsize=1024)
def _best_exact(metric: LabelMetric, rows: tuple[int, ...]) -> Fraction:
    assert metric.exact is not None
    return max(metric.sign * metric.exact(counts) for counts in _constant_answers(rows))


def _constant_answers(rows: Sequence[int]) -> Iterable[Counts]:
    """Yield the counts of every predictor that gives each of these dev rows one and the same label."""
    labels = range(len(rows))
    return (tuple(tuple(n * (label == answer) for label in labels) for n in rows) for answer in labels)


@dataclass(frozen=True, kw_only=True)
class LossMetric(Metric):
    """A metric of predicted probabilities: a function of their mean negative log-likelihood.

    Attributes:
        compute: the score for a loss in nats.
    """

    compute: Callable[[float], float]

    def value(self, loss: float) -> float:
        """Return the score for a mean loss in nats; infinite where it overflows."""
        try:
            return self.compute(loss)
        except OverflowError:
            return math.inf

    def constant(self, rows: Sequence[int]) -> float:
        """Return the score of a predictor that gives every row the labels' shares as probabilities.

        Args:
            rows: number of dev rows by true label.
        """
        return self.compute(entropy(rows))


@dataclass(frozen=True, kw_only=True)
class NumberMetric(Metric):
    """A metric of predicted numbers: a function of true and predicted ones.

    Attributes:
        compute: the score of (true, predicted), arrays of shape [n_dev].
    """

    compute: Callable[[Numbers, Numbers], float]

    def value(self, truth: ArrayLike, guess: ArrayLike) -> float:
        """Return the score of some predictions, [n_dev] each."""
        return self.compute(np.asarray(truth, dtype=np.float64), np.asarray(guess, dtype=np.float64))

    def constant(self, truth: ArrayLike) -> float:
        """Return the score of a predictor that always answers with the mean of the true numbers."""
        numbers = np.asarray(truth, dtype=np.float64)
        return self.value(numbers, np.full_like(numbers, numbers.mean()))


ClassifierMetric = LabelMetric | LossMetric
"""What our own trainer of classifiers can score by."""


def entropy(rows: Sequence[int]) -> float:
    """Return the entropy in nats of the labels of some rows, given by their number for each label."""
    total = sum(rows)
    return -math.fsum(n / total * math.log(n / total) for n in rows if n)
