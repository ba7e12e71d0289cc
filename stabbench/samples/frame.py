"""Records as a pandas data frame, one row a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from stabbench.runs import RunRecord
from stabbench.samples.failed import is_failed


def frame(records: Iterable[RunRecord]) -> pd.DataFrame:
    """Return a data frame, one row a run, by task, model, strategy and seed.

    ``failed`` judges the last checkpoint; ``recipe.*``, ``parameter.*`` and ``environment.*`` hold the
    hyperparameters, the strategy's parameters and the environment, empty for imported runs.
    """
    return pd.DataFrame([_row(record) for record in sorted(records, key=_order)])


def _order(record: RunRecord) -> tuple[Any, ...]:
    return record.task, record.model, record.strategy, record.group, record.seed, record.replicate


def _row(record: RunRecord) -> Mapping[str, Any]:
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
