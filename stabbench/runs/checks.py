"""Whether a record agrees with itself: its scores with its counts, its names with its specification.

A checksum shows that a record is as it was written; this shows that what was written can be true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from stabbench import metrics
from stabbench.metrics import Counts, LabelMetric, LossMetric, Metric
from stabbench.runs.record import RunRecord, Score
from stabbench.spec import FORMAT_VERSION

TOLERANCE = 1e-9
"""Largest difference of a stored score and the one that its counts give."""


def check_record(record: RunRecord) -> None:
    """Raise ``ValueError``, naming what is wrong, unless a record agrees with itself.

    Names, metric, dev rows and seed must be the specification's; the counts must be possible; scores and
    the constant classifier's must be what the counts give. Without counts (imported scores, metrics that
    are no function of them) there is nothing to compare.
    """
    for wrong in _contradictions(record):
        raise ValueError(wrong)


def _contradictions(record: RunRecord) -> Iterator[str]:
    spec, counts, metric = record.spec, record.dev_counts, metrics.named(record.metric, record.better)
    if spec is not None:
        if spec.format != FORMAT_VERSION:
            yield f"a specification of format {spec.format}, not {FORMAT_VERSION}"
        expected = {**dict(spec.work.names), "seed": spec.seed, "replicate": spec.replicate}
        for name, value in expected.items():
            if (own := getattr(record, name)) != value:
                yield f"{name} is {own!r}, where the specification says {value!r}"
    if record.better == "lower" and metric.better == "higher":  # 0.1.0 wrote no direction: read as higher
        yield f"of its {record.metric} the lower score is better, of ours the higher"
    for kind, score in _scores(record):
        if (matrix := score.confusion) is None:
            continue
        yield from (f"{kind}: {wrong}" for wrong in _impossible(record, matrix))
        counts = counts or tuple(map(sum, matrix))
        value = _value(metric, matrix)
        if value is not None and not _equal(value, score.value):
            yield f"{kind}: {record.metric} is {score.value}, where its counts give {value}"
    if counts is not None:
        if min(counts) < 0 or sum(counts) != record.n_dev:
            yield f"the labels' counts {list(counts)} are not those of {record.n_dev} rows"
        constant = _constant(metric, counts)
        if constant is not None and not _equal(constant, record.constant):
            yield f"constant is {record.constant}, where the labels' counts give {constant}"
    if record.status == "diverged" and not _equal(record.last.value, record.constant):
        yield f"a diverged run scores {record.last.value}, not as the constant classifier"


def _scores(record: RunRecord) -> Iterator[tuple[str, Score]]:
    yield "last", record.last
    yield "best", record.best
    yield from ((f"evaluation {n}", score) for n, score in enumerate(record.evaluations, start=1))


def _impossible(record: RunRecord, matrix: Counts) -> Iterator[str]:
    work = record.fine_tuning
    labels = work.task.n_labels if work is not None else len(matrix)
    if len(matrix) != labels or any(len(row) != labels for row in matrix):
        yield f"a confusion matrix that is not {labels} x {labels}"
    elif min(map(min, matrix)) < 0:
        yield "a negative count"
    elif record.dev_counts is not None and tuple(map(sum, matrix)) != record.dev_counts:
        yield "a confusion matrix of other labels than the dev set's"


def _equal(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=0.0, abs_tol=TOLERANCE)


def _value(metric: Metric, counts: Counts) -> float | None:
    """Return a metric of counts; ``None`` when it is no function of them."""
    return metric.value(counts) if isinstance(metric, LabelMetric) else None


def _constant(metric: Metric, rows: Sequence[int]) -> float | None:
    """Return the constant predictor's score on such rows by label; ``None`` when they do not say it."""
    return metric.constant(rows) if isinstance(metric, LabelMetric | LossMetric) else None
