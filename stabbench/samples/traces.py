"""Traces of a run at a few points: enough for a picture, small enough for a page and an archive."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import model_validator

from stabbench import metrics
from stabbench.runs import Arrays, RunRecord
from stabbench.stored import Stored

POINTS = 30
"""How many points a thinned trace has at most."""


class Traces(Stored):
    """Traces of a run at about thirty points; all empty where the record has none.

    Attributes:
        updates: update (1-based) at which each window of ``loss`` and ``gradient_norm`` ends.
        loss: mean training loss of each window; ``None`` where a value in it was not finite.
        gradient_norm: mean global gradient norm of each window, likewise.
        layer_updates: updates (1-based) of the rows of ``layer_norms``.
        layer_norms: gradient norm of each of the record's layers, rows are points.
        predictions: predicted class of every dev row at the end of training.
        labels: true class of every dev row, in the same order; archives of 0.1.0 lack it.
    """

    always: ClassVar[frozenset[str]] = frozenset(
        {"updates", "loss", "gradient_norm", "layer_updates", "layer_norms", "predictions"}
    )

    updates: tuple[int, ...] = ()
    loss: tuple[float | None, ...] = ()
    gradient_norm: tuple[float | None, ...] = ()
    layer_updates: tuple[int, ...] = ()
    layer_norms: tuple[tuple[float | None, ...], ...] = ()
    predictions: tuple[int, ...] = ()
    labels: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _same_lengths(self) -> Traces:
        if not len(self.updates) == len(self.loss) == len(self.gradient_norm):
            raise ValueError("loss and gradient norm have not the points that their updates name")
        if len(self.layer_updates) != len(self.layer_norms):
            raise ValueError("the layers' norms have not the points that their updates name")
        return self


NO_TRACES = Traces()
"""What is known of a run without arrays, or of one whose arrays were not asked for."""


def thin(arrays: Arrays) -> Traces:
    """Return a run's traces at about thirty points.

    Loss and gradient norm are means over equal windows, so that the noise of single batches does not
    hide the trend; numbers keep three or four significant digits.
    """
    loss = arrays.get("loss", np.empty(0))
    norm = arrays.get("gradient_norm", np.empty(0))
    updates: NDArray[np.int_] = np.empty(0, int)
    if len(loss):
        edges = np.unique(np.linspace(0, len(loss), min(POINTS, len(loss)) + 1).astype(int))
        updates = edges[1:]
        norm = norm if len(norm) == len(loss) else np.full(len(loss), np.nan)
        loss, norm = (np.add.reduceat(x.astype(float), edges[:-1]) / np.diff(edges) for x in (loss, norm))
    steps, rows = arrays.get("trace_steps", np.empty(0)), arrays.get("layer_norms", np.empty((0, 0)))
    kept = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).astype(int))
    logits = arrays.get("logits")
    return Traces(
        updates=tuple(int(update) for update in updates),
        loss=_rounded(loss, 4),
        gradient_norm=_rounded(norm, 4),
        layer_updates=tuple(int(steps[i]) + 1 for i in kept),
        layer_norms=tuple(_rounded(rows[i], 3) for i in kept),
        predictions=() if logits is None else tuple(int(label) for label in logits.argmax(axis=1)),
        labels=tuple(int(label) for label in arrays.get("dev_labels", ())),
    )


def check_traces(record: RunRecord, traces: Traces) -> None:
    """Raise ``ValueError`` where traces are not those of a record: other updates, layers or answers."""
    updates = record.last.step
    for points, what in ((traces.updates, "updates"), (traces.layer_updates, "layer_updates")):
        if points and (points[0] < 1 or points[-1] > updates or any(a >= b for a, b in pairwise(points))):
            raise ValueError(f"{what} are not updates of {updates}, in their order")
    if any(len(row) != len(record.layers) for row in traces.layer_norms):
        raise ValueError(f"layer_norms are not of {len(record.layers)} layers")
    for answers, what in ((traces.predictions, "predictions"), (traces.labels, "labels")):
        if answers and len(answers) != record.n_dev:
            raise ValueError(f"{len(answers)} {what} for {record.n_dev} rows")
    confusion = record.last.confusion
    counts = record.dev_counts if confusion is None else tuple(map(sum, confusion))
    if counts is not None:
        _check_counts(traces.labels, counts, "labels")
    if confusion is None:
        return
    _check_counts(traces.predictions, tuple(map(sum, zip(*confusion, strict=True))), "predictions")
    both = traces.labels and traces.predictions
    if both and metrics.confusion(traces.labels, traces.predictions, len(confusion)) != confusion:
        raise ValueError("labels and predictions are not those that were counted")


def _check_counts(answers: tuple[int, ...], counts: tuple[int, ...], what: str) -> None:
    found = Counter(answers)
    if answers and ([found.pop(label, 0) for label in range(len(counts))] != list(counts) or found):
        raise ValueError(f"the {what} are not those that were counted")


def _rounded(values: ArrayLike, digits: int) -> tuple[float | None, ...]:
    return tuple(
        float(f"{value:.{digits}g}") if math.isfinite(value) else None
        for value in np.asarray(values, float).tolist()
    )
