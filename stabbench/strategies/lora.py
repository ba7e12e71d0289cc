"""Low-rank adapters."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stabbench.errors import StabbenchError
from stabbench.models.families import unknown_family
from stabbench.models.structure import encoder_of, known_family
from stabbench.recipe import Recipe
from stabbench.strategies.base import Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class LoRA(Strategy):
    """Hu et al. (2021), "LoRA: Low-Rank Adaptation of Large Language Models", section 4, through ``peft``.

    The encoder is frozen; query and value projections get W + (alpha / rank) B A, B zero at first. Adapters
    and head are trained. What is evaluated and saved has the adapters merged: a plain model.

    Attributes:
        rank: of the adapters; 8 in the paper.
        alpha: their scale, before it is divided by the rank; 16 for BERT-like models in the authors' scripts.
        rate_factor: of the base's learning rate: the paper takes 4e-4 for RTE where fine-tuning takes 2e-5.
    """

    summary: ClassVar[str] = "low-rank adapters, everything else frozen but the head"
    paper: ClassVar[str] = "Hu et al. 2021, LoRA"
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = "frozen"

    base: str | None = "bias-correction"
    rank: int = 8
    alpha: float = 16.0
    rate_factor: float = 20.0

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or self.rate_factor <= 0:
            raise ValueError("rank must be 1 or more, alpha and rate_factor above 0.")

    def recipe(self, base: Recipe) -> Recipe:
        """Raise the learning rate."""
        return base.change(learning_rate=base.learning_rate * self.rate_factor)

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Refuse model classes whose projections are not known by name."""
        return unknown_family(config)

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Put the adapters in, drawn from the strategy's stream, and freeze the rest of the encoder."""
        import torch

        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise StabbenchError("lora needs the package peft.", "pip install 'stabbench[lora]'.") from error
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=0.0,
            target_modules=list(known_family(model).query_and_value),
        )
        inject_adapter_in_model(config, model)
        encoder = set(encoder_of(model).parameters())
        for name, weight in model.named_parameters():
            weight.requires_grad = "lora_" in name or weight not in encoder
            if "lora_A" in name:  # as peft does: Kaiming's uniform with a = sqrt(5)
                with torch.no_grad():
                    bound = weight.shape[1] ** -0.5
                    weight.uniform_(-bound, bound, generator=generator)

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return a copy with the adapters merged into the weights."""
        from peft.tuners.lora import LoraLayer

        plain = copy.deepcopy(model)
        for parent in list(plain.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, LoraLayer):
                    child.merge()
                    setattr(parent, name, child.get_base_layer())
        return plain
