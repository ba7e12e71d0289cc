"""AdamW with and without bias correction, its parameter groups, the schedule, and clipping.

Weight decay is decoupled and comes before the update (transformers' former AdamW decayed after it; at
learning rate 2e-5 and decay 0.01 the two differ by 5e-10 of a weight per step).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import is_not
from typing import Any

import torch
from torch import nn
from torch.optim.adamw import adamw

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.training.schedule import Schedule, learning_rate_factor

UNCORRECTED_START = 1e8
"""Adam's step count without bias correction: 1 - beta^1e8 is exactly 1, and float32 1e8 + 1 is 1e8."""


CLIP_EPSILON = 1e-6
"""Added to the norm that gradients are divided by, as in torch."""

ALIGNMENT = 16
"""Every parameter begins at a multiple of 16 numbers: aligned as a tensor of its own would be."""


GROUP_VALUES = ("params", "lr", "weight_decay", "name")
"""What a parameter group may say; the rest is the recipe's."""


def as_groups(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return parameter groups with their parameters as lists, whatever iterables they come in.

    Raises:
        StabbenchError: for a group without parameters, or with a value that would be ignored.
    """
    made = []
    for group in groups:
        unknown = [key for key in group if key not in GROUP_VALUES]
        if unknown or "params" not in group:
            cause = f"has {unknown[0]!r}, which nobody reads" if unknown else "has no 'params'"
            raise StabbenchError(
                f"a parameter group {cause}.",
                f"mend parameter_groups: {', '.join(GROUP_VALUES[:3])} are read.",
            )
        params = group["params"]
        made.append({**group, "params": [params] if isinstance(params, torch.Tensor) else list(params)})
    return made


def check_partition(groups: Iterable[dict[str, Any]], model: nn.Module) -> None:
    """Raise a ``StabbenchError`` unless the groups hold every trainable parameter exactly once.

    What is frozen (``requires_grad_(False)`` in ``prepare``) belongs to none: it has no gradient and does not
    decay.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters() if parameter.requires_grad}
    frozen = {id(p): name for name, p in model.named_parameters() if not p.requires_grad}
    action = "mend the strategy's parameter_groups: each trainable parameter belongs to exactly one group."
    seen: set[int] = set()
    for group in groups:
        for parameter in group["params"]:
            name = names.get(id(parameter))
            if id(parameter) in frozen:
                raise StabbenchError(
                    f"a parameter group holds {frozen[id(parameter)]}, which is frozen.",
                    "leave out of parameter_groups what has requires_grad False, or do not freeze it.",
                )
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


@dataclass(eq=False)
class _Chunk:
    """A stretch of the buffers: parameters of one group that have had the same number of updates.

    Attributes:
        group: index of the group.
        updates: how many updates it has had.
        step: Adam's count of them, on the device.
        start: where it begins.
        end: where it ends.
        buffers: its stretch of the weights, gradients, first and second moments.
    """

    group: int
    updates: int
    step: torch.Tensor
    start: int
    end: int
    buffers: tuple[torch.Tensor, ...] = ()


