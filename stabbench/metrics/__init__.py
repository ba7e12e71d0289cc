"""Metrics: what is scored on the dev set, which scores are better, and what a constant predictor reaches.

A metric is an object in a file of its own kind and a line among the entry points of ``pyproject.toml``; a
user's own is ``register(LabelMetric(...))``. ``docs/metrics.md`` shows both.
"""

from __future__ import annotations

from stabbench.metrics.base import (
    ClassifierMetric,
    Counts,
    LabelMetric,
    LossMetric,
    Metric,
    NumberMetric,
    entropy,
)
from stabbench.metrics.classification import confusion
from stabbench.metrics.names import REGISTRY, for_classifiers, get, named, reference, register, source_of

__all__ = [
    "REGISTRY",
    "ClassifierMetric",
    "Counts",
    "LabelMetric",
    "LossMetric",
    "Metric",
    "NumberMetric",
    "confusion",
    "entropy",
    "for_classifiers",
    "get",
    "named",
    "reference",
    "register",
    "source_of",
]
