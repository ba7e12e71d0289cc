"""Noise on the embeddings, and a penalty for what it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.strategies.base import Batch, Step, Strategy
from stabbench.strategies.r_drop import symmetric_divergence

if TYPE_CHECKING:
    import torch


@dataclass
class R3F(Strategy):
    """Aghajanyan et al. (2020), "Better Fine-Tuning by Reducing Representational Collapse", section 3.

    The loss is CE + lambda (KL(p||q) + KL(q||p)), q predicted from word embeddings with noise; that pass
    sees detached embeddings, and its divergence is a mean over rows, as in the authors' code.

    Attributes:
        lambda_: weight of the divergence; with 0 there is one pass: the base.
        epsilon: size of the noise: half the width of ``uniform``, the standard deviation of ``normal``.
        noise: its distribution.
    """

    summary: ClassVar[str] = "noise on the embeddings, and a penalty for what it changes"
    paper: ClassVar[str] = "Aghajanyan et al. 2020, Better Fine-Tuning by Reducing Representational Collapse"

    base: str | None = "bias-correction"
    lambda_: float = 1.0
    epsilon: float = 1e-5
    noise: Literal["uniform", "normal"] = "uniform"

    def __post_init__(self) -> None:
        if self.lambda_ < 0 or self.epsilon <= 0:
            raise ValueError(
                f"lambda={self.lambda_} must not be negative, epsilon={self.epsilon} be positive."
            )

    def loss(self, model: torch.nn.Module, batch: Batch, step: Step) -> torch.Tensor:
        """Return the loss of a clean and a noised pass."""
        import torch

        clean = model(**batch)
        if not self.lambda_:
            return clean.loss  # type: ignore[no-any-return]  # transformers' outputs have no types
        inputs = {name: value for name, value in batch.items() if name not in ("input_ids", "labels")}
        words = model.get_input_embeddings()(batch["input_ids"]).detach()  # type: ignore[operator]
        noise = torch.empty_like(words)
        if self.noise == "uniform":
            noise.uniform_(-self.epsilon, self.epsilon, generator=step.generator)
        else:
            noise.normal_(0.0, self.epsilon, generator=step.generator)
        noised = model(inputs_embeds=words + noise, **inputs)
        divergence = symmetric_divergence(clean.logits, noised.logits).mean()
        loss: torch.Tensor = clean.loss + self.lambda_ * divergence
        return loss
