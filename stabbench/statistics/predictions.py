"""Instability that the standard deviation of a score does not show: predictions that change with the seed."""

from itertools import combinations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Bools


def per_point_stability(correct: ArrayLike, ddof: int = 0) -> float:
    """Mean over points of the variance over runs of "is this point right" (Mosbach et al. 2021, section 7.1).

    Args:
        correct: shape (runs, points), zeros and ones.
        ddof: 0 as in the definition; with 1 and two classes, twice the value is the pairwise disagreement.

    Raises:
        StabbenchError: fewer than two runs, or no points.
    """
    return float(np.var(_matrix(correct), axis=0, ddof=ddof).mean())


def churn_ratio(accuracies: ArrayLike, correct: ArrayLike) -> float | None:
    """Variance of the accuracy over S_per-point / points, or None when no point flips.

    About 1 when points flip independently of each other, far above 1 when whole runs fail.

    Args:
        accuracies: shape (runs,), fractions.
        correct: shape (runs, points), zeros and ones.
    """
    matrix = _matrix(correct)
    churn = per_point_stability(matrix, ddof=1) / matrix.shape[1]
    return float(np.var(np.asarray(accuracies, dtype=np.float64), ddof=1)) / churn if churn > 0 else None


def pairwise_disagreement(predictions: ArrayLike) -> float:
    """Share of points on which two runs differ, averaged over all pairs of runs.

    Args:
        predictions: shape (runs, points), class numbers.

    Raises:
        StabbenchError: as `per_point_stability`.
    """
    counts = _counts(_matrix(predictions))
    runs = counts.sum(axis=1)[0]
    agreeing = (counts * (counts - 1)).sum(axis=1) / (runs * (runs - 1))
    return float(1 - agreeing.mean())


def fleiss_kappa(predictions: ArrayLike) -> float | None:
    """Agreement beyond chance, (P - Pe) / (1 - Pe) (Fleiss 1971); None if there is one class only.

    Args:
        predictions: shape (runs, points), class numbers.

    Raises:
        StabbenchError: as `per_point_stability`.
    """
    counts = _counts(_matrix(predictions))
    shares = counts.sum(axis=0) / counts.sum()
    chance = float((shares**2).sum())
    return (1 - pairwise_disagreement(predictions) - chance) / (1 - chance) if len(shares) > 1 else None


def jensen_shannon(probabilities: ArrayLike) -> float:
    """Jensen-Shannon divergence (nats) of two runs' class probabilities, mean over points and pairs.

    Args:
        probabilities: shape (runs, points, classes), rows adding up to 1.

    Raises:
        StabbenchError: as `per_point_stability`, or a probability is negative or not finite.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 3 or p.shape[0] < 2 or p.shape[1] == 0:
        raise StabbenchError(
            f"probabilities of shape {p.shape}", "give (runs, points, classes) with two runs or more"
        )
    if not (np.isfinite(p).all() and (p >= 0).all() and (p.sum(axis=-1) > 0).all()):
        raise StabbenchError("a probability is negative or not finite", "give softmax outputs, not logits")
    pairs = [
        scipy.spatial.distance.jensenshannon(p[i], p[j], axis=-1) for i, j in combinations(range(len(p)), 2)
    ]
    # SciPy gives the square root; rounding can make the divergence of equal rows NaN
    return float(np.mean(np.nan_to_num(pairs) ** 2))


def stuck_at_entropy(final_loss: ArrayLike, entropy: float, tolerance: float = 0.05) -> Bools:
    """Training losses no lower than the entropy of the labels less a tolerance: nothing but shares learned.

    Args:
        final_loss: any shape, mean training loss at the end, nats; NaN counts as stuck.
        entropy: of the training labels, nats: the loss of a classifier that ignores its input.
        tolerance: part of the entropy that a stuck loss may lie below it.
    """
    return np.asarray(~(np.asarray(final_loss, dtype=np.float64) < (1 - tolerance) * entropy))


def _matrix(values: ArrayLike) -> NDArray[np.int64]:
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] == 0:
        raise StabbenchError(f"an array of shape {matrix.shape}", "give (runs, points) with two runs or more")
    return matrix.astype(np.int64)


def _counts(predictions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Runs that predict each class, shape (points, classes)."""
    return np.stack([(predictions == label).sum(axis=0) for label in np.unique(predictions)], axis=1)
