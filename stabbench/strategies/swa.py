"""The average of the last updates' weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.strategies.base import Step, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class SWA(Strategy):
    """Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and Better Generalization".

    From some update on the weights after every update enter an equal average, which is what is evaluated.
    The schedule is the recipe's: the linear decay of fine-tuning, not the constant or cyclic rate of the
    paper.

    Attributes:
        start: share of the updates after which averaging begins; 0.75 in the paper. 1 averages the last
            one only, which is the base.
    """

    summary: ClassVar[str] = "the average of the weights of the last updates"
    paper: ClassVar[str] = "Izmailov et al. 2018, Averaging Weights Leads to Wider Optima"

    base: str | None = "bias-correction"
    start: float = 0.75

    def __post_init__(self) -> None:
        if not 0.0 <= self.start <= 1.0:
            raise ValueError(f"start={self.start} is no share.")
        self._first = 0
        self._average: torch.nn.Module | None = None

    def phase(self, update: int, total: int) -> Literal["before", "first", "later"]:
        """Return whether the weights after this update are averaged, and are the first that are."""
        self._first = min(int(self.start * total), total - 1)
        return "before" if update < self._first else "first" if update == self._first else "later"

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Take the weights into the average."""
        if step.phase == "first":
            self._average = copy.deepcopy(model)
        elif step.phase == "later" and self._average is not None:
            import torch

            averages: list[torch.Tensor] = list(self._average.parameters())
            share = torch.reciprocal(step.index - self._first + 1)  # of the newest weights: a tensor
            with torch.no_grad():
                torch._foreach_lerp_(averages, [*model.parameters()], [share] * len(averages))

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the averaged model, once there is one."""
        return model if self._average is None else self._average
