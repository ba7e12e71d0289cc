"""Weight decay towards the pre-trained weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stabbench.models.families import unknown_family
from stabbench.models.structure import encoder_of, pooler_of
from stabbench.recipe import Recipe
from stabbench.strategies.base import Step, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class PretrainedDecay(Strategy):
    """Zhang et al. (2021), "Revisiting Few-sample BERT Fine-tuning", section 5, after Wiese et al. (2017).

    In every update w -= rate * lambda * (w - w0) takes the place of weight decay, before Adam's step, for the
    weights that the recipe decays (no biases, no normalisation). The weights are shifted by w0 around the
    optimizer's own decoupled decay, so that it follows the rate of every group. With lambda = 0 the run is
    that of the base, its weight decay included.

    Attributes:
        lambda_: strength; 1e-3 in the script of Zhang et al., 0.01 with Du and Nguyen.
        head: what the head decays to: ``start``, its random initialisation, is what the code of Zhang et al.
            does; ``none`` is what it means to do; ``zero`` is Du and Nguyen's, for the pooler too.
    """

    summary: ClassVar[str] = "weight decay towards the pre-trained weights"
    paper: ClassVar[str] = "Zhang et al. 2021, Revisiting Few-sample BERT Fine-tuning"
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = "memory"

    base: str | None = "bias-correction"
    lambda_: float = 1e-3
    head: Literal["start", "zero", "none"] = "start"

    def __post_init__(self) -> None:
        if self.lambda_ < 0:
            raise ValueError(f"lambda={self.lambda_} is negative.")
        self._weights: list[torch.Tensor] = []
        self._targets: list[torch.Tensor] = []
        self._free: list[tuple[torch.Tensor, torch.Tensor]] = []

    def recipe(self, base: Recipe) -> Recipe:
        """Let the optimizer decay by lambda."""
        return base.change(weight_decay=self.lambda_) if self.lambda_ else base

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Refuse models whose pooler, which is to decay to zero, is not known."""
        return unknown_family(config) if self.head == "zero" else None

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Remember the weights."""
        if not self.lambda_:
            return
        from stabbench.strategies.groups import decay_groups

        encoder = set(encoder_of(model).parameters())
        pooler = pooler_of(model) if self.head == "zero" else None
        to_zero = set(pooler.parameters()) if pooler is not None else set()
        for weight in decay_groups(model, self.lambda_)[0]["params"]:
            start = weight.detach().clone()
            if weight not in encoder and self.head == "none":
                self._free.append((weight, start))
            elif (weight in encoder or self.head == "start") and weight not in to_zero:
                self._weights.append(weight)
                self._targets.append(start)

    def before_step(self, model: torch.nn.Module, step: Step) -> None:
        """Measure the weights from where they decay to."""
        import torch

        with torch.no_grad():
            for weight, now in self._free:
                now.copy_(weight)
                weight.zero_()
            if self._weights:
                torch._foreach_sub_(self._weights, self._targets)

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Measure them from zero again."""
        import torch

        with torch.no_grad():
            for weight, now in self._free:
                weight.add_(now)
            if self._weights:
                torch._foreach_add_(self._weights, self._targets)
