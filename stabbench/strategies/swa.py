"""The average of the last updates' weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.strategies.base import Step, Strategy

if TYPE_CHECKING:
    import torch
    from torch.optim.swa_utils import AveragedModel


@dataclass
class SWA(Strategy):
    """Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and Better Generalization".

    From some update on the weights after every update enter an equal average (torch's ``AveragedModel``),
    which is what is evaluated. The schedule is the recipe's: the linear decay of fine-tuning, not the
    constant or cyclic rate of the paper.

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
        self._average: AveragedModel | None = None

    def phase(self, update: int, total: int) -> Literal["train", "average"]:
        """Average from the given share of the updates on."""
        return "average" if update >= min(int(self.start * total), total - 1) else "train"

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Take the weights into the average."""
        if step.phase == "average":
            from torch.optim.swa_utils import AveragedModel

            if self._average is None:
                self._average = AveragedModel(model)
            self._average.update_parameters(model)

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the averaged model, once there is one."""
        if self._average is None:
            return model
        averaged: torch.nn.Module = self._average.module
        return averaged
