"""How far the predictions of a group's runs agree: instability that the spread of scores does not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from stabbench import statistics
from stabbench.runs import Arrays, RunRecord


@dataclass(frozen=True)
class RunWithPredictions:
    """A record and what its model says of every dev row at the end of training, as far as it was kept.

    Attributes:
        record: the run.
        predictions: predicted class [n_dev].
        probabilities: of every class [n_dev, n_labels].
        labels: the true classes [n_dev].
    """

    record: RunRecord
    predictions: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None

    @classmethod
    def from_arrays(cls, record: RunRecord, arrays: Arrays) -> RunWithPredictions:
        """Return a run with what a store keeps of it; a diverged run has no predictions."""
        logits = arrays.get("logits")
        if logits is None or record.last.confusion is None:
            return cls(record)
        probabilities = np.asarray(scipy.special.softmax(logits.astype(np.float64), axis=1))
        return cls(record, logits.argmax(axis=1), probabilities, arrays.get("dev_labels"))


@dataclass(frozen=True)
class Agreement:
    """How far the predictions of several runs agree; ``None`` where the records lack what it takes.

    Attributes:
        runs: the runs with predictions.
        per_point_stability: variance over runs of "is this row right", mean over rows.
        churn_ratio: variance of the accuracy over what rows that flip on their own would give.
        pairwise_disagreement: share of rows on which two runs differ.
        fleiss_kappa: agreement beyond chance.
        jensen_shannon: divergence of two runs' probabilities, nats.
        right_in: number of rows that are right in 0, 1, ... all runs.
    """

    runs: int
    per_point_stability: float | None
    churn_ratio: float | None
    pairwise_disagreement: float
    fleiss_kappa: float | None
    jensen_shannon: float | None
    right_in: tuple[int, ...] | None


def agreement(runs: Sequence[RunWithPredictions]) -> tuple[Agreement | None, list[str]]:
    """Return how far runs of one group agree, and what it would take to say more."""
    known = [run for run in runs if run.predictions is not None]
    if len(known) < 2:
        return None, [f"agreement: {len(known)} of {len(runs)} runs have predictions, it takes two"]
    missing = []
    if len(known) < len(runs):
        missing.append(f"agreement: {len(runs) - len(known)} of {len(runs)} runs have no predictions")
    predictions = np.stack([run.predictions for run in known if run.predictions is not None])
    labels = known[0].labels
    right = None if labels is None else predictions == labels
    if right is None:
        missing.append(
            "rows right in how many runs: the labels of the dev rows, which archives of 0.1.0 do not keep"
        )
    # with two classes a prediction varies just as its being right does, so the labels are not needed
    varying = predictions if right is None and len(known[0].record.last.confusion or ()) == 2 else right
    if varying is None:
        missing.append("per-point stability: the labels of the dev rows, as there are more than two classes")
    probabilities = [run.probabilities for run in known if run.probabilities is not None]
    if len(probabilities) < len(known):
        missing.append("Jensen-Shannon divergence: the logits, which archives do not keep")
        probabilities = []
    accuracies = [float(np.trace(np.asarray(run.record.last.confusion))) / run.record.n_dev for run in known]
    found = Agreement(
        runs=len(known),
        per_point_stability=None if varying is None else statistics.per_point_stability(varying),
        churn_ratio=None if varying is None else statistics.churn_ratio(accuracies, varying),
        pairwise_disagreement=statistics.pairwise_disagreement(predictions),
        fleiss_kappa=statistics.fleiss_kappa(predictions),
        jensen_shannon=statistics.jensen_shannon(np.stack(probabilities)) if probabilities else None,
        right_in=None
        if right is None
        else tuple(int(rows) for rows in np.bincount(right.sum(axis=0), minlength=len(known) + 1)),
    )
    return found, missing
