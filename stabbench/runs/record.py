"""What came of a run: scores, predictions, traces, provenance, checked when written and when read."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from numpy.typing import NDArray
from pydantic import Field, model_validator

from stabbench.spec import Direction, FineTuning, RunSpec
from stabbench.stored import Frozen

RECORD_FORMAT = 2
"""Layout of records: what an older stabbench must not read. 1 is that of 0.1.0; ``docs/formats.md`` tells."""

Checkpoint = Literal["last", "best"]
"""Which of a run's scores is judged: that of the end of training, or the best."""

Arrays = dict[str, NDArray[Any]]
"""Arrays of a record, all optional, by name:

- ``loss`` [updates]: training loss of every update;
- ``gradient_norm`` [updates]: global norm before clipping;
- ``trace_steps`` [k]: 0-based updates at which the layers' norms were taken;
- ``layer_norms`` [k, layers]: gradient norm of each of ``RunRecord.layers``;
- ``logits`` [n_dev, n_labels]: on the dev set at the end of training;
- ``best_logits`` [n_dev, n_labels]: the same at the best evaluation;
- ``dev_labels`` [n_dev].
"""

ARRAYS = {
    "loss": (1, "f"),
    "gradient_norm": (1, "f"),
    "trace_steps": (1, "iu"),
    "layer_norms": (2, "f"),
    "logits": (2, "f"),
    "best_logits": (2, "f"),
    "dev_labels": (1, "iu"),
}
"""How many dimensions each of them has, and of which kinds of NumPy types it is."""


LARGEST_WHOLE = 2**53
"""No count and no step is larger: such numbers are exact in every reader of JSON."""

LARGEST_SEED = 2**63 - 1
"""No seed is larger: arrays of seeds hold 64 bits."""

KEPT_BY_SOME = ("evaluations", "layers", "arrays")
"""Fields of a record that not every file of runs keeps."""


class Score(Frozen):
    """A score on the dev set.

    Attributes:
        value: the task's metric.
        step: number of updates after which it was taken.
        confusion: counts [true label][predicted label]; ``None`` for an imported score.
    """

    value: float
    step: int = Field(ge=0, le=LARGEST_WHOLE)
    confusion: tuple[tuple[int, ...], ...] | None = None


class Evaluation(Score):
    """A score with the mean dev loss at that moment (``None`` when it is not finite)."""

    dev_loss: float | None


class RunRecord(Frozen):
    """One finished run.

    Attributes:
        key: the key of its specification; for an imported run the digest of what was imported. It names the
            run's folder, so it cannot be a path.
        group: runs with the same group differ in their seeds only.
        spec: the specification; ``None`` for an imported run.
        metric: name of the task's metric.
        better: its direction.
        constant: the best value that a constant predictor reaches on the same dev rows.
        n_dev: rows of the dev set.
        dev_counts: rows of the dev set by true label, if known.
        status: ``completed``, or ``diverged`` when the loss became NaN or infinite: a failed run,
            scored as the constant classifier.
        reason: why it diverged.
        last: the score at the end of training.
        best: the best of all evaluations.
        train_loss: mean training loss of the last epoch, in nats.
        label_entropy: entropy of the training labels, in nats; a run that learned nothing stays there.
        layers: names of the columns of ``layer_norms``.
        seconds: wall time of training and evaluation.
        created: when it ended, ISO 8601, UTC.
        environment: device kind, threads, library versions, attention backend, determinism flags.
        arrays: SHA-256 of the arrays' file, if there is one.
        imported_from: where an imported score came from.
        rounded_to: step to which an imported score was rounded (1e-4 for 0.5271); 0 for a measured one.
        floor: the least score (of a loss the largest) that shows that the run learned something, where it was
            declared; counts and scores must show it besides, where they can.
    """

    format: int = RECORD_FORMAT
    key: str = Field(pattern=r"^\w[\w.-]*$")
    group: str
    task: str
    model: str
    strategy: str
    seed: int = Field(ge=0, le=LARGEST_SEED)
    replicate: int = Field(default=0, ge=0)
    spec: RunSpec | None
    metric: str
    better: Direction = "higher"
    constant: float
    n_dev: int = Field(ge=1, le=LARGEST_WHOLE)
    dev_counts: tuple[int, ...] | None = None
    status: Literal["completed", "diverged"]
    reason: str | None = None
    last: Score
    best: Score
    evaluations: tuple[Evaluation, ...] = ()
    train_loss: float | None = None
    label_entropy: float | None = None
    layers: tuple[str, ...] = ()
    seconds: float | None = Field(default=None, ge=0)
    created: str
    environment: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    arrays: str | None = None
    imported_from: str | None = None
    rounded_to: float = Field(default=0.0, ge=0)
    floor: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.spec is None) == (self.imported_from is None):
            raise ValueError("a run has a specification, or it says where it was imported from")
        if (self.status == "diverged") != (self.reason is not None):
            raise ValueError("a diverged run, and no other, has a reason")
        for score in (self.last, self.best, *self.evaluations):
            counts = score.confusion
            if counts is not None and sum(map(sum, counts)) != self.n_dev:
                raise ValueError("a confusion matrix does not add up to the dev set")
        return self

    @classmethod
    def of(cls, spec: RunSpec, **outcome: Any) -> RunRecord:
        """Return the record of a run: names, metric and seed are its specification's.

        Args:
            spec: the run.
            outcome: the other fields.
        """
        names: dict[str, Any] = spec.work.names.model_dump()
        return cls(
            key=spec.key,
            group=spec.group,
            seed=spec.seed,
            replicate=spec.replicate,
            spec=spec,
            **names,
            **outcome,
        )

    @property
    def fine_tuning(self) -> FineTuning | None:
        """The work of a run of our own trainer; ``None`` for any other."""
        return self.spec.work if self.spec and isinstance(self.spec.work, FineTuning) else None

    def result(self) -> dict[str, Any]:
        """Return what the run computed: everything but times and provenance."""
        return self.model_dump(mode="json", exclude={"seconds", "created", "environment", "imported_from"})

    def agrees_with(self, other: RunRecord) -> bool:
        """Return whether two records of one run say that the same was computed.

        What only one of them keeps does not count: baselines leave it out.
        """
        mine, theirs = self.result(), other.result()
        kept = (name for name in mine if name not in KEPT_BY_SOME or (mine[name] and theirs[name]))
        return all(mine[name] == theirs[name] for name in kept)


def finite(value: float) -> float | None:
    """Return ``value``, or ``None`` where it is NaN or infinite (JSON has neither)."""
    return value if math.isfinite(value) else None
