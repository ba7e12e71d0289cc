"""Whether a record agrees with itself: its scores with its counts, its names with its specification.

A checksum shows that a record is as it was written; this shows that what was written can be true.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from stabbench import metrics
from stabbench.metrics import Counts, LabelMetric, LossMetric, Metric
from stabbench.recipe import evaluation_points
from stabbench.runs.record import RunRecord, Score
from stabbench.spec import FORMAT_VERSION, FineTuning
from stabbench.stored import digest

TOLERANCE = 1e-9
"""Largest difference of a stored score and the one that its counts give, relative where it is above 1."""

REMEMBERED = 2**16
"""Of so many counts it is remembered what they give: those of small dev sets come again and again."""


def check_record(record: RunRecord, key: str | None = None) -> None:
    """Raise ``ValueError``, naming what is wrong, unless a record agrees with itself.

    Names, metric, dev rows, seed and key must be the specification's, or those of an import; the counts must
    be possible; scores and the constant classifier's must be what the counts give; the best score must be
    the best. Where the metric is no function of counts, and for imported scores, only the range is known.

    Args:
        record: the record.
        key: the key of its specification, where it is known already.
    """
    metric = metrics.named(record.metric, record.better)
    if record.spec is not None and (key or record.spec.key) != record.key:
        raise ValueError("its specification is written in another way than its key says")
    for part in (_names, _counts, _course, _provenance):
        for wrong in part(record, metric):
            raise ValueError(wrong)


def _names(record: RunRecord, metric: Metric) -> Iterator[str]:
    spec = record.spec
    if spec is not None:
        if spec.format != FORMAT_VERSION:
            yield f"a specification of format {spec.format}, not {FORMAT_VERSION}"
        expected = {**dict(spec.work.names), "seed": spec.seed, "replicate": spec.replicate}
        for name, value in expected.items():
            if (own := getattr(record, name)) != value:
                yield f"{name} is {own!r}, where the specification says {value!r}"
    if record.better != metric.better:
        yield f"of its {record.metric} the {record.better} score is better, of ours the {metric.better}"
    if spec is None:
        yield from _imported(record)


def _imported(record: RunRecord) -> Iterator[str]:
    """Yield what an imported run cannot have: all that it says is in its group and its key."""
    if record.group not in imported_groups(record):
        yield "the group is not that of the imported names"
    if record.key != imported_key(record):
        yield "the key is not that of the imported score"
    more = (record.evaluations, record.layers, record.replicate, record.last.step)
    unknown = (record.dev_counts, record.train_loss, record.label_entropy, record.arrays)
    if record.best != record.last or any(more) or any(value is not None for value in unknown):
        yield "an imported run has one score and nothing else"


def imported(record: RunRecord) -> RunRecord:
    """Return the record of an imported run with its group and its key."""
    record = record.model_copy(update={"group": imported_groups(record)[0]})
    return record.model_copy(update={"key": imported_key(record)})


def imported_groups(record: RunRecord) -> tuple[str, ...]:
    """Return the digests that the group of an imported run may have: 0.1.0 knew no direction."""
    names = ["imported", record.task, record.model, record.strategy, record.metric]
    floor = [] if record.floor is None else [["floor", record.floor]]
    numbers = [record.n_dev, record.constant, *floor]
    lower = [["lower"], []] if record.better == "lower" else [[]]
    return tuple(digest([*names, *direction, *numbers]) for direction in lower)


def imported_key(record: RunRecord) -> str:
    """Return the digest of what was imported of a run."""
    return digest([record.group, record.seed, record.last.value, record.status])


def _counts(record: RunRecord, metric: Metric) -> Iterator[str]:
    counts, labels = record.dev_counts, record.fine_tuning.task.n_labels if record.fine_tuning else None
    for kind, score in _scores(record):
        if not _within(metric, score.value):
            yield f"{kind}: no {record.metric} is {score.value}"
        if (matrix := score.confusion) is None:
            continue
        wrong, value = _of_counts(metric, matrix, labels or len(matrix), record.dev_counts)
        if wrong is not None:
            yield f"{kind}: {wrong}"
        counts = counts or tuple(map(sum, matrix))
        if value is not None and not _equal(value, score.value):
            yield f"{kind}: {record.metric} is {score.value}, where its counts give {value}"
    if not _within(metric, record.constant):
        yield f"constant: no {record.metric} is {record.constant}"
    if record.floor is not None and not (
        _within(metric, record.floor) and metric.is_better(record.floor, record.constant)
    ):
        yield f"floor: {record.floor} is not better than the constant predictor's {record.constant}"
    if record.floor is not None and record.fine_tuning is not None:
        yield "floor: of our own trainer's runs the counts tell what they learned"
    if counts is not None:
        if (
            min(counts, default=-1) < 0
            or sum(counts) != record.n_dev
            or len(counts) != (labels or len(counts))
        ):
            yield f"the labels' counts {list(counts)} are not those of {record.n_dev} rows"
        constant = _constant(metric, counts)
        if constant is not None and not _equal(constant, record.constant):
            yield f"constant is {record.constant}, where the labels' counts give {constant}"
    if isinstance(metric, LossMetric):
        for number, evaluation in enumerate(record.evaluations, start=1):
            loss = evaluation.dev_loss
            if loss is None or not _equal(metric.value(loss), evaluation.value):
                yield f"evaluation {number}: {record.metric} is {evaluation.value}, of a dev loss of {loss}"


def _course(record: RunRecord, metric: Metric) -> Iterator[str]:
    """Yield what is wrong with the order of events, from the first evaluation to the end."""
    steps = [evaluation.step for evaluation in record.evaluations]
    if any(after <= before for before, after in pairwise(steps)):
        yield "its evaluations are not one after the other"
    if max((record.best.step, *steps)) > record.last.step:
        yield f"an evaluation after the last update, {record.last.step}"
    scores = record.evaluations
    diverged = record.status == "diverged"
    if diverged:
        if not _equal(record.last.value, record.constant) or record.last.confusion is not None:
            yield f"a diverged run scores {record.last.value}, not as the constant classifier"
        if record.train_loss is not None:
            yield "a diverged run has no training loss"
    elif scores and not _same(record.last, scores[-1]):
        yield "the last score is not that of the last evaluation"
    elif scores and not any(_same(record.best, score) for score in scores):
        yield "the best score is that of no evaluation"
    best = metric.best(score.value for score in scores or [record.best if diverged else record.last])
    if metric.is_better(best, record.best.value) or (scores and best != record.best.value):
        yield f"the best score is {record.best.value}, where the best of all is {best}"
    if (work := record.fine_tuning) is not None:
        yield from _updates(record, work, metric)


def _updates(record: RunRecord, work: FineTuning, metric: Metric) -> Iterator[str]:
    """Yield what our own trainer cannot have written."""
    last, total = record.last.step, work.total_updates
    if last > total or (record.status == "completed" and last != total):
        yield f"it ended after {last} of {total} updates"
    counted = [record.last, record.best] if record.status == "completed" else []
    if isinstance(metric, LabelMetric) and None in [s.confusion for s in (*counted, *record.evaluations)]:
        yield "a score without its counts"
    steps = [evaluation.step for evaluation in record.evaluations]
    recipe, per_epoch = work.recipe, work.recipe.updates_per_epoch(work.task.n_train)
    points = _points(total, per_epoch, recipe.evaluations_per_epoch) if steps else []
    if steps != (points if record.status == "completed" else points[: len(steps)]):
        yield f"evaluations after {steps} updates, where its recipe has them after {points}"
    entropy = record.label_entropy
    if entropy is not None and not 0 <= entropy <= math.log(work.task.n_labels) + TOLERANCE:
        yield f"no entropy of {work.task.n_labels} labels is {entropy}"


@cache
def _points(updates: int, per_epoch: int, evaluations: int) -> list[int]:
    return sorted(evaluation_points(updates, per_epoch, evaluations))


def _provenance(record: RunRecord, metric: Metric) -> Iterator[str]:
    try:
        datetime.datetime.fromisoformat(record.created)
    except ValueError:
        yield f"created is {record.created!r}, no time"
    if len(set(record.layers)) < len(record.layers):
        yield "a layer comes twice"
    if record.spec is not None and record.rounded_to:
        yield "a measured score was not rounded"


def _scores(record: RunRecord) -> Iterator[tuple[str, Score]]:
    yield "last", record.last
    yield "best", record.best
    yield from ((f"evaluation {n}", score) for n, score in enumerate(record.evaluations, start=1))


@lru_cache(REMEMBERED)
def _of_counts(
    metric: Metric, matrix: Counts, labels: int, rows: tuple[int, ...] | None
) -> tuple[str | None, float | None]:
    """Return what is wrong with a confusion matrix; else the score that it gives, if the metric counts."""
    wrong = _impossible(matrix, labels, rows)
    return wrong, metric.value(matrix) if wrong is None and isinstance(metric, LabelMetric) else None


def _impossible(matrix: Counts, labels: int, rows: tuple[int, ...] | None) -> str | None:
    """Return what no confusion matrix of so many labels, and of a dev set with such rows by label, can be."""
    if len(matrix) != labels or any(map(labels.__ne__, map(len, matrix))):
        return f"a confusion matrix that is not {labels} x {labels}"
    if min(map(min, matrix)) < 0:
        return "a negative count"
    if rows is not None and tuple(map(sum, matrix)) != rows:
        return "a confusion matrix of other labels than the dev set's"
    return None


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _same(one: Score, other: Score) -> bool:
    return (one.value, one.step, one.confusion) == (other.value, other.step, other.confusion)


def _within(metric: Metric, score: float) -> bool:
    low, high = metric.range
    return low - TOLERANCE <= score <= high + TOLERANCE


@lru_cache(REMEMBERED)
def _constant(metric: Metric, rows: tuple[int, ...]) -> float | None:
    """Return the constant predictor's score on such rows by label; ``None`` when they do not say it."""
    return metric.constant(rows) if isinstance(metric, LabelMetric | LossMetric) else None
