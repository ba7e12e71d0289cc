"""Metrics of predicted labels, in plain numpy; float for float what scikit-learn gives."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from stabbench.metrics.base import Counts, LabelMetric


def confusion(labels: ArrayLike, predictions: ArrayLike, n_labels: int) -> Counts:
    """Return the counts [true label][predicted label] of some label ids, [n_dev] each."""
    pairs = np.asarray(labels, dtype=np.int64) * n_labels + np.asarray(predictions, dtype=np.int64)
    counts = np.bincount(pairs, minlength=n_labels**2).reshape(n_labels, n_labels)
    return tuple(tuple(row) for row in counts.tolist())


def _right(counts: Counts) -> int:
    return sum(row[label] for label, row in enumerate(counts))


def _rows(counts: Counts) -> int:
    return sum(map(sum, counts))


def _recalls(counts: Counts) -> list[Fraction]:
    """Return the share of right predictions among the rows of each label that has any."""
    return [Fraction(row[label], sum(row)) for label, row in enumerate(counts) if sum(row)]


def _f1s(counts: Counts) -> list[Fraction]:
    """Return 2 TP / (2 TP + FP + FN) of each label, 0 where it is 0/0."""
    found = []
    for label, row in enumerate(counts):
        named = sum(row) + sum(other[label] for other in counts)
        found.append(Fraction(2 * row[label], named) if named else Fraction(0))
    return found


def _mean(shares: list[Fraction]) -> float:
    """Return the mean of the shares as floats, which is what scikit-learn sums."""
    return float(np.mean([float(share) for share in shares]))


def _f1(counts: Counts) -> float:
    return float(_f1s(counts)[1]) if len(counts) == 2 else _mean(_f1s(counts))


def _margins(counts: Counts) -> tuple[list[int], list[int]]:
    """Return the rows by true and by predicted label."""
    return list(map(sum, counts)), list(map(sum, zip(*counts, strict=True)))


def _covariance(counts: Counts) -> int:
    """Return n^2 times the covariance of true and predicted labels (Gorodkin, 2004); 0 for one answer."""
    true, predicted = _margins(counts)
    return _right(counts) * sum(true) - _product(true, predicted)


def _product(one: list[int], other: list[int]) -> int:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _matthews(counts: Counts) -> float:
    true, predicted = _margins(counts)
    squared = sum(true) ** 2
    variances = (squared - _product(true, true)) * (squared - _product(predicted, predicted))
    return _covariance(counts) / math.sqrt(variances) if variances else 0.0


ACCURACY = LabelMetric(
    "accuracy",
    range=(0, 1),
    aliases=("acc",),
    share_of_rows=True,
    compute=lambda counts: _right(counts) / _rows(counts),
    exact=lambda counts: Fraction(_right(counts)),
)
"""Share of rows that are right."""

BALANCED_ACCURACY = LabelMetric(
    "balanced-accuracy",
    range=(0, 1),
    compute=lambda counts: _mean(_recalls(counts)),
    exact=lambda counts: sum(_recalls(counts), Fraction(0)),
)
"""Mean over the labels of the share of their rows that are right."""

F1 = LabelMetric(
    "f1",
    range=(0, 1),
    compute=_f1,
    exact=lambda counts: _f1s(counts)[1] if len(counts) == 2 else sum(_f1s(counts), Fraction(0)),
)
"""F1 of label 1 where there are two labels, else the mean over the labels."""

F1_MACRO = LabelMetric(
    "f1-macro",
    range=(0, 1),
    aliases=("macro-f1",),
    compute=lambda counts: _mean(_f1s(counts)),
    exact=lambda counts: sum(_f1s(counts), Fraction(0)),
)
"""Mean of the F1 of every label."""

F1_MICRO = LabelMetric(
    "f1-micro",
    range=(0, 1),
    aliases=("micro-f1",),
    compute=ACCURACY.compute,
    exact=ACCURACY.exact,
)
"""F1 over the pooled counts of all labels; with one label a row it is the accuracy."""

MATTHEWS = LabelMetric(
    "matthews",
    range=(-1, 1),
    aliases=("mcc", "matthews-correlation", "matthews-corrcoef"),
    chance=0.0,
    compute=_matthews,
    exact=lambda counts: Fraction(_covariance(counts)),
)
"""Matthews correlation, 0 where it is 0/0, as for a constant answer."""
