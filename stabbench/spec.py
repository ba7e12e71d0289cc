"""What a run is: plain, frozen data with every hyperparameter resolved, and the key that names it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from stabbench.recipe import Recipe
from stabbench.stored import Frozen, Stored, canonical_json, digest

FORMAT_VERSION = 1
"""Version of a specification's layout; it is part of every key, so it rises only when old keys must end.

Fields that are added later do not raise it (see ``Stored``); ``docs/formats.md`` has the policy.
"""

TRAINER_VERSION = 2
"""Raised whenever the trainer computes something else for the same specification."""

Direction = Literal["higher", "lower"]
"""Which scores of a metric are better."""


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


STREAMS = tuple(Seeds.model_fields)
"""Names of the random streams of a run."""


def stream_seed(seed: int, stream: str) -> int:
    """Return the 63-bit seed of a named stream, derived statelessly: adding a stream moves no other."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:8], "big") >> 1


class TaskSpec(Stored):
    """The data of a run: which task, which rows, and the fingerprint of exactly these rows.

    Attributes:
        better: the direction of the metric.
        metric_source: digest of the file of a metric of one's own; empty for a registered one.
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
    metric_source: str = ""


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
        amended: what was mended since that version and changes this very run; empty for all others, whose
            keys stay.
    """

    always: ClassVar[frozenset[str]] = frozenset({"trainer", "start"})

    kind: Literal["fine-tuning"] = "fine-tuning"
    trainer: int = TRAINER_VERSION
    task: TaskSpec
    model: ModelSpec
    strategy: StrategySpec
    recipe: Recipe
    start: RunSpec | None = None
    amended: tuple[str, ...] = ()

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


SEEDED = ["seeded"]
"""Stands in a specification's text where a run has its own seeds."""


def _with_tuples(data: Any) -> Any:
    """Return JSON data with a tuple for every list."""
    if isinstance(data, dict):
        return {name: _with_tuples(value) for name, value in data.items()}
    return tuple(map(_with_tuples, data)) if isinstance(data, list) else data


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
    def _gather_work(cls, data: Any, info: ValidationInfo) -> Any:
        if info.mode == "json":
            data = _with_tuples(data)  # what goes on from here is no JSON any more, and strict
        if not isinstance(data, dict) or "work" in data:
            return data
        work = {"kind": "fine-tuning", **data}
        own = {name: work.pop(name) for name in cls._beside_work() if name in work}
        return {**own, "work": work}

    @classmethod
    def _beside_work(cls) -> list[str]:
        return [name for name in cls.model_fields if name != "work"]

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

    @cached_property
    def key(self) -> str:
        """SHA-256 of the canonical JSON: the name of the run in every store."""
        return digest(self.model_dump(mode="json"))

    @cached_property
    def text_around_seeds(self) -> tuple[str, str, str]:
        """The canonical JSON before, between and after the replicate and the seeds."""
        data = {**self.model_dump(mode="json"), "replicate": SEEDED, "seeds": SEEDED}
        before, between, after = canonical_json(data).split(canonical_json(SEEDED))
        return before, between, after

    def key_with(self, seeds: Seeds, replicate: int) -> str:
        """Return the key of the run with other seeds: the ``key`` of ``reseeded``, in a tenth of its time."""
        before, between, after = self.text_around_seeds
        text = f"{before}{replicate}{between}{canonical_json(dict(seeds))}{after}"
        return hashlib.sha256(text.encode()).hexdigest()

    def plain_keys(self, seeds: Iterable[int], replicate: int) -> Iterator[tuple[str, int]]:
        """Yield the keys of the run with each of many seeds, the same in every stream, and the seed.

        They are what ``key_with`` gives, in a twentieth of the time.
        """
        before, between, after = self.text_around_seeds
        begun = hashlib.sha256(f"{before}{replicate}{between}".encode())
        text, marked = f"{canonical_json(dict.fromkeys(STREAMS, SEEDED))}{after}", canonical_json(SEEDED)
        for seed in seeds:
            run = begun.copy()
            run.update(text.replace(marked, str(seed)).encode())
            yield run.hexdigest(), seed

    def reseeded(self, seeds: Seeds, replicate: int = 0) -> Self:
        """Return the run with other seeds, its key known."""
        run = self.model_copy(update={"seeds": seeds, "replicate": replicate})
        run.__dict__["key"] = self.key_with(seeds, replicate)  # where cached_property looks for it
        return run

    @cached_property
    def group(self) -> str:
        """Digest of all but the seeds: runs of one group are one sample."""
        return digest(self.model_dump(mode="json", exclude={"seeds", "replicate"}))

    @property
    def seed(self) -> int:
        """The plain seed; the head's where the streams differ."""
        return self.seeds.head

    def __copy__(self) -> Self:
        """Return a copy without the digests, which are not those of what ``model_copy`` makes of it."""
        copied = super().__copy__()
        for name in ("key", "group", "text_around_seeds"):
            copied.__dict__.pop(name, None)
        return copied

    def change(self, **changes: Any) -> RunSpec:
        """Return a validated copy with fields of the run or of its work changed.

        Raises:
            pydantic.ValidationError: on an unknown field or a value out of range.
        """
        own = {name: changes.pop(name, getattr(self, name)) for name in self._beside_work()}
        return RunSpec(**own, work=type(self.work)(**{**dict(self.work), **changes}))
