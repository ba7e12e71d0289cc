"""Training for a number of updates, not of epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class Longer(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 6.

    Three epochs of a small task are too few updates, whatever its size; the schedule spans all of them.

    Attributes:
        steps: updates in all; 400 in the authors' sample command.
    """

    summary: ClassVar[str] = "a number of updates, not of epochs; Adam with bias correction"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"

    base: str | None = "bias-correction"
    steps: int = 400

    def recipe(self, base: Recipe) -> Recipe:
        """Set the number of updates."""
        return base.change(steps=self.steps)
