"""The learning rate of every update: as a number, and as a table on the device for steps that are captured.

A captured step is the same operators with the same Python numbers again and again, so what changes must be a
tensor. Torch's AdamW takes a tensor for the learning rate alone; weight decay and epsilon are numbers.

With bias correction and epsilon before it, epsilon after it would change with every update (see
``Optimizer``). But the correction can go into the rate instead: with c1 = 1 - beta1^t, c2 = sqrt(1 - beta2^t)

    rate (m / c1) / ((sqrt(v) + e) / c2)  =  (rate c2 / c1) m / (sqrt(v) + e),

the uncorrected step with another rate and a constant epsilon. Weight decay goes with the rate itself, so that
it is a step of its own then.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from stabbench.recipe import Recipe


def learning_rate_factor(update: int, warmup: int, total: int) -> float:
    """Return the factor of the peak learning rate at a 0-based update: linear up, then linear to 0.

    The first update of a warm-up has factor 0, as in transformers' linear schedule.
    """
    if update < warmup:
        return update / warmup
    return max(0.0, (total - update) / max(1, total - warmup))


class Schedule:
    """Rates on the device, looked up by the number of the update.

    Args:
        recipe: the hyperparameters.
        warmup: number of warm-up updates.
        total: number of all updates.
        device: where the table lies.

    Attributes:
        corrects: whether bias correction is in the rates.
    """

    def __init__(self, recipe: Recipe, warmup: int, total: int, device: torch.device) -> None:
        self.corrects = recipe.bias_correction and recipe.epsilon_placement == "before_correction"
        self._betas = recipe.beta1, recipe.beta2
        factors = [learning_rate_factor(update, warmup, total) for update in range(total)]
        self._factors = torch.tensor(factors, dtype=torch.float64)
        self._index = torch.zeros((), dtype=torch.int64, device=device)
        self._table = torch.zeros(0, device=device)

    def lay_out(self, columns: Sequence[tuple[float, int]], update: int) -> None:
        """Make the table.

        Args:
            columns: of each of its columns the peak rate, and how many updates its parameters have missed.
            update: number of the next update.
        """
        peaks = torch.tensor([peak for peak, _ in columns], dtype=torch.float64)
        missed = torch.tensor([missed for _, missed in columns], dtype=torch.float64)
        rates = self._factors[:, None] * peaks
        steps = rates
        if self.corrects:
            beta1, beta2 = self._betas
            counts = (torch.arange(len(rates), dtype=torch.float64)[:, None] - missed + 1).clamp(min=1)
            steps = rates * (1 - beta2**counts).sqrt() / (1 - beta1**counts)
        self._table = torch.stack([steps, rates], dim=1).float().to(self._index.device)
        self._index.fill_(update)

    def now(self) -> torch.Tensor:
        """Return step sizes and rates of the next update, [2, columns]."""
        return self._table.index_select(0, self._index)[0]

    def advance(self) -> None:
        """Go on to the next update."""
        self._index.add_(1)
