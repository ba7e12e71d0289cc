"""Runs from Python: ``stabbench.load(".stabbench").to_pandas()``, one row a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stabbench.errors import StoreError
from stabbench.runs import Checkpoint, RunRecord, Store
from stabbench.spec import Seeds

if TYPE_CHECKING:
    import pandas as pd

    from stabbench.samples.stability import Stability


@dataclass(frozen=True)
class Runs:
    """Records of runs, from a store or a baseline.

    Attributes:
        records: the readable records.
        problems: a message for each record that cannot be read.
        stopped: planned seeds of the groups that were stopped early.
    """

    records: tuple[RunRecord, ...]
    problems: tuple[str, ...] = ()
    stopped: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def groups(self, checkpoint: Checkpoint = "last") -> list[Stability]:
        """Return one sample per group, by task, model and strategy.

        A store does not know what was planned, so each sample counts the runs that are there, unless its
        grid was stopped early: then it is incomplete and only ``few_failures`` may judge it. Same-seed
        replicates, and runs whose random streams have seeds of their own, are not part of a plain sample.
        """
        from stabbench.samples.stability import Stability

        found: dict[str, list[RunRecord]] = {}
        for record in self.records:
            if record.replicate == 0 and (record.spec is None or record.spec.seeds == Seeds.all(record.seed)):
                found.setdefault(record.group, []).append(record)
        ordered = sorted(found.values(), key=lambda group: _order(group[0]))
        samples = []
        for runs in ordered:
            seeds = {run.seed for run in runs}
            planned = sorted(seeds.union(self.stopped.get(runs[0].group, ())))
            sample = Stability.from_records(runs, planned, checkpoint)
            sample.stopped_early = not sample.complete
            samples.append(sample)
        return samples

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame, one row a run, by task, model, strategy and seed.

        ``failed`` judges the last checkpoint; ``recipe.*``, ``parameter.*`` and ``environment.*`` hold the
        hyperparameters, the strategy's parameters and the environment, empty for imported runs.
        """
        import pandas as pd

        return pd.DataFrame([_row(record) for record in sorted(self.records, key=_order)])


def load(store: str | Path | Store) -> Runs:
    """Return the runs of a store.

    Args:
        store: a store, or its folder (``.stabbench``).

    Raises:
        StoreError: when there is no store.
    """
    found = store if isinstance(store, Store) else Store(Path(store))
    if not (found.root / "runs").is_dir():
        raise StoreError(f"{found.root} is no store.", "give a folder that has a folder `runs`.")
    return Runs(tuple(found.records()), tuple(found.problems()), found.stopped())


def _order(record: RunRecord) -> tuple[Any, ...]:
    return record.task, record.model, record.strategy, record.group, record.seed, record.replicate


def _row(record: RunRecord) -> Mapping[str, Any]:
    from stabbench.samples.failed import is_failed  # SciPy takes a second to import

    row = {
        "key": record.key,
        "group": record.group,
        "task": record.task,
        "model": record.model,
        "strategy": record.strategy,
        "seed": record.seed,
        "replicate": record.replicate,
        "metric": record.metric,
        "status": record.status,
        "failed": is_failed(record),
        "last": record.last.value,
        "best": record.best.value,
        "best_step": record.best.step,
        "steps": record.last.step,
        "constant": record.constant,
        "n_dev": record.n_dev,
        "train_loss": record.train_loss,
        "label_entropy": record.label_entropy,
        "seconds": record.seconds,
        "created": record.created,
        "imported_from": record.imported_from,
    }
    if record.spec is not None:
        row |= {f"seeds.{name}": value for name, value in record.spec.seeds}
    if (work := record.fine_tuning) is not None:
        row |= {f"recipe.{name}": value for name, value in work.recipe}
        row |= {f"parameter.{name}": value for name, value in work.strategy.parameters.items()}
        row["train_size"] = work.task.n_train
    return row | {f"environment.{name}": value for name, value in record.environment.items()}
