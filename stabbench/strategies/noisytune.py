"""Noise on the pre-trained weights before fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.models.structure import encoder_of
from stabbench.strategies.base import Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class NoisyTune(Strategy):
    """Wu et al. (2022), "NoisyTune: A Little Noise Can Help You Finetune Pretrained Language Models Better".

    Every tensor of the encoder gets w += U(-lambda/2, lambda/2) * std(w), once, before training (formula 2).

    Attributes:
        lambda_: relative size of the noise; 0.15 in the paper.
        tensors: ``all`` of the encoder's tensors, as in the paper, or ``matrices`` only.
    """

    summary: ClassVar[str] = "noise on the pre-trained weights before fine-tuning"
    paper: ClassVar[str] = "Wu et al. 2022, NoisyTune"
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = "values"

    base: str | None = "bias-correction"
    lambda_: float = 0.15
    tensors: Literal["all", "matrices"] = "all"

    def __post_init__(self) -> None:
        if self.lambda_ < 0:
            raise ValueError(f"lambda={self.lambda_} is negative.")

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Add the noise; a tensor of one number has no spread and stays."""
        import torch

        if not self.lambda_:
            return
        with torch.no_grad():
            for weight in encoder_of(model).parameters():
                if weight.numel() > 1 and (weight.dim() > 1 or self.tensors == "all"):
                    noise = torch.empty_like(weight).uniform_(-0.5, 0.5, generator=generator)
                    weight.add_(noise * (self.lambda_ * weight.std()))
