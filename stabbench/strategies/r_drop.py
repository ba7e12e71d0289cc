"""Two passes with different dropout, held together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.strategies.base import Batch, Step, Strategy

if TYPE_CHECKING:
    import torch


def symmetric_divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return KL(p||q) + KL(q||p) of two rows of logits [rows, classes], one number a row."""
    p, q = one.log_softmax(-1), other.log_softmax(-1)
    divergence: torch.Tensor = ((p.exp() - q.exp()) * (p - q)).sum(-1)
    return divergence


@dataclass
class RDrop(Strategy):
    """Liang et al. (2021), "R-Drop: Regularized Dropout for Neural Networks", formulae 1 to 4.

    Every batch passes twice, with dropout of its own; the loss is CE1 + CE2 + alpha/2 (KL(1||2) + KL(2||1)).

    Attributes:
        alpha: weight of the divergence; 0.5 in the authors' code for GLUE. 0 is the base, with one pass.
        reduction: ``sum`` over the rows of the batch, as in the authors' code, or their ``mean``.
    """

    summary: ClassVar[str] = "two passes with different dropout, held together by their divergence"
    paper: ClassVar[str] = "Liang et al. 2021, R-Drop"

    base: str | None = "bias-correction"
    alpha: float = 0.5
    reduction: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha={self.alpha} is negative.")

    def loss(self, model: torch.nn.Module, batch: Batch, step: Step) -> torch.Tensor:
        """Return the loss of two passes."""
        first = model(**batch)
        if not self.alpha:
            return first.loss  # type: ignore[no-any-return]  # transformers' outputs have no types
        second = model(**batch)
        rows = symmetric_divergence(first.logits, second.logits)
        divergence = rows.sum() if self.reduction == "sum" else rows.mean()
        loss: torch.Tensor = first.loss + second.loss + self.alpha / 2 * divergence
        return loss
