"""What two groups of runs have in common: whether they may be compared, and what was changed between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stabbench.errors import StabbenchError
from stabbench.runs import RunRecord

Differences = dict[str, tuple[Any, Any]]
"""Field -> (value in the first group, value in the second)."""


class NotComparable(StabbenchError):
    """Two samples were not scored on the same data, split and metric, or not with the same model."""


def check_comparable(first: Sequence[RunRecord], second: Sequence[RunRecord], model: bool = True) -> None:
    """Raise ``NotComparable``, naming the fields, unless two groups may be judged against each other.

    What must match is the task's data, split and metric and, unless ``model`` is false, the model. Groups
    without a specification (imported scores) are compared by what their records say.
    """
    a, b = first[0], second[0]
    found = _differing(_data(a, b), _data(b, a)) | _differing(_model(a, b, model), _model(b, a, model))
    if found:
        raise NotComparable(
            f"{a.strategy} and {b.strategy} on {a.task} cannot be compared: {listed(found)}.",
            "score both on the same data, split and metric with the same model; save the baseline anew "
            "if the change is meant.",
        )


def differences(first: Sequence[RunRecord], second: Sequence[RunRecord]) -> Differences:
    """Return what changed in recipe, strategy, trainer and environment from one group to another."""
    return _differing(_method(first), _method(second))


def listed(found: Mapping[str, tuple[Any, Any]]) -> str:
    """Return differences as one line: ``recipe.epochs 3 -> 20; strategy.source 1f09.. -> 77ab..``."""
    return "; ".join(f"{name} {short(old)} -> {short(new)}" for name, (old, new) in found.items())


def _data(record: RunRecord, other: RunRecord) -> dict[str, Any]:
    if record.fine_tuning is not None and other.fine_tuning is not None:
        return {f"task.{name}": value for name, value in record.fine_tuning.task}
    return {
        "task": record.task,
        "metric": record.metric,
        "better": record.better,
        "n_dev": record.n_dev,
        "constant classifier": record.constant,
    }


def _model(record: RunRecord, other: RunRecord, wanted: bool) -> dict[str, Any]:
    if not wanted:
        return {}
    if record.fine_tuning is not None and other.fine_tuning is not None:
        return {f"model.{name}": value for name, value in record.fine_tuning.model}
    return {"model": record.model}


def _method(runs: Sequence[RunRecord]) -> dict[str, Any]:
    work = runs[0].fine_tuning
    found: dict[str, Any] = {}
    if work is not None:
        found |= {f"recipe.{name}": value for name, value in work.recipe}
        found |= {f"strategy.{name}": value for name, value in work.strategy.parameters.items()}
        found |= {
            "strategy.source": work.strategy.source,
            "trainer": work.trainer,
            "start": work.start.key if work.start else None,
        }
    names = sorted({name for run in runs for name in run.environment})
    for name in names:
        values = sorted({str(run.environment.get(name)) for run in runs})
        found[f"environment.{name}"] = " | ".join(values)
    return found


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> Differences:
    names = dict.fromkeys((*first, *second))
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not _same(*pair)}


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)
    return bool(old == new)


def short(value: Any) -> str:
    """Return a value for a message; a digest by its beginning."""
    text = str(value)
    is_digest = len(text) >= 40 and all(character in "0123456789abcdef" for character in text)
    return f"{text[:8]}.." if is_digest else text
