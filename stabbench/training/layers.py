"""Which stacks of encoder layers run by compiled code (``stack``), and which by their modules.

``install`` lets a stack choose in every call: what is not as transformers built it (another module put in, a
hook, another activation), not packed, not on a CPU, not in single precision or not on one thread, is run by
the modules. A strategy may change a model after that as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.modules.module import _has_any_global_hook
from transformers.activations import GELUActivation
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from stabbench.models.structure import encoder_of
from stabbench.training import attention, compiled
from stabbench.training.packing import Rows, rows_of
from stabbench.training.stack import INNER, MULTIPLE, LayerSetting, Setting, Stack

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


IGNORED = ("position_ids", "use_cache")
"""What a stack is called with and its layers do not read."""

WAY = "_stabbench_way"
"""The attribute of a stack that says how it ran last."""

COMPILED, MODULES = "compiled", "modules"


def install(model: nn.Module) -> None:
    """Let the layers of a model run by compiled code, where they are of a known build."""
    for module in encoder_of(model).modules():
        if _class_path(type(module)) in KNOWN:
            for kind in {type(below) for below in module.modules()}:
                for name in METHODS:
                    _originals.setdefault((kind, name), getattr(kind, name, None))
            module.__class__ = _choosing(type(module))  # type: ignore[arg-type]  # a class has a hash


def way_of(model: nn.Module) -> str:
    """Return how the layers of a model ran last: the compiled code's name, or ``modules`` and why."""
    if not any(_class_path(type(module).__mro__[1]) in KNOWN for module in encoder_of(model).modules()):
        return MODULES
    library = compiled.library()
    if library.functions is None:
        return f"{MODULES} ({library.name})"
    ways = [getattr(module, WAY) for module in encoder_of(model).modules() if hasattr(module, WAY)]
    return f"{COMPILED} {library.name}" if ways == [COMPILED] else MODULES


@cache
def _choosing(kind: Any) -> Any:
    """Return a subclass of a stack's class whose instances choose how they run."""

    class ChoosingEncoder(kind):  # type: ignore[misc]
        """A stack that runs by compiled code where it can."""

        def forward(
            self,
            hidden_states: torch.Tensor,
            attention_mask: torch.Tensor | None = None,
            *args: Any,
            **named: Any,
        ) -> Any:
            """Return what the stack's own class returns."""

            def by_modules(hidden: torch.Tensor) -> Any:
                return super(ChoosingEncoder, self).forward(hidden, attention_mask, *args, **named)

            others = (*args, *(value for name, value in named.items() if name not in IGNORED))
            given = _given(self, hidden_states, attention_mask, others, by_modules)
            setattr(self, WAY, MODULES if given is None else COMPILED)
            if given is None:
                return by_modules(hidden_states)
            output = Stack.apply(*given)  # type: ignore[no-untyped-call]
            return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=output)

        def __reduce__(self) -> Any:
            """Let pickle find this class, which no module has, by the stack's own."""
            return _blank, (kind,), vars(self)

    ChoosingEncoder.__name__ = ChoosingEncoder.__qualname__ = kind.__name__
    return ChoosingEncoder


def _blank(kind: Any) -> Any:
    """Return a stack of a class whose instances choose how they run, before it gets its contents."""
    chooses = _choosing(kind)
    return chooses.__new__(chooses)


_originals: dict[tuple[type, str], Any] = {}
"""The methods that classes had when models were installed: who replaces one later means it to be run."""


class _Anatomy:
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
        plain = _class_path(type(stack).__bases__[0])
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


_anatomies: WeakKeyDictionary[nn.Module, _Anatomy] = WeakKeyDictionary()


def _given(
    stack: nn.Module,
    hidden: torch.Tensor,
    mask: torch.Tensor | None,
    others: tuple[Any, ...],
    by_modules: Any,
) -> tuple[Any, ...] | None:
    """Return what ``Stack`` is to be called with, or ``None`` where the modules have to run."""
    rows = rows_of(mask)
    if not isinstance(rows, Rows) or not _is_plain(hidden) or torch.get_num_threads() != 1:
        return None
    if any(other is not None for other in others):  # a cache, or another sequence to attend to
        return None
    anatomy = _anatomies.get(stack)
    if anatomy is None or not anatomy.is_current():
        anatomy = _anatomies[stack] = _Anatomy(stack)
    if not anatomy.fits or anatomy.is_touched() or torch.is_autocast_enabled("cpu"):
        return None
    parameters = [holder.get(name) for holder, name in anatomy.holders]
    functions = compiled.library().functions
    if functions is None or not all(map(_is_plain, parameters)):
        return None
    heads = anatomy.attends[0].num_attention_heads
    if hidden.shape[:2] != (1, len(rows.pack)) or not _fit_together(
        hidden.shape[2], heads, anatomy.attends, [parameter.shape for parameter in parameters]
    ):
        return None
    layers = []
    for attend, dropouts, norms in zip(anatomy.attends, anatomy.dropouts, anatomy.norms, strict=True):
        training = (
            attend.training,
            *(dropout.training for dropout in dropouts[1:]),
        )  # as attention is called
        rates = tuple(dropout.p if on else 0.0 for dropout, on in zip(dropouts, training, strict=True))
        layers.append(LayerSetting(attend.scaling, rates, tuple(norm.eps for norm in norms)))

    def again(hidden: torch.Tensor, parameters: Sequence[torch.Tensor]) -> Any:
        with _put(anatomy.holders, parameters):
            return by_modules(hidden).last_hidden_state

    setting = Setting(
        functions=functions,
        rows=rows,
        heads=heads,
        layers=tuple(layers),
        by_modules=again,
        trains=torch.is_grad_enabled(),
    )
    return setting, hidden, *parameters


@contextmanager
def _put(holders: Sequence[tuple[dict[str, Any], str]], parameters: Sequence[torch.Tensor]) -> Iterator[None]:
    """Let modules have those parameters for a while: a functional call's are theirs only while it lasts."""
    before = [holder.get(name) for holder, name in holders]
    try:
        for (holder, name), parameter in zip(holders, parameters, strict=True):
            holder[name] = parameter
        yield
    finally:
        for (holder, name), own in zip(holders, before, strict=True):
            holder[name] = own


def _fit_together(width: int, heads: int, attends: Sequence[Any], shapes: Sequence[torch.Size]) -> bool:
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


def _is_plain(tensor: torch.Tensor | None) -> bool:
    """Return whether a tensor is where the compiled code can read it."""
    return (
        tensor is not None
        and type(tensor) in (torch.Tensor, nn.Parameter)
        and tensor.dtype is torch.float32
        and tensor.device.type == "cpu"
        and tensor.is_contiguous()
    )


def _fits(plain: str, modules: dict[str, Any]) -> bool:
    """Return whether a layer is what the compiled code stands for, as far as its modules say.

    Args:
        plain: path of the stack's class.
        modules: those of the layer, by name.
    """
    types = {name: type(module) for name, module in modules.items()}
    paths = {name: _class_path(kind) for name, kind in types.items()}
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


def _class_path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"
