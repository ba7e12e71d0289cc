"""Traces of a run, kept on the device until an epoch ends: loss, gradient norms, norms by layer."""

from __future__ import annotations

import re
from itertools import chain

import torch
from torch import nn

from stabbench.runs import Arrays

LAYER_POINTS = 60
"""About how many updates of a run have their gradient norms by layer recorded."""

_LAYER = re.compile(r"\.(\d+)\.")
"""The first number in a parameter's name is that of its layer, whatever the family calls its layers."""


def layer_of(name: str, base_prefix: str) -> str:
    """Return the part of the network that a parameter belongs to, from its name.

    One of ``embeddings``, ``layer.N``, ``pooler``, ``encoder`` (anything else below the head), ``head``.
    """
    if not name.startswith(f"{base_prefix}."):
        return "head"
    numbered = _LAYER.search(name)
    if numbered:
        return f"layer.{int(numbered.group(1))}"
    for part in ("embeddings", "pooler"):
        if f".{part}." in name:
            return part
    return "encoder"


class Traces:
    """What is measured in every update, without waiting for the device."""

    def __init__(self, model: nn.Module, base_prefix: str, updates: int) -> None:
        self.every = max(1, updates // LAYER_POINTS)
        self.layers: dict[str, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.layers.setdefault(layer_of(name, base_prefix), []).append(parameter)
        self.losses: list[torch.Tensor] = []
        self.norms: list[torch.Tensor] = []
        self.layer_norms: list[torch.Tensor] = []

    def gradients(self, update: int) -> None:
        """Take the layers' gradient norms before clipping, if this update (0-based) is due."""
        if update % self.every:
            return
        gradients = [[p.grad for p in part if p.grad is not None] for part in self.layers.values()]
        # one call for all tensors: the call costs more than its arithmetic in a small encoder
        norms = torch.stack(torch._foreach_norm(list(chain.from_iterable(gradients))))
        parts = torch.split(norms, [len(part) for part in gradients])
        self.layer_norms.append(torch.stack([torch.linalg.vector_norm(part) for part in parts]))

    def update(self, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Keep the loss and the global gradient norm of an update."""
        self.losses.append(loss.detach())
        self.norms.append(norm.detach())

    def first_nonfinite(self, start: int) -> int | None:
        """Return the first update from ``start`` on whose loss is NaN or infinite (waits for the device)."""
        losses = torch.stack(self.losses[start:])
        bad = torch.nonzero(~torch.isfinite(losses))
        return start + int(bad[0]) if len(bad) else None

    def arrays(self) -> Arrays:
        """Return the traces as arrays (see ``stabbench.runs.record.Arrays``)."""
        layer_norms = torch.stack(self.layer_norms).float().cpu().numpy()
        steps = torch.arange(len(self.layer_norms)) * self.every
        return {
            "loss": torch.stack(self.losses).float().cpu().numpy(),
            "gradient_norm": torch.stack(self.norms).float().cpu().numpy(),
            "trace_steps": steps.numpy().astype("int64"),
            "layer_norms": layer_norms,
        }
