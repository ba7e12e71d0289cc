"""Re-initialisation of the top layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stabbench.models.families import count_layers, no_layers
from stabbench.models.structure import layers_of, pooler_of
from stabbench.strategies.base import Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class Reinit(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 5.

    The top layers and the pooler are drawn anew: weights of linear layers from N(0, initializer_range),
    biases 0, normalisation weights 1. Embeddings stay. A head that pools by itself (RoBERTa, ELECTRA,
    DistilBERT) is drawn anew in every run anyway.

    Attributes:
        layers: how many layers from the top; 5 of 24 in the authors' sample command.
        pooler: whether the encoder's pooler is drawn anew as well.
    """

    summary: ClassVar[str] = "top layers and pooler drawn anew"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = "values"

    base: str | None = "bias-correction"
    layers: int = 5
    pooler: bool = True

    def __post_init__(self) -> None:
        if self.layers < 0:
            raise ValueError(f"layers={self.layers} is negative.")

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Refuse models whose layers cannot be told apart, or are too few."""
        if not self.layers:
            return None
        depth = count_layers(config)
        if depth is not None and self.layers > depth:
            return f"it has {depth} layers, fewer than layers={self.layers}."
        return no_layers(config)

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Draw the top layers and the pooler anew from the strategy's stream."""
        chosen = layers_of(model)[-self.layers :] if self.layers else []
        pooler = pooler_of(model) if self.pooler and self.layers else None
        std = float(getattr(model.config, "initializer_range", 0.02))
        for part in (*chosen, *([pooler] if pooler is not None else [])):
            for module in part.modules():
                _draw(module, std, generator)


def _draw(module: torch.nn.Module, std: float, generator: torch.Generator) -> None:
    import torch

    is_norm = "norm" in type(module).__name__.lower()
    with torch.no_grad():
        for name, parameter in module.named_parameters(recurse=False):
            if name.endswith("bias"):
                parameter.zero_()
            elif is_norm:
                parameter.fill_(1.0)
            elif isinstance(module, torch.nn.Linear):
                parameter.normal_(0.0, std, generator=generator)
