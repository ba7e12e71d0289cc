"""Arrays of a record as they are written, and whether they are what the record says of them."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stabbench import metrics
from stabbench.metrics import LossMetric
from stabbench.runs.record import ARRAYS, Arrays, RunRecord

TOLERANCE = 1e-3
"""Largest difference of what is computed again from logits and losses in single precision."""


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of an ``.npz`` file; equal arrays give equal bytes."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def check_arrays(record: RunRecord, arrays: Arrays) -> None:
    """Raise ``ValueError``, naming what is wrong, unless the arrays are of their kind and the record's own.

    Losses must be as many as the updates and give the record's training loss; the layers' norms must be of
    its layers; labels and logits must give its counts, and its score where that is one of a loss.
    """
    for wrong in _malformed(arrays):
        raise ValueError(wrong)
    for wrong in _foreign(record, arrays):
        raise ValueError(wrong)


def _malformed(arrays: Arrays) -> Iterator[str]:
    for name, (dimensions, kinds) in ARRAYS.items():
        if name in arrays and (arrays[name].ndim != dimensions or arrays[name].dtype.kind not in kinds):
            yield f"{name} is of shape {arrays[name].shape} and type {arrays[name].dtype}"
    if "gradient_norm" in arrays and "loss" not in arrays:
        yield "gradient_norm without loss"
    if len(arrays.get("trace_steps", ())) != len(arrays.get("layer_norms", ())):
        yield "layer_norms has not the rows that trace_steps names"


def _foreign(record: RunRecord, arrays: Arrays) -> Iterator[str]:
    updates = record.last.step
    for name in ("loss", "gradient_norm"):
        if name in arrays and len(arrays[name]) != updates:
            yield f"{name} is of {len(arrays[name])} updates, not {updates}"
    steps = arrays.get("trace_steps", np.empty(0, int))
    if len(steps) and (steps[0] < 0 or steps[-1] >= updates or (np.diff(steps.astype(np.int64)) <= 0).any()):
        yield f"trace_steps are not updates of {updates}, in their order"
    if "layer_norms" in arrays and arrays["layer_norms"].shape[1] != len(record.layers):
        yield f"layer_norms is not of {len(record.layers)} layers"
    work = record.fine_tuning
    if work is not None and "loss" in arrays and record.train_loss is not None:
        epoch = arrays["loss"][-work.recipe.updates_per_epoch(work.task.n_train) :]
        if not math.isclose(epoch.mean(dtype=np.float64), record.train_loss, rel_tol=1e-6, abs_tol=1e-9):
            yield f"train_loss is {record.train_loss}, where the losses give {epoch.mean():.4f}"
    if "dev_labels" in arrays:
        yield from _predictions(record, arrays)
    for name in ("logits", "best_logits"):
        if name in arrays and (len(arrays[name]) != record.n_dev or not arrays[name].shape[1]):
            yield f"{name} is of shape {arrays[name].shape}, for {record.n_dev} rows"


def _predictions(record: RunRecord, arrays: Arrays) -> Iterator[str]:
    """Yield where labels and logits give other counts or another loss than the record has."""
    labels = arrays["dev_labels"]
    counts = record.dev_counts or tuple(map(sum, record.last.confusion or ()))
    if len(labels) != record.n_dev or (len(labels) and not 0 <= labels.min() <= labels.max() < 2**31):
        yield f"dev_labels are not those of {record.n_dev} rows"
    elif counts and tuple(np.bincount(labels, minlength=len(counts)).tolist()) != counts:
        yield "dev_labels are not the labels that were counted"
    for name, score in (("logits", record.last), ("best_logits", record.best)):
        if name not in arrays or score.confusion is None:
            continue
        logits, n_labels = arrays[name], len(score.confusion)
        if logits.shape != (record.n_dev, n_labels):
            yield f"{name} is of shape {logits.shape}, not {(record.n_dev, n_labels)}"
        elif metrics.confusion(labels, logits.argmax(axis=1), n_labels) != score.confusion:
            yield f"{name} are not the predictions that were counted"
        elif isinstance(metric := metrics.named(record.metric, record.better), LossMetric):
            value = metric.value(_cross_entropy(logits.astype(np.float64), labels))
            if not _near(value, score.value):
                yield f"{name} give a {record.metric} of {value}, not {score.value}"


def _cross_entropy(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    highest = logits.max(axis=1, keepdims=True)
    totals = np.log(np.exp(logits - highest).sum(axis=1)) + highest[:, 0]
    return float((totals - logits[np.arange(len(labels)), labels]).mean())


def _near(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
