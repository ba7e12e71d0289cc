"""Scores of a model on the dev set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stabbench.metrics import ClassifierMetric, LossMetric, confusion
from stabbench.recipe import Precision
from stabbench.runs import Evaluation
from stabbench.runs.record import finite
from stabbench.training.batches import Tokens
from stabbench.training.environment import precision

BATCH_SIZE = 128
"""Rows that are evaluated together, if that is not too much for a CPU's cache:"""

CACHED = 2**13
"""so many rows times the encoder's width,"""

LEAST = 32
"""but no fewer rows."""


@dataclass(frozen=True)
class Measured:
    """An evaluation with the logits [n_dev, n_labels] (float32) that it was made from."""

    evaluation: Evaluation
    logits: NDArray[np.float32]


def logits_of(model: nn.Module, tokens: Tokens, kind: Precision) -> NDArray[np.float32]:
    """Return a model's logits for every row, [rows, n_labels], without touching a random stream."""
    device = tokens.labels.device
    was_training = model.training
    model.eval()
    found: list[torch.Tensor] = []
    rows: list[torch.Tensor] = []
    with torch.no_grad(), precision(kind, device):
        for index in tokens.by_length(_batch_size(model, device)):
            batch = tokens.batch(index)
            del batch["labels"]
            found.append(model(**batch).logits.float())
            rows.append(index)
    model.train(was_training)
    logits = torch.cat(found).cpu()
    ordered = torch.empty_like(logits)
    ordered[torch.cat(rows)] = logits
    return ordered.numpy()


def _batch_size(model: nn.Module, device: torch.device) -> int:
    if device.type != "cpu":
        return BATCH_SIZE
    width = getattr(model.config, "hidden_size", CACHED // BATCH_SIZE)  # some families do not say it
    return min(max(CACHED // int(width), LEAST), BATCH_SIZE)


def evaluate(
    model: nn.Module, tokens: Tokens, metric: ClassifierMetric, n_labels: int, kind: Precision, step: int
) -> Measured | None:
    """Score a model on the dev set after ``step`` updates; ``None`` when the score is NaN or infinite.

    Args:
        model: the model.
        tokens: the dev set.
        metric: what is scored.
        n_labels: number of labels.
        kind: precision of the forward pass.
        step: updates so far.
    """
    logits = logits_of(model, tokens, kind)
    labels = tokens.labels.cpu()
    loss = float(nn.functional.cross_entropy(torch.from_numpy(logits), labels))
    counts = confusion(labels.numpy(), logits.argmax(axis=1), n_labels)
    value = metric.value(loss) if isinstance(metric, LossMetric) else metric.value(counts)
    if not math.isfinite(value):
        return None
    evaluation = Evaluation(value=value, step=step, confusion=counts, dev_loss=finite(loss))
    return Measured(evaluation, logits)
