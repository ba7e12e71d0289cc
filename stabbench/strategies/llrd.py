"""Layer-wise learning-rate decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stabbench.models.families import no_layers
from stabbench.models.structure import depths_of
from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class LayerwiseDecay(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 5; Howard and Ruder (2018).

    Head, pooler and what follows the last layer learn at the recipe's rate, layer i (0-based, of N) at
    rate * decay^(N-i), embeddings and what layers share at rate * decay^(N+1).

    Attributes:
        decay: factor from one layer to the one below; 1 is the base.
        head_decay: ``recipe`` decays the head's weights as the recipe says; ``none`` does not decay head and
            pooler, as a side effect of the code of Zhang et al. (whose weight decay is 0 anyway) and of
            Du and Nguyen.
    """

    summary: ClassVar[str] = "lower layers learn more slowly"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"

    base: str | None = "bias-correction"
    decay: float = 0.95
    head_decay: Literal["recipe", "none"] = "recipe"

    def __post_init__(self) -> None:
        if not 0.0 < self.decay <= 1.0:
            raise ValueError(f"decay={self.decay} is not between 0 and 1.")

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Refuse models whose layers cannot be told apart."""
        return no_layers(config)

    def parameter_groups(self, model: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
        """Divide the default groups by depth."""
        from stabbench.strategies.groups import decay_groups

        depths = depths_of(model)
        groups = []
        for group in decay_groups(model, recipe.weight_decay):
            for depth in sorted({depths[p] for p in group["params"]}):
                weight_decay = group["weight_decay"]
                if depth == 0 and self.head_decay == "none":
                    weight_decay = 0.0
                groups.append(
                    {
                        "params": [p for p in group["params"] if depths[p] == depth],
                        "lr": recipe.learning_rate * self.decay**depth,
                        "weight_decay": weight_decay,
                    }
                )
        return groups
