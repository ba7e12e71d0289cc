"""Rules on one record: did the run fail, did it collapse, did it learn anything?"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from stabbench import metrics, statistics
from stabbench.runs import Checkpoint, RunRecord, Score

COLLAPSED_SHARE = 0.98
"""From this share of one predicted class on, a run counts as collapsed."""

LEARNED_ALPHA: Final = 0.05
"""Level at which one run is told from the constant predictor: of runs that guess, one in twenty is."""

CORRELATIONS: Final = ("matthews", "pearson", "spearman")
"""Metrics that are correlations of the true and the predicted: a constant predictor's is 0."""


def judged_score(record: RunRecord, checkpoint: Checkpoint = "last") -> Score:
    """Return the score that is judged: the last or the best checkpoint's; a diverged run's is the constant's.

    A diverged run ended without a usable model, so its best checkpoint does not count either.
    """
    score = record.last if checkpoint == "last" else record.best
    return Score(value=record.constant, step=score.step) if record.status == "diverged" else score


def is_failed(record: RunRecord, checkpoint: Checkpoint = "last") -> bool:
    """Return whether a run failed: not better than the best constant predictor on the same dev rows.

    Counts are compared as integers where they are known; an accuracy without them is turned back into a
    count; any other score is compared with half of the step to which it was rounded as slack. A run whose
    loss became NaN or infinite failed (Mosbach et al., 2021, section 3, after Dodge et al., 2020).
    """
    if record.status == "diverged":
        return True
    score = judged_score(record, checkpoint)
    metric = metrics.named(record.metric, record.better)
    if score.confusion is not None and isinstance(metric, metrics.LabelMetric):
        return metric.fails(score.confusion)
    return metric.fails_by_score(score.value, record.constant, record.n_dev, record.rounded_to)


def is_collapsed(record: RunRecord, checkpoint: Checkpoint = "last") -> bool | None:
    """Return whether a run tells the dev rows apart at all; ``None`` when the record cannot tell.

    Collapsed is one class for nearly the whole dev set, though others are not as rare. Where no predictions
    are known the training loss tells instead: it stayed at the entropy of the labels (the paper's trivial
    loss, -ln 1/2 for two equally frequent labels). A loss with penalties, or under heavy dropout, may stay
    there though the model is right on nearly every row, so it does not count where predictions are known.
    """
    score = judged_score(record, checkpoint)
    if record.status == "diverged":
        return True
    if score.confusion is not None:
        counts = np.asarray(score.confusion)
        predicted, rows = counts.sum(axis=0), counts.sum()
        favourite = int(predicted.argmax())
        others, named = rows - counts[favourite].sum(), rows - predicted[favourite]
        return bool(predicted[favourite] >= COLLAPSED_SHARE * rows and 2 * named <= others)
    if record.train_loss is not None and record.label_entropy is not None:
        return bool(statistics.stuck_at_entropy(record.train_loss, record.label_entropy))
    return None


def has_learned(record: RunRecord, checkpoint: Checkpoint = "last") -> bool | None:
    """Return whether a run learned something; ``None`` when the record cannot tell.

    It learned when it did not fail, did not collapse, and is significantly better than the constant predictor
    on the same dev rows: an exact one-sided test at ``LEARNED_ALPHA``. *Failed* compares in this very sample,
    so a run that is right on one row more has not failed, but shows nothing.

    - share of right rows: McNemar's test against the most frequent label, from the counts; where only the
      score is known, the binomial test of the number of right rows against the constant's share;
    - other scores of labels: Fisher's test of predictions against labels, from the counts;
    - correlations: Fisher's z;
    - anything else: the record's ``floor``, the least score that shows it, or ``None`` without one.

    Where a floor was declared the score must reach it, besides what a test may show.
    """
    if is_failed(record, checkpoint) or is_collapsed(record, checkpoint):
        return False
    score = judged_score(record, checkpoint)
    metric = metrics.named(record.metric, record.better)
    if record.floor is not None and metric.is_better(record.floor, score.value):
        return False
    p = _p_value(metric, score, record)
    if p is None:
        return None if record.floor is None else True
    return p <= LEARNED_ALPHA


def _p_value(metric: metrics.Metric, score: Score, record: RunRecord) -> float | None:
    if score.confusion is not None:
        exact = statistics.beats_majority if metric.share_of_rows else statistics.fisher
        return exact(score.confusion)
    if metric.share_of_rows:
        return statistics.beats_share(_right(score.value, record), record.n_dev, record.constant)
    if metric.name in CORRELATIONS:
        return statistics.correlation_above_zero(score.value, record.n_dev, metric.name == "spearman")
    return None


def _right(share: float, record: RunRecord) -> int:
    """Return the least number of right rows that a share stands for, which may have been rounded."""
    if record.rounded_to == 0:
        return round(share * record.n_dev)
    return math.ceil((share - record.rounded_to / 2) * record.n_dev - 1e-6)
