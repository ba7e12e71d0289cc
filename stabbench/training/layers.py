"""Which encoder layers run as one node of the graph (``layers_formula``), and which by their modules.

``install`` lets the layers choose in every call: what is not as transformers built it (another module put in,
a hook, another activation), not packed, not on a CPU or not in the precision of its weights, is run by the
modules. A strategy may change a model after that as it likes.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.modules.module import _has_any_global_hook
from transformers.activations import GELUActivation

from stabbench.models.structure import encoder_of
from stabbench.training import attention
from stabbench.training.layers_formula import Layer, Setting, layout_of
from stabbench.training.packing import Rows, rows_of

LAYER = "Layer"

KNOWN = tuple(
    f"transformers.models.{folder}.modeling_{folder}.{prefix}{LAYER}"
    for folder, prefix in (
        ("bert", "Bert"),
        ("roberta", "Roberta"),
        ("xlm_roberta", "XLMRoberta"),
        ("camembert", "Camembert"),
        ("electra", "Electra"),
    )
)
"""Classes of layers that are built alike, where they are defined."""

CONTAINERS = {
    "attention": "Attention",
    "attention.self": "SelfAttention",
    "attention.output": "SelfOutput",
    "intermediate": "Intermediate",
    "output": "Output",
}
"""Modules of a layer that only call others; their classes are named like the layer's, with this for Layer."""

WEIGHTED = {
    "attention.self.query": nn.Linear,
    "attention.self.key": nn.Linear,
    "attention.self.value": nn.Linear,
    "attention.output.dense": nn.Linear,
    "attention.output.LayerNorm": nn.LayerNorm,
    "intermediate.dense": nn.Linear,
    "output.dense": nn.Linear,
    "output.LayerNorm": nn.LayerNorm,
}
"""Modules with a weight and a bias, in the order in which ``_Layer`` takes these."""

DROPOUTS = ("attention.self.dropout", "attention.output.dropout", "output.dropout")
"""In the order in which they draw."""

ACTIVATION = "intermediate.intermediate_act_fn"

PRECISIONS = (torch.float32, torch.float64)

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where a module keeps its hooks."""


def install(model: nn.Module) -> None:
    """Let the layers of a model run as one node each, where they are of a known build."""
    for layer in encoder_of(model).modules():
        if _class_path(type(layer)) in KNOWN:
            layer.__class__ = _choosing(type(layer))  # type: ignore[arg-type]  # a class has a hash


@cache
def _choosing(kind: Any) -> Any:
    """Return a subclass of a layer's class whose instances choose how they run."""

    class ChoosingLayer(kind):  # type: ignore[misc]
        """A layer that runs as one node of the graph where it can."""

        def forward(
            self,
            hidden_states: torch.Tensor,
            attention_mask: torch.Tensor | None = None,
            *args: Any,
            **named: Any,
        ) -> Any:
            """Return what the layer's own class returns."""
            given = _given(self, hidden_states, attention_mask, (*args, *named.values()))
            if given is None:
                return super().forward(hidden_states, attention_mask, *args, **named)
            return Layer.apply(*given)  # type: ignore[no-untyped-call]

    ChoosingLayer.__name__ = ChoosingLayer.__qualname__ = kind.__name__
    return ChoosingLayer


class _Anatomy:
    """A layer's modules as they were found.

    Attributes:
        fits: whether they are what the formula stands for.
        attend: what does attention.
        dropouts: the modules of dropout.
        norms: the normalisations.
        holders: for each of ``Layer``'s parameters the dictionary that has it, and its name there.
    """

    def __init__(self, layer: nn.Module) -> None:
        modules = dict(layer.named_modules())
        self._links = [
            (parent._modules, name, child, type(child))
            for parent in modules.values()
            for name, child in parent._modules.items()
        ]
        self._below = [vars(module) for module in modules.values() if module is not layer]
        self._hooks = [below[name] for below in self._below for name in HOOKS]
        self.fits = _fits(layer, modules)
        if self.fits:
            self.attend: Any = modules["attention.self"]
            self.dropouts: list[Any] = [modules[name] for name in DROPOUTS]
            self.norms: list[Any] = [modules[name] for name, kind in WEIGHTED.items() if kind is nn.LayerNorm]
            self.holders = [(modules[n]._parameters, kind) for n in WEIGHTED for kind in ("weight", "bias")]

    def is_current(self) -> bool:
        """Return whether every module is still in its place, and of the class that it was of."""
        return all(
            there.get(name) is child and type(child) is kind for there, name, child, kind in self._links
        )

    def is_touched(self) -> bool:
        """Return whether somebody wants to be told when a module runs, or has replaced how it does."""
        changed = any(self._hooks) or any("forward" in below for below in self._below)
        return changed or bool(_has_any_global_hook())  # type: ignore[no-untyped-call]


_anatomies: WeakKeyDictionary[nn.Module, _Anatomy] = WeakKeyDictionary()


def _given(
    layer: nn.Module, hidden: torch.Tensor, mask: torch.Tensor | None, others: tuple[Any, ...]
) -> tuple[Any, ...] | None:
    """Return what ``Layer`` is to be called with, or ``None`` where the modules have to run."""
    rows = rows_of(mask)
    dtype = hidden.dtype
    if not isinstance(rows, Rows) or hidden.device.type != "cpu" or dtype not in PRECISIONS:
        return None
    if any(other is not None for other in others):  # a cache, or another sequence to attend to
        return None
    anatomy = _anatomies.get(layer)
    if anatomy is None or not anatomy.is_current():
        anatomy = _anatomies[layer] = _Anatomy(layer)
    if not anatomy.fits or anatomy.is_touched() or torch.is_autocast_enabled("cpu"):
        return None
    parameters = [holder.get(name) for holder, name in anatomy.holders]
    if any(parameter is None or parameter.dtype != dtype for parameter in parameters):
        return None
    attend, dropouts, norms = anatomy.attend, anatomy.dropouts, anatomy.norms
    training = (attend.training, *(dropout.training for dropout in dropouts[1:]))  # as attention is called
    setting = Setting(
        layout=layout_of(rows, attend.num_attention_heads, dtype),
        scale=attend.scaling,
        rates=tuple(dropout.p if on else 0.0 for dropout, on in zip(dropouts, training, strict=True)),
        epsilon=tuple(norm.eps for norm in norms),
    )
    return setting, hidden, *parameters


def _fits(layer: Any, modules: dict[str, Any]) -> bool:
    """Return whether a layer is what the formula stands for, as far as its modules say."""
    plain = _class_path(type(layer).__bases__[0])
    types = {name: type(module) for name, module in modules.items()}
    paths = {name: _class_path(kind) for name, kind in types.items()}
    return (
        all(paths.get(name) == plain.replace(LAYER, role) for name, role in CONTAINERS.items())
        and all(types.get(name) is kind for name, kind in WEIGHTED.items())
        and all(types.get(name) is attention.Dropout for name in DROPOUTS)
        and types.get(ACTIVATION) is GELUActivation
        and modules[ACTIVATION].act is nn.functional.gelu
        and modules["attention.self"].config._attn_implementation == attention.NAME
        and not (layer.is_decoder or layer.add_cross_attention or layer.chunk_size_feed_forward)
    )


def _class_path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
