"""From runs to groups: what may share a row, what may share a column, and what they are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from stabbench.runs import RunRecord
from stabbench.samples.collection import Collection, Plan, RunWithTraces
from stabbench.samples.other_data import other_data
from stabbench.samples.stability import Stability
from stabbench.statistics import OtherData
from stabbench.stored import digest


@dataclass(frozen=True)
class RunGroup:
    """The runs of one model, task and strategy that differ in their seeds only.

    Attributes:
        model: name of the model, with a digest behind it where two models bear the name.
        task: name of the task, likewise: other rows, another metric or size make another task.
        strategy: label of the strategy, likewise: another recipe or source makes another row.
        plan: what was planned.
        runs: one per seed, by seed.
        replicates: number of same-seed replicates and runs with seeds of their own for a random stream,
            which no statistic uses.
    """

    model: str
    task: str
    strategy: str
    plan: Plan
    runs: tuple[RunWithTraces, ...]
    replicates: int

    @property
    def first(self) -> RunRecord:
        """The record of the lowest seed, for what all have in common."""
        return self.runs[0].record

    @cached_property
    def stability(self) -> Stability:
        """The sample of the finished runs; whether they are all that were planned is the row's to say."""
        return Stability.from_records(run.record for run in self.runs)

    @cached_property
    def failed(self) -> tuple[bool, ...]:
        """Whether each run failed."""
        return tuple(self.stability.sample.failed.tolist())

    @cached_property
    def other_data(self) -> OtherData | None:
        """What to expect of the finished runs on other dev data, where their predictions are known."""
        return other_data(self.runs)


def group_runs(collection: Collection) -> tuple[RunGroup, ...]:
    """Return the groups of a collection, by model, task and strategy; ``Collection.samples`` has the rule.

    Raises:
        Incomplete: when a record cannot be read and nobody knows which group lacks it.
    """
    collection.check_readable()
    firsts = {group: runs[0].record for group, runs in collection.samples.items()}
    models = _names((record.model, model_identity(record), _imported(record)) for record in firsts.values())
    tasks = _names((record.task, task_identity(record), _imported(record)) for record in firsts.values())
    rivals = Counter((model_identity(r), task_identity(r), r.strategy) for r in firsts.values())
    found = []
    for group, record in firsts.items():
        model, task = model_identity(record), task_identity(record)
        alone = rivals[model, task, record.strategy] == 1
        runs = collection.samples[group]
        found.append(
            RunGroup(
                model=models[model],
                task=tasks[task],
                strategy=record.strategy if alone else f"{record.strategy} #{group[:6]}",
                plan=collection.plans.get(group) or Plan(seeds=tuple(run.record.seed for run in runs)),
                runs=runs,
                replicates=collection.set_aside[group],
            )
        )
    return tuple(sorted(found, key=lambda g: (g.model, g.task, g.strategy)))


def task_identity(record: RunRecord) -> str:
    """Return a digest of what makes scores comparable: the rows, the metric, the training size."""
    task = record.fine_tuning.task.model_dump(mode="json") if record.fine_tuning else None
    lower = ["lower"] if record.better == "lower" else []  # digests of 0.1.0 know no direction
    return digest([record.task, record.metric, *lower, record.n_dev, record.constant, task])


def model_identity(record: RunRecord) -> str:
    """Return a digest of the model and the revision of its files."""
    return digest([record.model, record.fine_tuning.model.revision if record.fine_tuning else None])


def _names(found: Iterable[tuple[str, str, bool]]) -> dict[str, str]:
    """Return what to call each identity of (name, identity, imported): the name alone where that is clear."""
    entries = set(found)
    bearers = Counter(name for name, _, _ in entries)
    alike = Counter((name, imported) for name, _, imported in entries)
    names = {}
    for name, identity, imported in entries:
        origin = " (imported)" if imported and bearers[name] > 1 else ""
        digit = f" #{identity[:6]}" if alike[name, imported] > 1 else ""
        names[identity] = name + origin + digit
    return names


def _imported(record: RunRecord) -> bool:
    return record.spec is None
