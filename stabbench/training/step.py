"""A training step: the only definition of one. Eager runs call it in every update, captured ones record it.

It works on tensors of the device alone. What changes from update to update is looked up there by the
update's number, which is a tensor as well; what Python knows beforehand is the step's key, and an update
with the same key is the same sequence of operators.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import nn

from stabbench.recipe import Precision
from stabbench.strategies import Step, Strategy
from stabbench.training import environment
from stabbench.training.hooks import hook
from stabbench.training.optimizer import Optimizer
from stabbench.training.plan import Plan, Shape
from stabbench.training.traces import Traces


@dataclass(frozen=True)
class Key:
    """What Python knows of a step.

    Attributes:
        shape: of its batch.
        phase: what the strategy's ``phase`` returned.
        traced: whether gradient norms are taken layer by layer.
    """

    shape: Shape
    phase: Hashable
    traced: bool


@dataclass(frozen=True)
class Training:
    """What the steps of a run work on; all tensors stay where they are from the first step to the last.

    Attributes:
        model: the model.
        strategy: whose hooks run.
        generator: its stream.
        optimizer: clips, and updates the weights.
        plan: the batches.
        traces: what is measured.
        precision: of the forward pass.
        updates: how many steps there are.
        index: 0-based number of the next one, an integer tensor [] on the device.
    """

    model: nn.Module
    strategy: Strategy
    generator: torch.Generator
    optimizer: Optimizer
    plan: Plan
    traces: Traces
    precision: Precision
    updates: int
    index: torch.Tensor

    def key(self, update: int) -> Key:
        """Return the key of a step by its number."""
        phase = hook(self.strategy, "phase", update, self.updates)
        return Key(self.plan.shapes[update], phase, self.traces.is_due(update))


def train_step(run: Training, key: Key) -> None:
    """Make the next update, which has this key.

    Raises:
        RunError: when a hook of the strategy raises.
    """
    model, strategy = run.model, run.strategy
    step = Step(run.index, run.generator, key.phase)
    with environment.precision(run.precision, run.index.device):
        loss = hook(strategy, "loss", model, run.plan.batch(run.index, key.shape), step)
        penalty = hook(strategy, "penalty", model, step)
    (loss if penalty is None else loss + penalty).backward()
    if key.traced:
        run.traces.gradients(run.index)
    run.traces.update(run.index, loss, run.optimizer.clip())
    hook(strategy, "before_step", model, step)
    run.optimizer.step()
    hook(strategy, "after_step", model, step)
    run.index.add_(1)
