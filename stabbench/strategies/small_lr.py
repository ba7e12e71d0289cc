"""A smaller learning rate, trained longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class SmallLearningRate(Strategy):
    """Mosbach et al. (2021), "On the Stability of Fine-tuning BERT", section 5 and Fig. 5.

    Without bias correction the first updates are too large; a smaller learning rate makes them small enough
    as well, and what it loses in speed longer training makes good.

    Attributes:
        factor: of the base's learning rate; 0.5 makes the 1e-5 of Fig. 5 from BERT's 2e-5.
        epochs: passes over the training set.
    """

    summary: ClassVar[str] = "a smaller learning rate, trained longer, without bias correction"
    paper: ClassVar[str] = "Mosbach et al. 2021, On the Stability of Fine-tuning BERT"

    base: str | None = "devlin"
    factor: float = 0.5
    epochs: int = 20

    def recipe(self, base: Recipe) -> Recipe:
        """Lower the learning rate and raise the number of epochs."""
        return base.change(learning_rate=base.learning_rate * self.factor, epochs=self.epochs, steps=None)
