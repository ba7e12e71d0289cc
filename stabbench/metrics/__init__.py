"""Scores of predictions, through scikit-learn, and what a constant classifier would reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def confusion(labels: ArrayLike, predictions: ArrayLike, n_labels: int) -> tuple[tuple[int, ...], ...]:
    """Return the counts [true label][predicted label]."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(labels, predictions, labels=range(n_labels))
    return tuple(tuple(int(count) for count in row) for row in counts)


def score(metric: str, labels: ArrayLike, predictions: ArrayLike, n_labels: int) -> float:
    """Return a metric of predictions.

    Args:
        metric: ``accuracy``; ``f1`` (of label 1 with two labels, else the mean over the labels);
            ``matthews`` (0 where it is 0/0, as for a constant prediction).
        labels: true label ids.
        predictions: predicted label ids.
        n_labels: how many labels the task has.

    Raises:
        ValueError: for another metric.
    """
    from sklearn import metrics

    truth, guess = np.asarray(labels), np.asarray(predictions)
    if metric == "accuracy":
        return float(metrics.accuracy_score(truth, guess))
    if metric == "f1":
        average = "binary" if n_labels == 2 else "macro"
        ids = None if n_labels == 2 else range(n_labels)
        return float(metrics.f1_score(truth, guess, labels=ids, average=average, zero_division=0.0))
    if metric == "matthews":
        if (guess == guess[0]).all() or (truth == truth[0]).all():
            return 0.0
        return float(metrics.matthews_corrcoef(truth, guess))
    raise ValueError(f"unknown metric {metric!r}")


def constant_value(metric: str, labels: ArrayLike, n_labels: int) -> float:
    """Return the best value of a metric that a classifier with one constant answer reaches."""
    truth: NDArray[np.int_] = np.asarray(labels)
    return max(score(metric, truth, np.full_like(truth, label), n_labels) for label in range(n_labels))


def label_entropy(labels: Sequence[int] | NDArray[np.int_]) -> float:
    """Return the entropy of the labels in nats: the loss of a model that learned only their shares."""
    _, counts = np.unique(np.asarray(labels), return_counts=True)
    shares = counts / counts.sum()
    return -math.fsum(float(share) * math.log(share) for share in shares)
