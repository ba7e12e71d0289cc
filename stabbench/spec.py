"""What a run is: plain, frozen data with every hyperparameter resolved, and the key that names it."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

FORMAT_VERSION = 1
"""Version of a specification's layout; it is part of every key, so it rises only when old keys must end.

Fields that are added later do not raise it (see ``Stored``); ``docs/formats.md`` has the policy.
"""

TRAINER_VERSION = 1
"""Raised whenever the trainer computes something else for the same specification."""

Precision = Literal["fp32", "tf32", "bf16"]

Direction = Literal["higher", "lower"]
"""Which scores of a metric are better."""


def canonical_json(data: Any) -> str:
    """Return the one JSON text of ``data``: sorted keys, no white space, no NaN or infinity."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``data``, in hexadecimal."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


class Frozen(BaseModel):
    """Base of all plain data that travels between rooms: immutable, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stored(Frozen):
    """Base of what is kept under a key: a field that is added later must not change the keys of old runs.

    A field that is not among ``always`` is written only where it differs from its default, so a text that
    was stored before the field existed and one that is written today have the same digest. The default of
    such a field is its neutral value, for ever.

    Attributes:
        always: fields that are written whatever their value: those of the first format.
    """

    always: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_neutral(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        for name, field in type(self).model_fields.items():
            if name in data and name not in self.always and not field.is_required():
                neutral = field.get_default(call_default_factory=True)
                if getattr(self, name) == neutral:
                    del data[name]
        return data


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


class TaskSpec(Stored):
    """The data of a run: which task, which rows, and the fingerprint of exactly these rows.

    Attributes:
        better: the direction of the metric.
    """

    always: ClassVar[frozenset[str]] = frozenset({"train_size", "stratified", "sample_seed"})

    name: str
    metric: str
    n_train: int = Field(ge=1)
    n_dev: int = Field(ge=1)
    n_labels: int = Field(ge=2)
    train_size: int | None = Field(default=None, ge=1)
    stratified: bool = False
    sample_seed: int = Field(default=0, ge=0)
    fingerprint: str
    better: Direction = "higher"


class ModelSpec(Stored):
    """The pretrained encoder: its name and the revision or digest of its files."""

    name: str
    revision: str


class StrategySpec(Stored):
    """The strategy: its name, all its parameters, and the digest of its normalised source.

    Attributes:
        label: what a reader sees: the name, the parameters that differ from their defaults, and the
            recipe values that the session overrides, as in ``mixout:p=0.7@learning_rate=3e-05``.
    """

    always: ClassVar[frozenset[str]] = frozenset({"parameters"})

    name: str
    label: str
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    source: str


class Names(Stored):
    """What every run has, whatever it does: what it is called, and what is scored on how many rows.

    Attributes:
        better: the direction of the metric.
    """

    task: str
    model: str
    strategy: str
    metric: str
    n_dev: int
    better: Direction = "higher"


class FineTuning(Stored):
    """A pretrained model, fine-tuned on a task with a strategy: what our own trainer computes.

    Attributes:
        trainer: version of the trainer, see ``TRAINER_VERSION``.
        start: the run whose encoder this one starts from (intermediate training), else ``None``.
    """

    always: ClassVar[frozenset[str]] = frozenset({"trainer", "start"})

    kind: Literal["fine-tuning"] = "fine-tuning"
    trainer: int = TRAINER_VERSION
    task: TaskSpec
    model: ModelSpec
    strategy: StrategySpec
    recipe: Recipe
    start: RunSpec | None = None

    @property
    def names(self) -> Names:
        """What the run is called."""
        return Names(
            task=self.task.name,
            model=self.model.name,
            strategy=self.strategy.label,
            metric=self.task.metric,
            better=self.task.better,
            n_dev=self.task.n_dev,
        )

    @property
    def total_updates(self) -> int:
        """Number of updates of the whole run."""
        return self.recipe.total_updates(self.task.n_train)

    @model_validator(mode="after")
    def _warmup_leaves_room(self) -> Self:
        if self.recipe.warmup_updates(self.task.n_train) >= self.total_updates:
            raise ValueError("the warm-up is as long as the run")
        return self


class Command(Stored):
    """Somebody's own training script, started with a seed.

    Attributes:
        names: what readers see; the ``strategy`` is the label of the script's variant.
        template: the command with its placeholders ({seed}, {out}, {args}, {gpu_count}).
        arguments: what stands for {args}.
        inputs: digest of every file and folder that the result depends on, by its name in the suite.
        environment: the variables that are declared to matter.
    """

    always: ClassVar[frozenset[str]] = frozenset({"kind"})

    kind: Literal["command"] = "command"
    names: Names
    template: str
    arguments: str = ""
    inputs: dict[str, str] = Field(default_factory=dict)
    environment: dict[str, str] = Field(default_factory=dict)


class RunSpec(Stored):
    """One run, completely: what comes of it depends on this and on the named environment only.

    The fields of a ``FineTuning`` stand beside ``seeds`` in the JSON text, as in the first format; any other
    work stands under ``work``.

    Attributes:
        work: what is to be done with the seeds.
        replicate: number of a same-seed repeat, to tell nondeterminism from seed variance.
    """

    always: ClassVar[frozenset[str]] = frozenset({"format", "replicate"})

    format: int = FORMAT_VERSION
    work: Annotated[FineTuning | Command, Field(discriminator="kind")]
    seeds: Seeds
    replicate: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _gather_work(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "work" in data:
            return data
        own = {name: value for name, value in data.items() if name in cls.model_fields}
        rest = {name: value for name, value in data.items() if name not in cls.model_fields}
        return {**own, "work": {"kind": "fine-tuning", **rest}}

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data = self._without_neutral(handler)
        if isinstance(self.work, Command) or "work" not in data:  # pydantic asks twice for a nested one
            return data
        return {**data.pop("work"), **data}

    @property
    def fine_tuning(self) -> FineTuning:
        """The work of a run of our own trainer.

        Raises:
            TypeError: when the run is something else.
        """
        if not isinstance(self.work, FineTuning):
            raise TypeError(f"a run of kind {self.work.kind} is no fine-tuning")
        return self.work

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

    def change(self, **changes: Any) -> RunSpec:
        """Return a validated copy with fields of the run or of its work changed.

        Raises:
            pydantic.ValidationError: on an unknown field or a value out of range.
        """
        own = {name: changes.pop(name, getattr(self, name)) for name in ("format", "seeds", "replicate")}
        return RunSpec(**own, work=type(self.work)(**{**dict(self.work), **changes}))
