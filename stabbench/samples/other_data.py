"""What a group of runs would have given on other dev data: from kept predictions to the Multi-Bootstrap.

``docs/other-dev-data.md`` says what the numbers mean, and that no gate rests on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stabbench import metrics, statistics
from stabbench.metrics import LabelMetric
from stabbench.runs import RunRecord, Store
from stabbench.samples.collection import Collection, RunWithTraces
from stabbench.samples.traces import thin
from stabbench.statistics import Differences, OtherData, Resampled

DRAWS = 1000

SEED = 2022
"""Of the generator of all draws: whoever has the same runs gets the same intervals."""

Numbers = NDArray[np.int64]
Judged = tuple[NDArray[np.float64], NDArray[np.bool_]]


def other_data(runs: Sequence[RunWithTraces], draws: int = DRAWS) -> OtherData | None:
    """Return what to expect of a group of runs on other dev data; ``None`` where ``unknown`` says why."""
    if unknown(runs):
        return None
    resampled, (seeds,) = _resampled([runs], draws)
    return statistics.on_other_data(resampled, seeds)


def two_on_other_data(
    first: Sequence[RunWithTraces], second: Sequence[RunWithTraces], draws: int = DRAWS
) -> tuple[OtherData, OtherData, Differences] | None:
    """Return the same of two groups on the same rows, and of the second less the first.

    Both are scored on the same resampled rows; where both have the same seeds, a draw takes these together.
    ``None`` where ``unknown`` of either says why, or ``unknown_together``.
    """
    if unknown(first) or unknown(second) or unknown_together(first, second):
        return None
    every, (seeds, others) = _resampled([first, second], draws)
    one, two = every.part(slice(len(first))), every.part(slice(len(first), None))
    return (
        statistics.on_other_data(one, seeds),
        statistics.on_other_data(two, others),
        statistics.differences_on_other_data(one, two, seeds, None if others is seeds else others),
    )


def unknown(runs: Sequence[RunWithTraces]) -> str | None:
    """Return why nothing can be said of other dev data, or ``None``."""
    record = runs[0].record
    if not isinstance(metrics.named(record.metric, record.better), LabelMetric):
        return f"{record.metric} is no score of predicted labels"
    lacking = sum(run.record.status != "diverged" and not run.traces.predictions for run in runs)
    if lacking:
        return "no predictions" if lacking == len(runs) else f"{lacking} of {len(runs)} runs: no predictions"
    if not any(run.traces.labels for run in runs):
        return "no labels of the dev rows"
    if len({run.traces.labels for run in runs if run.traces.labels}) > 1:
        return "the runs have the dev rows in different orders"
    return None


def unknown_together(first: Sequence[RunWithTraces], second: Sequence[RunWithTraces]) -> str | None:
    """Return why two groups of which each is known cannot be resampled together, or ``None``."""
    same = np.array_equal(_labels(first), _labels(second))
    return None if same else "the two have the dev rows in different orders"


def runs_of(records: Sequence[RunRecord], found: Collection, store: Store | None) -> list[RunWithTraces]:
    """Return some runs of a collection with what is known of their predictions.

    Args:
        records: the runs.
        found: the collection that they are of.
        store: where their arrays are, if it is a store that was read without traces.
    """
    if store is not None:
        return [RunWithTraces(record, thin(store.arrays(record))) for record in records]
    by_key = {run.record.key: run for run in found.runs}
    return [by_key[record.key] for record in records]


def judge(metric: LabelMetric, counts: Numbers) -> Judged:
    """Return the scores of counts, and whether each is a failed run's, by the rule of ``is_failed``.

    Args:
        metric: the metric.
        counts: shape (..., true label, predicted label).
    """
    fast = _FAST.get(metric.name)
    if fast is not None and (metric.name != "f1" or counts.shape[-1] == 2):
        return fast(counts)
    tables = [tuple(map(tuple, table)) for table in counts.reshape(-1, *counts.shape[-2:]).tolist()]
    scores = np.array([metric.value(table) for table in tables], np.float64)
    failed = np.array([metric.fails(table) for table in tables], bool)
    return scores.reshape(counts.shape[:-2]), failed.reshape(counts.shape[:-2])


def _resampled(
    groups: Sequence[Sequence[RunWithTraces]], draws: int
) -> tuple[Resampled, list[NDArray[np.int64]]]:
    """Return the runs of all groups on the same resampled rows, and how often each draw takes each seed."""
    record = groups[0][0].record
    metric = metrics.named(record.metric, record.better)
    assert isinstance(metric, LabelMetric)
    labels = _labels(groups[0])
    n_labels = _n_labels(groups[0][0].record, labels)
    predictions = [_predictions(run, metric, labels, n_labels) for runs in groups for run in runs]
    for_rows, for_seeds = np.random.default_rng(SEED).spawn(2)
    rows = statistics.taken_in_blocks(len(labels), draws, for_rows)
    every = statistics.resample(predictions, labels, n_labels, lambda counts: judge(metric, counts), rows)
    found: dict[tuple[int, ...], NDArray[np.int64]] = {}
    for runs in groups:
        seeds = tuple(run.record.seed for run in runs)
        if seeds not in found:
            found[seeds] = statistics.taken(len(seeds), draws, for_seeds)
    return every, [found[tuple(run.record.seed for run in runs)] for runs in groups]


def _labels(runs: Sequence[RunWithTraces]) -> NDArray[np.int64]:
    return np.array(next(run.traces.labels for run in runs if run.traces.labels))


def _n_labels(record: RunRecord, labels: NDArray[np.int64]) -> int:
    return len(record.dev_counts) if record.dev_counts else int(labels.max()) + 1


def _predictions(
    run: RunWithTraces, metric: LabelMetric, labels: NDArray[np.int64], n_labels: int
) -> NDArray[np.int64]:
    """Return what a run answers; a diverged one has no usable model and gives the best constant answer."""
    if run.record.status != "diverged":
        return np.array(run.traces.predictions)
    constant = [np.full(len(labels), label) for label in range(n_labels)]
    scores = [metric.value(metrics.confusion(labels, answers, n_labels)) for answers in constant]
    return constant[scores.index(metric.best(scores))]


# The same as the metric's own value and fails, on arrays: a thousand draws of 25 runs are 25,000 tables.


def _accuracy(counts: Numbers) -> Judged:
    right = np.trace(counts, axis1=-2, axis2=-1)
    by_label = counts.sum(axis=-1)
    return right / by_label.sum(axis=-1), right <= by_label.max(axis=-1)


def _f1(counts: Numbers) -> Judged:
    positive, rows = counts[..., 1, :].sum(axis=-1), counts.sum(axis=(-2, -1))
    right, named = counts[..., 1, 1], counts[..., 1, :].sum(axis=-1) + counts[..., :, 1].sum(axis=-1)
    # against the answer 1 for all rows, whose F1 is 2 P / (P + n)
    failed = right * (positive + rows) <= positive * named
    return 2 * right / np.maximum(named, 1), failed


def _matthews(counts: Numbers) -> Judged:
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    rows, right = true.sum(axis=-1), np.trace(counts, axis1=-2, axis2=-1)
    covariance = right * rows - (true * predicted).sum(axis=-1)
    spread_true, spread_predicted = (rows**2 - (side**2).sum(axis=-1) for side in (true, predicted))
    scale = np.sqrt(spread_true.astype(np.float64)) * np.sqrt(spread_predicted.astype(np.float64))
    return np.where(scale > 0, covariance / np.where(scale > 0, scale, 1), 0.0), covariance <= 0


_FAST = {"accuracy": _accuracy, "f1": _f1, "matthews": _matthews}
