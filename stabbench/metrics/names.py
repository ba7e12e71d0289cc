"""Metrics by name: registered ones, their aliases, and names that nobody registered."""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.metrics.base import ClassifierMetric, LabelMetric, LossMetric, Metric, NumberMetric
from stabbench.registry import Registry, suggest
from stabbench.spec import Direction

REGISTRY: Registry[Metric] = Registry("metric", "stabbench.metrics")


def register(metric: Metric) -> Metric:
    """Register a metric under its name and aliases and return it; an equal one may come again.

    Raises:
        StabbenchError: when a name stands for another metric.
    """
    for name in (metric.name, *metric.aliases):
        other = _find(name)
        if other == metric:
            return metric
        if other is not None:
            raise _taken(name, other)
    REGISTRY.register(metric.name)(metric)
    _find.cache_clear()
    return metric


def get(name: str) -> Metric:
    """Return a metric.

    Args:
        name: its name, an alias (``mcc``), either as evaluation scripts write it (``eval_accuracy``), or
            ``path.py:NAME``.

    Raises:
        UnknownNameError: when there is none; the message suggests near names.
        StabbenchError: when a file or an entry point cannot be imported, or a file's object is no metric or
            bears the name of another one.
    """
    found = _of_file(name) if ".py:" in name else _find(name)
    if found is None:
        raise UnknownNameError(f"unknown metric {name!r}.", suggest(name, REGISTRY.names()))
    return found


def for_classifiers(name: str) -> ClassifierMetric:
    """Return a metric that a classifier's answers can be scored by.

    Raises:
        StabbenchError: when there is none of that name, or it is of another kind.
    """
    metric = get(name)
    if not isinstance(metric, LabelMetric | LossMetric):
        able = (other.name for other in _registered() if isinstance(other, LabelMetric | LossMetric))
        raise StabbenchError(
            f"a task with labels cannot be scored by {metric.name}: it needs "
            f"{'numbers' if isinstance(metric, NumberMetric) else 'what a script reports'}.",
            f"choose one of {', '.join(able)}.",
        )
    return metric


def named(name: str, better: Direction = "higher") -> Metric:
    """Return the metric of a record: the registered one, or one of which name and direction are known."""
    return _find(name) or Metric(name, better=better)


def reference(name: str) -> str:
    """Return what any process finds a metric by: the name of an entry point, or its file.

    Raises:
        StabbenchError: when the metric is unknown, or was registered in this process only.
    """
    path, colon, attribute = name.rpartition(".py:")
    if colon:
        return f"{Path(path).expanduser().resolve()}{colon}{attribute}"
    metric = get(name)
    if not REGISTRY.is_announced(metric.name):
        raise StabbenchError(
            f"the metric {metric.name!r} is registered in this process only, so no trainer finds it.",
            'name its file instead, as in metric="my_metrics.py:KAPPA".',
        )
    return metric.name


def source_of(name: str) -> str:
    """Return the SHA-256 of the file that a metric of one's own stands in, without comments and layout.

    It belongs to the keys of runs, so that an edited metric scores them anew. Empty for a registered metric:
    what is published under one name stays one thing.
    """
    path, colon, _ = name.rpartition(".py:")
    if not colon:
        return ""
    source = Path(f"{path}.py").expanduser().read_text(encoding="utf-8")
    return hashlib.sha256(ast.unparse(ast.parse(source)).encode()).hexdigest()


def _of_file(place: str) -> Metric:
    found: object = REGISTRY.get(place)
    if not isinstance(found, Metric):
        raise StabbenchError(f"{place} is no metric.", "name an object such as LabelMetric(...).")
    other = _find(found.name)
    if other is not None and other != found:  # records would be checked by the other one
        raise _taken(found.name, other)
    return found


def _taken(name: str, other: Metric) -> StabbenchError:
    return StabbenchError(
        f"{name!r} is already a name of the metric {other.name!r}.",
        "choose another name; what is published under one name must stay one thing.",
    )


@cache
def _find(name: str) -> Metric | None:
    if name in REGISTRY.names():
        return REGISTRY.get(name)
    return _aliases().get(_plain(name))


def _registered() -> list[Metric]:
    return [REGISTRY.get(name) for name in REGISTRY.names()]


def _aliases() -> dict[str, Metric]:
    return {_plain(name): metric for metric in _registered() for name in (metric.name, *metric.aliases)}


def _plain(name: str) -> str:
    """Return a name without the marks of who wrote it: ``eval_Accuracy`` and ``dev/accuracy`` are one."""
    return re.sub(r"^(eval|dev|val|validation)[-_/]", "", name.strip().lower()).replace("_", "-")
