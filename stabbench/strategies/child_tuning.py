"""Updates of a random part of the network only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stabbench.strategies.base import Step, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class ChildTuning(Strategy):
    """Xu et al. (2021), "Raise a Child in Large Language Model", Child-Tuning_F (section 3.1).

    In every update each gradient is kept with probability p and divided by p, else set to zero; this is after
    clipping and before Adam's moments, as in the authors' optimizer.

    Attributes:
        p: probability of keeping a gradient; 0.3 in the authors' code. 1 is the base.
    """

    summary: ClassVar[str] = "gradients of a random part of the weights only (task-free)"
    paper: ClassVar[str] = "Xu et al. 2021, Raise a Child in Large Language Model"

    base: str | None = "bias-correction"
    p: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 < self.p <= 1.0:
            raise ValueError(f"p={self.p} is not a probability above 0.")

    def before_step(self, model: torch.nn.Module, step: Step) -> None:
        """Mask the gradients."""
        import torch

        if self.p == 1.0:
            return
        for weight in model.parameters():
            if weight.grad is not None:
                mask = torch.empty_like(weight.grad).bernoulli_(self.p, generator=step.generator)
                weight.grad.mul_(mask.div_(self.p))
