"""The recipe of Mosbach et al.: what they call "ours"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class Ours(Strategy):
    """Mosbach et al. (2021), "On the Stability of Fine-tuning BERT", section 6.

    Bias correction and 20 epochs; the warm-up is 10 % of these 20, everything else as in Devlin.

    Attributes:
        epsilon_placement: ``before_correction`` adds Adam's epsilon to sqrt(v) before its correction,
            as the authors' optimizer does; ``after_correction`` after it, as torch's AdamW does.
    """

    summary: ClassVar[str] = "20 epochs, Adam with bias correction"
    paper: ClassVar[str] = "Mosbach et al. 2021, On the Stability of Fine-tuning BERT"

    epsilon_placement: Literal["before_correction", "after_correction"] = "before_correction"

    def recipe(self, base: Recipe) -> Recipe:
        """Take 20 epochs, with bias correction."""
        return base.change(
            epochs=20, steps=None, bias_correction=True, epsilon_placement=self.epsilon_placement
        )
