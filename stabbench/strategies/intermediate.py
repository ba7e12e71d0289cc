"""Another task first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from stabbench.strategies import base as strategies


@dataclass
class Intermediate(strategies.Strategy):
    """Phang et al. (2018), "Sentence Encoders on STILTs".

    The encoder is trained on a larger task first; encoder and pooler are kept, the head is drawn anew. One
    intermediate checkpoint serves all seeds, so that its own luck is not part of their spread.

    Attributes:
        task: the intermediate task.
        epochs: passes over it.
    """

    summary: ClassVar[str] = "trained on another task first (STILTs)"
    paper: ClassVar[str] = "Phang et al. 2018, Sentence Encoders on STILTs"

    base: str | None = "bias-correction"
    task: str = "mnli"
    epochs: int = 3

    def initial_weights(self) -> strategies.Intermediate | None:
        """Return the intermediate training: the recipe is the base's."""
        return strategies.Intermediate(self.task, self.epochs, self.base or "bias-correction")
