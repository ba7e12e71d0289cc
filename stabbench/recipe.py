"""The hyperparameters of a fine-tuning run, all of them."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.other_names import OTHER_NAMES
from stabbench.registry import suggest
from stabbench.stored import Stored

Precision = Literal["fp32", "tf32", "bf16"]


class Recipe(Stored):
    """Every hyperparameter of one fine-tuning run.

    The defaults are those of BERT-large in Mosbach et al. (2021), Table 3, as coded by the authors,
    with bias correction.

    Attributes:
        learning_rate: peak learning rate.
        epochs: passes over the training set, unless ``steps`` is set.
        steps: number of updates; overrides ``epochs``.
        batch_size: rows per update; the last batch of an epoch may be smaller.
        warmup_ratio: share of all updates in which the learning rate rises linearly from 0;
            afterwards it falls linearly to 0.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        epsilon: Adam's epsilon.
        epsilon_placement: ``before_correction`` adds epsilon to sqrt(v) and then corrects the bias
            (TensorFlow's BERT, transformers' former AdamW, the code of Mosbach et al.);
            ``after_correction`` adds it to the corrected sqrt(v) (torch's AdamW). The two are the
            same without bias correction.
        bias_correction: whether Adam's moments are corrected for their start at zero.
        weight_decay: decoupled weight decay, not applied to biases and normalisation weights.
        clip_norm: largest gradient norm; ``None`` does not clip.
        clipping: ``global`` clips the norm over all parameters, ``per_tensor`` that of each
            parameter (BertAdam).
        max_length: longest sequence in tokens; what is longer is cut.
        hidden_dropout: dropout of hidden states; ``None`` keeps the checkpoint's own.
        attention_dropout: dropout of attention weights; ``None`` keeps the checkpoint's own.
        classifier_dropout: dropout before the classifier; ``None`` keeps the checkpoint's own.
        evaluations_per_epoch: evaluations on the dev set per epoch, evenly spaced, the last one at
            the epoch's end.
        precision: ``fp32`` (IEEE), ``tf32`` (fp32 with TF32 matrix products) or ``bf16`` (autocast).
    """

    always: ClassVar[frozenset[str]] = frozenset(
        {
            "learning_rate",
            "epochs",
            "steps",
            "batch_size",
            "warmup_ratio",
            "beta1",
            "beta2",
            "epsilon",
            "epsilon_placement",
            "bias_correction",
            "weight_decay",
            "clip_norm",
            "clipping",
            "max_length",
            "hidden_dropout",
            "attention_dropout",
            "classifier_dropout",
            "evaluations_per_epoch",
            "precision",
        }
    )

    learning_rate: float = Field(default=2e-5, gt=0)
    epochs: int = Field(default=3, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-6, gt=0)
    epsilon_placement: Literal["before_correction", "after_correction"] = "before_correction"
    bias_correction: bool = True
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    clipping: Literal["global", "per_tensor"] = "global"
    max_length: int = Field(default=128, ge=4)
    hidden_dropout: float | None = Field(default=None, ge=0, lt=1)
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    classifier_dropout: float | None = Field(default=None, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=1, ge=1)
    precision: Precision = "fp32"

    def updates_per_epoch(self, n_train: int) -> int:
        """Return the number of updates in one pass over ``n_train`` rows, the last batch included."""
        return math.ceil(n_train / self.batch_size)

    def total_updates(self, n_train: int) -> int:
        """Return the number of updates of the whole run on ``n_train`` rows."""
        return self.steps if self.steps is not None else self.epochs * self.updates_per_epoch(n_train)

    def warmup_updates(self, n_train: int) -> int:
        """Return the number of warm-up updates: the ratio of the total, truncated."""
        return int(self.warmup_ratio * self.total_updates(n_train))

    def change(self, **changes: Any) -> Recipe:
        """Return a validated copy with ``changes`` made.

        Raises:
            pydantic.ValidationError: on an unknown hyperparameter or a value out of range (``explained``
                says it in our words).
        """
        return Recipe.model_validate({**self.model_dump(), **changes})


def explained(error: ValidationError) -> StabbenchError:
    """Return what is wrong with a recipe's values, and what to write instead."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "recipe"
    if name not in Recipe.model_fields:
        return UnknownNameError(f"a recipe has no {name!r}.", advice(name))
    return StabbenchError(
        f"{name}={first['input']!r} is not possible in a recipe: {first['msg']}.", "change the value."
    )


def advice(name: str) -> str:
    """Return what to write in place of a name that no recipe has."""
    known = name.strip().lower().lstrip("-").replace("-", "_")
    if known in Recipe.model_fields:
        return f"write {known}."
    return OTHER_NAMES.get(known) or suggest(name, Recipe.model_fields)


def evaluation_points(updates: int, per_epoch: int, evaluations: int) -> set[int]:
    """Return after how many updates to evaluate: evenly within each epoch, at its end, and at the end."""
    points = {updates}
    for epoch in range(math.ceil(updates / per_epoch)):
        for number in range(1, evaluations + 1):
            points.add(epoch * per_epoch + max(1, round(number * per_epoch / evaluations)))
    return {point for point in points if point <= updates}
