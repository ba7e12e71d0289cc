"""Traces of a run, kept on the device until it ends: loss, gradient norms, norms by layer."""

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
    """What is measured in every update, in tables on the device: nobody waits for it.

    Args:
        model: the model, on its device.
        base_prefix: what the names of the encoder's parameters begin with.
        updates: how many there are.

    Attributes:
        layers: the trainable parameters of each part of the network.
        losses: [updates], float32; an update that was not made has 0, here and below.
        norms: global gradient norms before clipping, likewise.
        layer_norms: norms by part [traced updates, parts], likewise.
    """

    def __init__(self, model: nn.Module, base_prefix: str, updates: int) -> None:
        self.every = max(1, updates // LAYER_POINTS)
        self.layers: dict[str, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.layers.setdefault(layer_of(name, base_prefix), []).append(parameter)
        device = next(model.parameters()).device
        self._positions = torch.arange(updates, device=device)
        self.losses = torch.zeros(updates, device=device)
        self.norms = torch.zeros(updates, device=device)
        points = -(-updates // self.every)
        self.layer_norms = torch.zeros(points, len(self.layers), device=device)

    def is_due(self, update: int) -> bool:
        """Return whether an update (0-based) has its norms by layer recorded."""
        return update % self.every == 0

    def gradients(self, index: torch.Tensor) -> None:
        """Take the layers' gradient norms before clipping in the update with this number, a tensor []."""
        gradients = [[p.grad for p in part if p.grad is not None] for part in self.layers.values()]
        # one call for all tensors: the call costs more than its arithmetic in a small encoder
        norms = torch.stack(torch._foreach_norm(list(chain.from_iterable(gradients))))
        parts = torch.split(norms, [len(part) for part in gradients])
        row = torch.stack([torch.linalg.vector_norm(part) for part in parts])
        point = torch.div(index, self.every, rounding_mode="floor")
        here = self._positions[: len(self.layer_norms), None] == point
        torch.where(here, row, self.layer_norms, out=self.layer_norms)

    def update(self, index: torch.Tensor, loss: torch.Tensor, norm: torch.Tensor) -> None:
        """Keep the loss and the global gradient norm of the update with this number, a tensor []."""
        here = self._positions == index
        self.losses.masked_fill_(here, loss.detach())
        self.norms.masked_fill_(here, norm.detach())

    def first_nonfinite(self, start: int, end: int) -> int | None:
        """Return the first update from ``start`` to before ``end`` whose loss is NaN or infinite.

        It waits for the device.
        """
        bad = torch.nonzero(~torch.isfinite(self.losses[start:end]))
        return start + int(bad[0]) if len(bad) else None

    def arrays(self, updates: int) -> Arrays:
        """Return the traces of the first updates as arrays (see ``stabbench.runs.record.Arrays``)."""
        points = -(-updates // self.every)
        return {
            "loss": self.losses[:updates].cpu().numpy(),
            "gradient_norm": self.norms[:updates].cpu().numpy(),
            "trace_steps": (torch.arange(points) * self.every).numpy().astype("int64"),
            "layer_norms": self.layer_norms[:points].cpu().numpy(),
        }
