"""A stack of BERT-like layers on packed rows as one node of the graph, computed by ``stack.c``.

In a small encoder on a CPU most of a step is spent on the way to the operators, not in them: a layer has
some fifty, most of them short. Here a pass through all layers is one call. It computes what transformers'
modules with ``stabbench.training.attention`` do, and drops by the same random bits: both agree to rounding.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from stabbench.training import attention
from stabbench.training.packing import Rows, rounded

N_PARAMETERS = 16
"""Of a layer: weight and bias of query, key, value, attention's output, its normalisation, the inner and the
last linear layer, and their normalisation."""

JOINT = (0, 2, 4, 1, 3, 5)
"""The first six of them, as their gradients lie one after the other."""

INNER = 10
"""The weight of the inner layer among them."""

MULTIPLE = 16
"""Widths are multiples of this."""

NUMBER = 4
"""Bytes of a number."""

SPARE = 2
"""Workspaces that are kept: of a step, and of a strategy that makes two passes."""

BITS = 16
"""Random bits that decide about one number."""

_Address, _Integer = ctypes.c_void_p, ctypes.c_int64
_Addresses = _Address * N_PARAMETERS


class _Dropout(ctypes.Structure):
    """``struct dropout``."""

    _fields_ = (("bits", _Address), ("threshold", _Integer), ("scale", ctypes.c_double))


class _Layer(ctypes.Structure):
    """``struct layer``."""

    _fields_ = (
        *((name, _Integer) for name in ("tokens", "width", "heads", "inner", "rows")),
        ("row", _Address),
        ("trains", _Integer),
        ("scale", ctypes.c_double),
        ("epsilon", ctypes.c_double * 2),
        ("weights", _Dropout),
        ("outputs", _Dropout * 2),
        ("x", _Address),
        ("parameters", _Addresses),
        *((name, _Address) for name in ("saved", "scratch", "output", "gradient", "of_x")),
        ("of_parameters", _Addresses),
    )


@dataclass(frozen=True)
class LayerSetting:
    """What a layer is besides its weights.

    Attributes:
        scale: factor of the scores.
        rates: dropout of attention weights, of attention's output and of the layer's.
        epsilon: of the two normalisations.
    """

    scale: float
    rates: tuple[float, ...]
    epsilon: tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """What a call depends on besides its tensors.

    Attributes:
        functions: the compiled code.
        rows: how the tokens lie.
        heads: of attention.
        layers: one for each layer, the lowest first.
        by_modules: what does the same with a graph of its own: hidden states and parameters -> hidden states.
        trains: whether a backward pass may follow.
    """

    functions: ctypes.CDLL
    rows: Rows
    heads: int
    layers: tuple[LayerSetting, ...]
    by_modules: Callable[[torch.Tensor, Sequence[torch.Tensor]], torch.Tensor]
    trains: bool


class Stack(torch.autograd.Function):
    """The layers: inputs are their setting, hidden states [1, tokens, width], their parameters in turn."""

    @staticmethod
    def forward(ctx: Any, setting: Setting, hidden: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        """Return the last layer's output, [1, tokens, width]."""
        layers, trains = setting.layers, setting.trains
        random = torch.get_rng_state() if trains else None
        attention_bits, row = _rows(setting.rows, setting.heads)
        tokens, width = hidden.shape[1:]
        available = (attention_bits, tokens * width, tokens * width)
        counts = [
            n if rate > 0.0 else 0 for layer in layers for n, rate in zip(available, layer.rates, strict=True)
        ]
        # one draw gives the words that the modules draw one mask after the other
        bits = torch.empty(sum(counts) * BITS // 64, dtype=torch.int64, device="cpu")
        if len(bits):
            bits.random_(-(2**63), None)
        drops = _drops(bits, counts, [rate for layer in layers for rate in layer.rates])

        inner = parameters[INNER].shape[0]
        shape = (tokens, width, setting.heads, inner, len(row) // 3, ctypes.addressof(row))
        sizes = (_Integer * 2)()
        setting.functions.space(ctypes.byref(_Layer(*shape)), sizes)
        workspace = _Workspace(sizes[1] + sizes[0] * (len(layers) if trains else 1))
        scratch = workspace.room.data_ptr()
        saved = scratch + sizes[1] * NUMBER
        states = [hidden]
        calls = (_Layer * len(layers))()
        for number, layer in enumerate(layers):
            states.append(torch.empty_like(hidden))
            own, (of_weights, *of_outputs) = _own(parameters, number), drops[3 * number : 3 * number + 3]
            calls[number] = _Layer(
                *(*shape, trains, layer.scale, layer.epsilon, of_weights, tuple(of_outputs)),
                *(states[-2].data_ptr(), _addresses(own), saved, scratch, states[-1].data_ptr()),
            )
            saved += sizes[0] * NUMBER * trains
        setting.functions.forward(calls, _Integer(len(calls)))
        if trains:
            ctx.setting, ctx.random, ctx.calls = setting, random, calls
            # what the calls point at is held as it is: what is saved may be handed back as a copy
            ctx.held = (row, workspace, states[1:-1], bits)
            ctx.save_for_backward(*parameters, hidden)
        return states[-1]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """Return the gradients of what ``forward`` takes."""
        setting: Setting = ctx.setting
        calls = ctx.calls
        saved: tuple[torch.Tensor, ...] = ctx.saved_tensors
        *parameters, hidden = saved
        of_hidden, *needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # the gradient is to have one itself, which only the modules' graph gives
            return None, *_by_modules(
                setting, ctx.random, (hidden, *parameters), (of_hidden, *needed), gradients[0]
            )
        calls[0].x = hidden.data_ptr()
        lowest = 0 if of_hidden else needed.index(True) // N_PARAMETERS
        passed = [gradients[0].contiguous()]
        found: list[torch.Tensor | None] = [None] * len(needed)
        for number in reversed(range(lowest, len(calls))):
            call, own = calls[number], _own(parameters, number)
            made, call.of_parameters = _gradients(own, _own(needed, number))
            found[N_PARAMETERS * number : N_PARAMETERS * (number + 1)] = made
            call.parameters = _addresses(own)
            call.gradient, call.of_x = passed[-1].data_ptr(), None
            if number > lowest or of_hidden:
                passed.append(torch.empty_like(passed[0]))
                call.of_x = passed[-1].data_ptr()
        first = ctypes.byref(calls, lowest * ctypes.sizeof(_Layer))
        setting.functions.backward(first, _Integer(len(calls) - lowest))
        return None, passed[-1] if of_hidden else None, *found


class _Workspace:
    """Room for numbers, which somebody else gets when nobody holds this any more.

    A step takes megabytes; if they went back to the system, new pages would cost it as much as products do.
    """

    _spare: ClassVar[list[torch.Tensor]] = []

    def __init__(self, size: int) -> None:
        self.room = self._spare.pop() if self._spare else _numbers(0)
        if len(self.room) < size:
            self.room = _numbers(0)  # what is too small makes room first
            self.room = _numbers(size)

    def __del__(self) -> None:
        if len(self._spare) < SPARE:
            self._spare.append(self.room)


def _numbers(size: int) -> torch.Tensor:
    """Return room for numbers as the compiled code has them, whatever the defaults are."""
    return torch.empty(size, dtype=torch.float32, device="cpu")


def _own(of_all: Sequence[Any], layer: int) -> Sequence[Any]:
    return of_all[N_PARAMETERS * layer : N_PARAMETERS * (layer + 1)]


def _addresses(tensors: Sequence[torch.Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return _Addresses(*[tensor.data_ptr() for tensor in tensors])


def _rows(rows: Rows, heads: int) -> tuple[int, ctypes.Array[ctypes.c_int64]]:
    """Return how many bits the attention weights of a layer need, and where those of each row lie.

    Like attention by modules it has bits for padded rows, so that both drop the same.
    """
    table: list[int] = []
    bits = 0
    for lengths in rows.parts:
        longest = rounded(lengths[-1])
        for length in lengths:
            table += (length, longest, bits)
            bits += heads * longest * longest
    return bits, (_Integer * len(table))(*table)


def _drops(bits: torch.Tensor, counts: Sequence[int], rates: Sequence[float]) -> list[_Dropout]:
    """Divide random bits among those who drop by them."""
    drops, at = [], bits.data_ptr()
    for count, rate in zip(counts, rates, strict=True):
        threshold, scale = attention.threshold_and_scale(rate)
        drops.append(_Dropout(at if count else None, threshold, scale))
        at += count * BITS // 8
    return drops


def _gradients(
    parameters: Sequence[torch.Tensor], needed: Sequence[bool]
) -> tuple[list[torch.Tensor | None], ctypes.Array[ctypes.c_void_p]]:
    """Return room for the gradients that a layer needs, ``None`` for others, and the addresses.

    What only lies within a joint gradient is computed with it.
    """
    joint = [any(needed[:6:2])] * 3 + [any(needed[1:6:2])] * 3
    order = (*JOINT, *range(len(JOINT), N_PARAMETERS))
    sizes = [
        parameters[i].numel() if room else 0 for i, room in zip(order, (*joint, *needed[6:]), strict=True)
    ]
    room = _numbers(sum(sizes))
    made: list[torch.Tensor | None] = [None] * N_PARAMETERS
    addresses = _Addresses()
    at = room.data_ptr()
    for i, size, piece in zip(order, sizes, room.split_with_sizes(sizes), strict=True):
        if size:
            addresses[i] = at
            at += size * NUMBER
        if needed[i]:
            made[i] = piece.view(parameters[i].shape) if parameters[i].ndim > 1 else piece
    return made, addresses


def _by_modules(
    setting: Setting,
    random: torch.Tensor,
    inputs: tuple[torch.Tensor, ...],
    needed: tuple[bool, ...],
    gradient: torch.Tensor,
) -> list[torch.Tensor | None]:
    """Return the gradients with a graph of their own: the same pass again, with the same random bits."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(random)
        output = setting.by_modules(inputs[0], inputs[1:])
    wanted = [x for x, need in zip(inputs, needed, strict=True) if need]
    found = iter(torch.autograd.grad(output, wanted, gradient, create_graph=True))
    return [next(found) if need else None for need in needed]
