"""What a run is: plain, frozen data with every hyperparameter resolved, and the key that names it."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1
"""Version of the layout of specifications and records."""

TRAINER_VERSION = 1
"""Raised whenever the trainer computes something else for the same specification."""

Precision = Literal["fp32", "tf32", "bf16"]


def canonical_json(data: Any) -> str:
    """Return the one JSON text of ``data``: sorted keys, no white space, no NaN or infinity."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``data``, in hexadecimal."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


class Frozen(BaseModel):
    """Base of all plain data that travels between rooms: immutable, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recipe(Frozen):
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
            pydantic.ValidationError: on an unknown hyperparameter or a value out of range.
        """
        return Recipe.model_validate({**self.model_dump(), **changes})


class Seeds(Frozen):
    """One seed for each random stream, so that one can vary while the others stay fixed."""

    head: int = Field(ge=0)
    order: int = Field(ge=0)
    dropout: int = Field(ge=0)
    strategy: int = Field(ge=0)

    @classmethod
    def all(cls, seed: int) -> Self:
        """Return seeds that are all equal to ``seed``."""
        return cls(head=seed, order=seed, dropout=seed, strategy=seed)


def stream_seed(seed: int, stream: str) -> int:
    """Return the 63-bit seed of a named stream, derived statelessly: adding a stream moves no other."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1


class TaskSpec(Frozen):
    """The data of a run: which task, which rows, and the fingerprint of exactly these rows."""

    name: str
    metric: str
    n_train: int = Field(ge=1)
    n_dev: int = Field(ge=1)
    n_labels: int = Field(ge=2)
    train_size: int | None = Field(default=None, ge=1)
    stratified: bool = False
    sample_seed: int = Field(default=0, ge=0)
    fingerprint: str


class ModelSpec(Frozen):
    """The pretrained encoder: its name and the revision or digest of its files."""

    name: str
    revision: str


class StrategySpec(Frozen):
    """The strategy: its name, all its parameters, and the digest of its normalised source.

    Attributes:
        label: what a reader sees: the name, the parameters that differ from their defaults, and the
            recipe values that the session overrides, as in ``mixout:p=0.7@learning_rate=3e-05``.
    """

    name: str
    label: str
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    source: str


class RunSpec(Frozen):
    """One run, completely: what the trainer computes depends on this and on the named environment only.

    Attributes:
        start: the run whose encoder this one starts from (intermediate training), else ``None``.
        replicate: number of a same-seed repeat, to tell nondeterminism from seed variance.
    """

    format: int = FORMAT_VERSION
    trainer: int = TRAINER_VERSION
    task: TaskSpec
    model: ModelSpec
    strategy: StrategySpec
    recipe: Recipe
    seeds: Seeds
    start: RunSpec | None = None
    replicate: int = Field(default=0, ge=0)

    @property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: the name of the run in every store."""
        return digest(self.model_dump(mode="json"))

    @property
    def group(self) -> str:
        """Digest of all but the seeds: runs of one group are one sample."""
        return digest(self.model_dump(mode="json", exclude={"seeds", "replicate"}))

    @property
    def seed(self) -> int:
        """The plain seed; the head's where the streams differ."""
        return self.seeds.head

    @property
    def total_updates(self) -> int:
        """Number of updates of the whole run."""
        return self.recipe.total_updates(self.task.n_train)

    @model_validator(mode="after")
    def _warmup_leaves_room(self) -> Self:
        if self.recipe.warmup_updates(self.task.n_train) >= self.total_updates:
            raise ValueError("the warm-up is as long as the run")
        return self
