"""Rules on one record: did the run fail, did it collapse?"""

from __future__ import annotations

import numpy as np

from stabbench import metrics, statistics
from stabbench.runs import Checkpoint, RunRecord, Score

COLLAPSED_SHARE = 0.98
"""From this share of one predicted class on, a run counts as collapsed."""


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
    """Return whether a run learned nothing, whatever its score says; ``None`` when the record cannot tell.

    One class is predicted for nearly the whole dev set, or the training loss stayed at the entropy of the
    labels (the paper's trivial loss, -ln 1/2 for two equally frequent labels).
    """
    score = judged_score(record, checkpoint)
    known = False
    if record.status == "diverged":
        return True
    if score.confusion is not None:
        predicted = np.asarray(score.confusion).sum(axis=0)
        if predicted.max() >= COLLAPSED_SHARE * predicted.sum():
            return True
        known = True
    if record.train_loss is not None and record.label_entropy is not None:
        if statistics.stuck_at_entropy(record.train_loss, record.label_entropy):
            return True
        known = True
    return False if known else None
