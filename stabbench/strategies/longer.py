"""Training for a number of updates, not of epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class Longer(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 6.

    Three epochs of a small task are too few updates, whatever its size; the schedule spans all of them. On a
    larger task a number of updates may be fewer than those of the base: that is refused at planning.

    Attributes:
        steps: updates in all; 400 in the authors' sample command, which is for 1,000 rows in batches of 32
            (three epochs of which are 96 updates).
    """

    summary: ClassVar[str] = "a number of updates, not of epochs; Adam with bias correction"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"

    lengthens: ClassVar[bool] = True

    base: str | None = "bias-correction"
    steps: int = 400

    def recipe(self, base: Recipe) -> Recipe:
        """Set the number of updates."""
        return base.change(steps=self.steps)
