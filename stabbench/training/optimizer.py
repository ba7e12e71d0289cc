"""AdamW with and without bias correction, its parameter groups, the schedule, and clipping.

Weight decay is decoupled and comes before the update (transformers' former AdamW decayed after it; at
learning rate 2e-5 and decay 0.01 the two differ by 5e-10 of a weight per step).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from stabbench.errors import StabbenchError
from stabbench.spec import Recipe

UNCORRECTED_START = 1e8
"""Adam's step count without bias correction: 1 - beta^1e8 is exactly 1, and float32 1e8 + 1 is 1e8."""


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two groups of all trainable parameters: with weight decay, and without.

    Biases and the weights of normalisation layers are not decayed (Devlin et al., 2019). A
    normalisation layer is told by its class, not by its name, since names differ between families.
    """
    decayed: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        is_norm = "norm" in type(module).__name__.lower()
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            (exempt if is_norm or name.endswith("bias") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": exempt, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def check_partition(groups: Iterable[dict[str, Any]], model: nn.Module) -> None:
    """Raise a ``StabbenchError`` unless the groups hold every trainable parameter exactly once."""
    names = {id(parameter): name for name, parameter in model.named_parameters() if parameter.requires_grad}
    action = "mend the strategy's parameter_groups: each trainable parameter belongs to exactly one group."
    seen: set[int] = set()
    for group in groups:
        for parameter in group["params"]:
            name = names.get(id(parameter))
            if name is None:
                raise StabbenchError(
                    f"a parameter group holds a tensor of shape {tuple(parameter.shape)} that is no "
                    "trainable parameter of the model.",
                    action,
                )
            if id(parameter) in seen:
                raise StabbenchError(f"the parameter groups repeat {name}.", action)
            seen.add(id(parameter))
    missing = [name for number, name in names.items() if number not in seen]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise StabbenchError(f"the parameter groups miss {missing[0]}{more}.", action)


def learning_rate_factor(update: int, warmup: int, total: int) -> float:
    """Return the factor of the peak learning rate at a 0-based update: linear up, then linear to 0.

    The first update of a warm-up has factor 0, as in transformers' linear schedule.
    """
    if update < warmup:
        return update / warmup
    return max(0.0, (total - update) / max(1, total - warmup))


class Optimizer:
    """AdamW as a recipe asks for it, with its schedule and clipping.

    Args:
        model: its parameters' order is that of the global norm's sum, however they are grouped.
        groups: parameter groups; ``lr`` is a peak, missing values are the recipe's.
        recipe: the hyperparameters.
        warmup: number of warm-up updates.
        total: number of all updates.
    """

    def __init__(
        self, model: nn.Module, groups: list[dict[str, Any]], recipe: Recipe, warmup: int, total: int
    ) -> None:
        self.recipe = recipe
        self.warmup = warmup
        self.total = total
        self.update = 0
        self.adam = torch.optim.AdamW(
            groups,
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            eps=recipe.epsilon,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.peaks = [group["lr"] for group in self.adam.param_groups]
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not recipe.bias_correction:
            self._start_at(UNCORRECTED_START)

    def _start_at(self, step: float) -> None:
        state = {
            index: {
                "step": torch.tensor(step),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
            for index, parameter in enumerate(p for group in self.adam.param_groups for p in group["params"])
        }
        self.adam.load_state_dict({**self.adam.state_dict(), "state": state})

    def clip(self) -> torch.Tensor:
        """Clip the gradients as the recipe says; return the global norm before clipping, a scalar."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        if self.recipe.clip_norm is not None:
            if self.recipe.clipping == "global":
                torch.nn.utils.clip_grads_with_norm_(
                    self.parameters, self.recipe.clip_norm, norm, foreach=True
                )
            else:
                for parameter in self.parameters:
                    torch.nn.utils.clip_grad_norm_(parameter, self.recipe.clip_norm, foreach=True)
        return norm

    def step(self) -> None:
        """Make one update with the gradients as they are, then drop them."""
        factor = learning_rate_factor(self.update, self.warmup, self.total)
        epsilon = self._epsilon()
        for group, peak in zip(self.adam.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
            group["eps"] = epsilon
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.update += 1

    def _epsilon(self) -> float:
        """Return torch's epsilon, which it adds after the correction of sqrt(v).

        Epsilon before the correction is epsilon / sqrt(1 - beta2^t) after it, t counted from 1:
        (sqrt(v) + e) / c = sqrt(v) / c + e / c with c = sqrt(1 - beta2^t).
        """
        recipe = self.recipe
        if not recipe.bias_correction or recipe.epsilon_placement == "after_correction":
            return recipe.epsilon
        return recipe.epsilon / float((1 - recipe.beta2 ** (self.update + 1)) ** 0.5)
