"""Devlin's recipe with one thing mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy


@dataclass
class BiasCorrection(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 4.

    Adam's moments start at zero and are divided by 1 - beta^t to make up for it (Kingma and Ba, 2015,
    algorithm 1). Without that the first updates are up to 6.57 times as large (beta2 = 0.999).

    Attributes:
        epsilon_placement: ``before_correction`` adds Adam's epsilon to sqrt(v) before its correction,
            as transformers' former AdamW does; ``after_correction`` after it, as torch's AdamW does.
    """

    summary: ClassVar[str] = "Devlin's recipe, Adam with bias correction"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"

    base: str | None = "devlin"
    epsilon_placement: Literal["before_correction", "after_correction"] = "before_correction"

    def recipe(self, base: Recipe) -> Recipe:
        """Turn bias correction on."""
        return base.change(bias_correction=True, epsilon_placement=self.epsilon_placement)
