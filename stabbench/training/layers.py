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
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from stabbench.models.structure import encoder_of
from stabbench.training import compiled
from stabbench.training.anatomy import KNOWN, Anatomy, class_path, fit_together, remember_methods
from stabbench.training.packing import Rows, rows_of
from stabbench.training.stack import LayerSetting, Setting, Stack

IGNORED = ("position_ids", "use_cache")
"""What a stack is called with and its layers do not read."""

WAY = "_stabbench_way"
"""The attribute of a stack that says how it ran last."""

COMPILED, MODULES = "compiled", "modules"


def install(model: nn.Module) -> None:
    """Let the layers of a model run by compiled code, where they are of a known build."""
    for module in encoder_of(model).modules():
        if class_path(type(module)) in KNOWN:
            remember_methods(module)
            module.__class__ = _choosing(type(module))  # type: ignore[arg-type]  # a class has a hash


def way_of(model: nn.Module) -> str:
    """Return how the layers of a model ran last: the compiled code's name, or ``modules`` and why."""
    if not any(class_path(type(module).__mro__[1]) in KNOWN for module in encoder_of(model).modules()):
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


_anatomies: WeakKeyDictionary[nn.Module, Anatomy] = WeakKeyDictionary()


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
        anatomy = _anatomies[stack] = Anatomy(stack)
    if not anatomy.fits or anatomy.is_touched() or torch.is_autocast_enabled("cpu"):
        return None
    parameters = [holder.get(name) for holder, name in anatomy.holders]
    functions = compiled.library().functions
    if functions is None or not all(map(_is_plain, parameters)):
        return None
    heads = anatomy.attends[0].num_attention_heads
    if hidden.shape[:2] != (1, len(rows.pack)) or not fit_together(
        hidden.shape[2], heads, anatomy.attends, [parameter.shape for parameter in parameters]
    ):
        return None
    layers = []
    for attend, dropouts, norms in zip(anatomy.attends, anatomy.dropouts, anatomy.norms, strict=True):
        training = (attend.training, *(dropout.training for dropout in dropouts[1:]))  # as they are called
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


def _is_plain(tensor: torch.Tensor | None) -> bool:
    """Return whether a tensor is where the compiled code can read it."""
    return (
        tensor is not None
        and type(tensor) in (torch.Tensor, nn.Parameter)
        and tensor.dtype is torch.float32
        and tensor.device.type == "cpu"
        and tensor.is_contiguous()
    )
