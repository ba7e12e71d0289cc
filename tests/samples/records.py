"""Records for tests of gates and baselines: 277 dev rows as in RTE, of which 146 bear one label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stabbench.recipe import Recipe
from stabbench.runs import RunRecord, Score
from stabbench.spec import ModelSpec, RunSpec, Seeds, StrategySpec, TaskSpec

N, MAJORITY = 277, 146


def confusion(correct: int, n: int = N, majority: int = MAJORITY) -> tuple[tuple[int, ...], ...]:
    """Return counts with so many right, both labels predicted where that is possible."""
    right = min(correct, majority - 1) if correct != majority else majority
    right = max(right, correct - (n - majority))
    other = correct - right
    return ((right, majority - right), (n - majority - other, other))


def spec(
    seed: int = 0, *, task: str = "rte", strategy: str = "ours", label: str = "", **changes: Any
) -> RunSpec:
    recipe = Recipe(**changes.pop("recipe", {}))
    data = {"fingerprint": "f1", "metric": "accuracy", **changes.pop("data", {})}
    return RunSpec(
        task=TaskSpec(name=task, n_train=2490, n_dev=N, n_labels=2, **data),
        model=ModelSpec(name="bert", revision=changes.pop("revision", "r1")),
        strategy=StrategySpec(name=strategy, label=label or strategy, source=changes.pop("source", "s1")),
        recipe=recipe,
        seeds=Seeds.all(seed),
        **changes,
    )


def record(
    seed: int, correct: int | None, environment: dict[str, Any] | None = None, **changes: Any
) -> RunRecord:
    """Return the record of a run with so many right; ``None`` is a diverged run."""
    own = {name: changes.pop(name) for name in ("train_loss", "label_entropy", "best") if name in changes}
    made = spec(seed, **changes)
    constant = MAJORITY / N
    diverged = correct is None
    value = constant if correct is None else correct / N
    if diverged:
        own.pop("train_loss", None)
    last = Score(
        value=value,
        step=made.fine_tuning.total_updates,
        confusion=None if correct is None else confusion(correct),
    )
    return RunRecord(
        key=made.key,
        group=made.group,
        task=made.work.task.name,
        model=made.work.model.name,
        strategy=made.work.strategy.label,
        seed=seed,
        replicate=made.replicate,
        spec=made,
        metric=made.work.task.metric,
        constant=constant,
        n_dev=N,
        status="diverged" if diverged else "completed",
        reason="the training loss became NaN" if diverged else None,
        last=last,
        created=f"2025-01-{seed % 28 + 1:02d}T00:00:00+00:00",
        environment=environment or {"device": "cpu", "threads": 1},
        **{"best": last, **own},
    )


def records(corrects: Sequence[int | None], **changes: Any) -> list[RunRecord]:
    """Return one record per entry, seeds from 0 on."""
    return [record(seed, correct, **changes) for seed, correct in enumerate(corrects)]


STEADY = [
    190,
    186,
    193,
    188,
    185,
    191,
    187,
    194,
    189,
    184,
    192,
    188,
    186,
    190,
    187,
    189,
    191,
    185,
    193,
    188,
    186,
]
STEADY += [190, 189, 187, 192]
SHAKY = [
    194,
    150,
    146,
    172,
    131,
    160,
    146,
    181,
    155,
    146,
    168,
    190,
    146,
    146,
    162,
    175,
    146,
    158,
    146,
    185,
    146,
]
SHAKY += [166, 146, 152, 179]
