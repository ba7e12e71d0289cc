"""What a stack of encoder layers consists of: whether it is as transformers built it, and still is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import _has_any_global_hook
from transformers.activations import GELUActivation

from stabbench.training import attention
from stabbench.training.stack import INNER, MULTIPLE

ENCODER, LAYER = "Encoder", "Layer"

KNOWN = tuple(
    f"transformers.models.{folder}.modeling_{folder}.{prefix}{ENCODER}"
    for folder, prefix in (
        ("bert", "Bert"),
        ("roberta", "Roberta"),
        ("xlm_roberta", "XLMRoberta"),
        ("camembert", "Camembert"),
        ("electra", "Electra"),
    )
)
"""Classes of stacks whose layers are built alike, where they are defined."""

CONTAINERS = {
    "": LAYER,
    "attention": "Attention",
    "attention.self": "SelfAttention",
    "attention.output": "SelfOutput",
    "intermediate": "Intermediate",
    "output": "Output",
}
"""Modules of a layer that only call others: their classes have the stack's name, with this for Encoder."""

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
"""Modules with a weight and a bias, in the order in which ``Stack`` takes these."""

DROPOUTS = ("attention.self.dropout", "attention.output.dropout", "output.dropout")
"""In the order in which they draw."""

ACTIVATION = "intermediate.intermediate_act_fn"

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where a module keeps its hooks."""

METHODS = ("forward", "feed_forward_chunk")
"""By what a module runs, of itself or of its class."""


_originals: dict[tuple[type, str], Any] = {}
"""The methods that classes had when models were installed: who replaces one later means it to be run."""


def remember_methods(stack: nn.Module) -> None:
    """Remember by what a stack's modules run, before anybody may have replaced it."""
    for kind in {type(module) for module in stack.modules()}:
        for name in METHODS:
            _originals.setdefault((kind, name), getattr(kind, name, None))


class Anatomy:
    """A stack's modules as they were found.

    Attributes:
        fits: whether they are what the compiled code stands for.
        layers: the layers, the lowest first; one may stand in several places.
        attends: of each layer what does attention.
        dropouts: of each layer the modules of dropout.
        norms: of each layer the normalisations.
        holders: for each of ``Stack``'s parameters the dictionary that has it, and its name there.
    """

    def __init__(self, stack: nn.Module) -> None:
        below = [module for module in stack.modules() if module is not stack]
        self._children = [(parent._modules, dict(parent._modules)) for parent in (stack, *below)]
        self._kinds = [(module, type(module)) for module in below]
        kinds = {kind for _, kind in self._kinds}
        self._methods = [(kind, name, _originals.get((kind, name))) for kind in kinds for name in METHODS]
        self._below = [vars(module) for module in below]
        self._hooks = [vars(module)[name] for module in below for name in HOOKS]
        container: Any = stack.get_submodule("layer")
        self.layers: list[Any] = list(container) if type(container) is nn.ModuleList else []
        parts = [dict(layer.named_modules()) for layer in self.layers]
        plain = class_path(type(stack).__bases__[0])
        self.fits = bool(parts) and all(_fits(plain, modules) for modules in parts)
        if self.fits:
            self.attends: list[Any] = [modules["attention.self"] for modules in parts]
            self.dropouts: list[list[Any]] = [[modules[name] for name in DROPOUTS] for modules in parts]
            norms = [name for name, kind in WEIGHTED.items() if kind is nn.LayerNorm]
            self.norms: list[list[Any]] = [[modules[name] for name in norms] for modules in parts]
            self.holders = [
                (modules[name]._parameters, kind)
                for modules in parts
                for name in WEIGHTED
                for kind in ("weight", "bias")
            ]

    def is_current(self) -> bool:
        """Return whether every module is still in its place, and of the class that it was of."""
        placed = all(now == before for now, before in self._children)
        return placed and all(type(module) is kind for module, kind in self._kinds)

    def is_touched(self) -> bool:
        """Return whether somebody wants to be told when a module runs, or has replaced how it does."""
        changed = any(self._hooks) or any(name in below for below in self._below for name in METHODS)
        changed = changed or any(getattr(kind, name, None) is not was for kind, name, was in self._methods)
        checkpointed = any(layer.gradient_checkpointing for layer in self.layers)
        return changed or checkpointed or bool(_has_any_global_hook())  # type: ignore[no-untyped-call]


def fit_together(width: int, heads: int, attends: Sequence[Any], shapes: Sequence[torch.Size]) -> bool:
    """Return whether layers attend alike and have the shapes that the compiled code takes for granted."""
    line, inner = (width,), shapes[INNER][0]
    layer = [
        *((width, width), line) * 4,
        *(line, line),
        *((inner, width), (inner,)),
        *((width, inner), line),
        *(line, line),
    ]
    alike = all(
        (attend.num_attention_heads, attend.attention_head_size) == (heads, width // heads)
        and attend.config._attn_implementation == attention.NAME
        for attend in attends
    )
    return alike and width % heads == 0 and inner % MULTIPLE == 0 and shapes == layer * len(attends)


def _fits(plain: str, modules: dict[str, Any]) -> bool:
    """Return whether a layer is what the compiled code stands for, as far as its modules say.

    Args:
        plain: path of the stack's class.
        modules: those of the layer, by name.
    """
    types = {name: type(module) for name, module in modules.items()}
    paths = {name: class_path(kind) for name, kind in types.items()}
    if not (
        all(paths.get(name) == plain.replace(ENCODER, role) for name, role in CONTAINERS.items())
        and all(types.get(name) is kind for name, kind in WEIGHTED.items())
        and all(types.get(name) is attention.Dropout for name in DROPOUTS)
        and types.get(ACTIVATION) is GELUActivation
    ):
        return False
    layer, attend = modules[""], modules["attention.self"]
    return (
        modules[ACTIVATION].act is nn.functional.gelu
        and not (layer.is_decoder or layer.add_cross_attention or layer.chunk_size_feed_forward)
        and attend.attention_head_size % MULTIPLE == 0
    )


def class_path(kind: type) -> str:
    """Return where a class is defined."""
    return f"{kind.__module__}.{kind.__name__}"
