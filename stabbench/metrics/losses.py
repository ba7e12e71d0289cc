"""Metrics of a mean loss, and what training scripts report of the way to a target."""

from __future__ import annotations

import math

from stabbench.metrics.base import LossMetric, Metric

LOSS = LossMetric(
    "loss",
    better="lower",
    range=(0, math.inf),
    aliases=("cross-entropy", "log-loss", "nll"),
    compute=lambda loss: loss,
)
"""Mean cross-entropy on the dev set, in nats."""

PERPLEXITY = LossMetric("perplexity", better="lower", range=(1, math.inf), aliases=("ppl",), compute=math.exp)
"""Exponential of the mean cross-entropy."""

STEPS_TO_TARGET = Metric("steps-to-target", better="lower", range=(0, math.inf))
"""Updates until a target is reached; a run that never reaches it has the limit, which is the constant."""
