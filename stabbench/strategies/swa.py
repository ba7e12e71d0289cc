"""The average of the last updates' weights."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stabbench.strategies.base import Step, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class SWA(Strategy):
    """Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and Better Generalization".

    From some update on the weights after every update enter an equal average (``torch.optim.swa_utils``),
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
        self._average: torch.nn.Module | None = None

    def phase(self, update: int, total: int) -> int:
        """Return how many updates were averaged before this one; negative before averaging begins."""
        return update - min(int(self.start * total), total - 1)

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Take the weights into the average."""
        assert isinstance(step.phase, int)
        if step.phase == 0:
            self._average = copy.deepcopy(model)
        elif step.phase > 0 and self._average is not None:
            from torch.optim.swa_utils import get_swa_multi_avg_fn

            average = get_swa_multi_avg_fn()  # type: ignore[no-untyped-call]  # torch leaves it without types
            average(list(self._average.parameters()), list(model.parameters()), step.phase)

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the averaged model, once there is one."""
        return model if self._average is None else self._average