class Optimizer:
    """AdamW as a recipe asks for it, with its schedule and clipping.

    All parameters that have a gradient live in one buffer, and so do their gradients and moments: clipping is
    one operation and AdamW works on a few long tensors, where a hundred short ones take longer to look up
    than to change. A parameter without a gradient is left alone (no weight decay, no momentum), as torch's
    AdamW leaves it; when other parameters have gradients than before, the buffers are laid out anew.

    Args:
        model: its trainable parameters are what is optimized.
        groups: parameter groups; ``lr`` is a peak, missing values are the recipe's.
        recipe: the hyperparameters.
        warmup: number of warm-up updates.
        total: number of all updates.
        tensor_rates: whether what changes from update to update is a tensor on the device, looked up there by
            the number of the update, as a step that is captured needs it. Else it is a Python number, which
            is rounded later; the two agree to float32.

    Attributes:
        layouts: how often the buffers were laid out; a captured step is valid for one layout.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: list[dict[str, Any]],
        recipe: Recipe,
        warmup: int,
        total: int,
        tensor_rates: bool = False,
    ) -> None:
        self.recipe = recipe
        self.warmup = warmup
        self.total = total
        self.update = 0
        self.layouts = 0
        self.peaks = [float(group.get("lr", recipe.learning_rate)) for group in groups]
        self.decays = [float(group.get("weight_decay", recipe.weight_decay)) for group in groups]
        self._group = {p: index for index, group in enumerate(groups) for p in group["params"]}
        trainable = [p for p in model.parameters() if p.requires_grad]
        # model order, those without weight decay last: two stretches in the common case, and one order (hence
        # one rounding of the gradient's norm) however finely a strategy divides the groups
        self._parameters = sorted(trainable, key=lambda p: self.decays[self._group[p]] == 0.0)
        self._present: list[nn.Parameter] = []
        self._views: list[torch.Tensor] = []
        self._gradient = torch.zeros(0)
        self._moments: dict[nn.Parameter, tuple[torch.Tensor, torch.Tensor]] = {}
        self._chunks: list[_Chunk] = []
        self._home: dict[nn.Parameter, _Chunk] = {}
        self._schedule = Schedule(recipe, warmup, total, trainable[0].device) if tensor_rates else None

    @torch.no_grad()
    def clip(self) -> torch.Tensor:
        """Clip the gradients as the recipe says; return the global norm before clipping, a scalar."""
        self._gather()
        norm: torch.Tensor = torch.linalg.vector_norm(self._gradient)
        limit = self.recipe.clip_norm
        if limit is not None:
            if self.recipe.clipping == "global":
                self._gradient.mul_((limit / (norm + CLIP_EPSILON)).clamp(max=1.0))
            else:
                for parameter in self._present:
                    nn.utils.clip_grad_norm_(parameter, limit)
        return norm

    @torch.no_grad()
    def step(self) -> None:
        """Make one update with the gradients as they are, then drop them."""
        self._gather()
        schedule = self._schedule
        now = None if schedule is None else schedule.now()
        factor = learning_rate_factor(self.update, self.warmup, self.total)
        for column, ((group, updates), alike) in enumerate(self._alike()):
            chunks = list(alike)
            weights, gradients, first, second = (
                list(stretches) for stretches in zip(*(chunk.buffers for chunk in chunks), strict=True)
            )
            decay, epsilon = self.decays[group], self._epsilon(updates + 1)
            rate: float | torch.Tensor = self.peaks[group] * factor
            if schedule is not None and now is not None:
                rate = now[0, column]
                if schedule.corrects:
                    for weight in weights if decay else ():
                        weight.addcmul_(weight, now[1, column], value=-decay)
                    decay, epsilon = 0.0, self.recipe.epsilon
            adamw(
                weights,
                gradients,
                first,
                second,
                [],
                [chunk.step for chunk in chunks],
                fused=True,
                amsgrad=False,
                beta1=self.recipe.beta1,
                beta2=self.recipe.beta2,
                lr=rate,
                weight_decay=decay,
                eps=epsilon,
                maximize=False,
            )
        if schedule is not None:
            schedule.advance()
        for chunk in self._chunks:
            chunk.updates += 1
        for parameter in self._present:
            parameter.grad = None
        self.update += 1

    def _alike(self) -> Iterator[tuple[tuple[int, int], Iterator[_Chunk]]]:
        """Yield the chunks that have one rate, with their group and how many updates they have had."""
        return groupby(self._chunks, lambda chunk: (chunk.group, chunk.updates))

    def _gather(self) -> None:
        """Bring the gradients into their buffer; each parameter's becomes a view of it."""
        found = [(p, g) for p in self._parameters if (g := p.grad) is not None]
        present = [p for p, _ in found]
        if len(present) != len(self._present) or any(map(is_not, present, self._present)):
            self._arrange(present)
        views, gradients = [], []
        for (parameter, gradient), view in zip(found, self._views, strict=True):
            if gradient is not view:
                views.append(view)
                gradients.append(gradient)
                parameter.grad = view
        if views:
            torch._foreach_copy_(views, gradients)

    def _arrange(self, present: list[nn.Parameter]) -> None:
        """Lay the buffers out for the parameters that have a gradient now; what they remember goes along."""
        sizes = [-(-parameter.numel() // ALIGNMENT) * ALIGNMENT for parameter in present]
        like = present[0] if present else torch.empty(0)
        buffers = [torch.zeros(sum(sizes), dtype=like.dtype, device=like.device) for _ in range(4)]
        self._present, self._views = present, []
        chunks: list[_Chunk] = []
        start = 0
        for parameter, size in zip(present, sizes, strict=True):
            stretches = [buffer[start : start + parameter.numel()] for buffer in buffers]
            weight, gradient, *moments = [stretch.view_as(parameter) for stretch in stretches]
            weight.copy_(parameter)
            parameter.data = weight
            self._views.append(gradient)
            for new, old in zip(moments, self._moments.get(parameter, ()), strict=False):
                new.copy_(old)
            self._moments[parameter] = (moments[0], moments[1])
            group = self._group[parameter]
            updates = self._home[parameter].updates if parameter in self._home else 0
            if not chunks or (chunks[-1].group, chunks[-1].updates) != (group, updates):
                count = float(updates) if self._is_torchs_correction() else UNCORRECTED_START
                step = torch.full((), count, device=parameter.device)
                chunks.append(_Chunk(group, updates, step, start, start))
            chunks[-1].end = start = start + size
            self._home[parameter] = chunks[-1]
        for chunk in chunks:
            chunk.buffers = tuple(buffer[chunk.start : chunk.end] for buffer in buffers)
        self._gradient = buffers[1]
        self._chunks = sorted(chunks, key=lambda chunk: (chunk.group, chunk.updates))
        self.layouts += 1
        if self._schedule is not None:
            columns = [(self.peaks[group], self.update - updates) for (group, updates), _ in self._alike()]
            self._schedule.lay_out(columns, self.update)

    def _is_torchs_correction(self) -> bool:
        """Return whether torch corrects the moments; else nobody does, or the schedule's rates."""
        return self.recipe.bias_correction and not (self._schedule is not None and self._schedule.corrects)

    def _epsilon(self, update: int) -> float:
        """Return torch's epsilon at a 1-based update, which it adds after the correction of sqrt(v).

        Epsilon before the correction is epsilon / sqrt(1 - beta2^t) after it:
        (sqrt(v) + e) / c = sqrt(v) / c + e / c with c = sqrt(1 - beta2^t).
        """
        recipe = self.recipe
        if not recipe.bias_correction or recipe.epsilon_placement == "after_correction":
            return recipe.epsilon
        return recipe.epsilon / float((1 - recipe.beta2**update) ** 0.5)
