"""Padding-free layers: the real tokens of a batch one after the other, not rows filled up to the longest.

About half of what a padded batch of sentences computes is padding. Between the first and the last layer of an
encoder the hidden states [rows, longest, width] are packed into [1, tokens, width], rows of like length side
by side, and only attention has to know where a row begins. What comes before (embeddings) and after (pooler,
head) sees padded tensors, so models, strategies and whatever else surrounds the layers need not know of it.

``install`` sets three hooks. The encoder's notes how the rows lie and hands that to the layers in the place
of the mask; the stack's own two pack and unpack. A call that asks for hidden states or attention weights
takes the padded way, which is the tests' reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from stabbench.models.families import packable_stack
from stabbench.models.structure import encoder_of

COLUMNS = 16
"""Softmax on a CPU is fast over multiples of this many columns."""

GROUPS = 4
"""Rows are attended to in so many groups of like length,"""

GROUP_FROM = 32
"""where the longest of them has more tokens than this."""

_ROWS = "_stabbench_rows"
_NOTED = "_stabbench_noted_rows"


class Rows:
    """How the tokens of a batch lie one after the other, by its mask on a CPU: the shortest row first.

    Args:
        mask: true or 1 where a token is, [rows, padded length], on the CPU; no row is empty.

    Attributes:
        shape: rows and padded length of the batch.
        pack: for each packed token its place in [rows * padded length].
        unpack: for each place its packed token, or the number of tokens where there is none.
        positions: the place of each packed token within its row, [1, tokens].
        parts: the lengths of the rows, in groups of like length.
        has_tail: whether places without a token follow the packed ones.
    """

    has_tail = False

    def __init__(self, mask: torch.Tensor) -> None:
        columns = mask.shape[1]
        self.shape = (mask.shape[0], columns)
        lengths, order = mask.sum(dim=1).sort(stable=True)
        self.parts = tuple(_divided(lengths.tolist()))
        self._groups: dict[int, tuple[Group, ...]] = {}
        row, column = mask[order].nonzero(as_tuple=True)
        self.pack = order[row] * columns + column
        self.unpack = torch.full((mask.numel(),), len(self.pack))
        self.unpack[self.pack] = torch.arange(len(self.pack))
        self.positions = column[None]

    def groups(self, heads: int) -> tuple[Group, ...]:
        """Return the rows in groups of like length, with indices for so many heads."""
        if heads not in self._groups:
            starts = accumulate(map(sum, self.parts), initial=0)
            parts = zip(self.parts, starts, strict=False)
            self._groups[heads] = tuple(_group(part, start, heads) for part, start in parts)
        return self._groups[heads]


def _divided(lengths: list[int]) -> Iterator[list[int]]:
    """Divide ascending lengths into those of groups."""
    chunks = min(GROUPS if lengths[-1] > GROUP_FROM else 1, len(lengths))
    size, larger = divmod(len(lengths), chunks)
    part: list[int] = []
    for chunk in range(chunks):
        n = size + (chunk < larger)
        here, lengths = lengths[:n], lengths[n:]
        if part and rounded(part[-1]) != rounded(here[-1]):
            yield part
            part = []
        part = part + here
    yield part


class DeviceRows:
    """The same, computed on a device alone: row after row, then a tail up to a number that the host knows.

    What lies in the tail is zero before the layers, and whatever they make of that is looked at by nobody.

    Args:
        lengths: tokens of each row, which lie at its beginning, [rows], on the device.
        columns: padded length of the batch.
        total: how many tokens there are, or more.

    Attributes:
        pack: as of ``Rows``, and rows * padded length in the tail.
    """

    has_tail = True

    def __init__(self, lengths: torch.Tensor, columns: int, total: int) -> None:
        rows = len(lengths)
        self.shape = (rows, columns)
        self._lengths = lengths
        self._total = total
        self._groups: dict[int, tuple[Group, ...]] = {}
        ends = lengths.cumsum(0)
        place = torch.arange(total, device=lengths.device)
        self._row = torch.searchsorted(ends, place, right=True)
        self._is_token = self._row < rows
        row = self._row.clamp(max=rows - 1)
        column = place - (ends - lengths)[row]
        self._column = torch.where(self._is_token, column, 0)
        self.pack = torch.where(self._is_token, row * columns + column, rows * columns)
        real, token = _grid(lengths, columns)
        self.unpack = torch.where(real, token, total).view(-1)
        self.positions = self._column[None]

    def groups(self, heads: int) -> tuple[Group, ...]:
        """Return all rows as one group: a GPU likes few kernels."""
        if heads not in self._groups:
            longest = rounded(self.shape[1])
            real, token = _grid(self._lengths, longest)
            head = torch.arange(heads, device=token.device)
            spread = token[:, None] * heads + head[:, None]
            place = (self._row[:, None] * heads + head) * longest + self._column[:, None]
            places = self.shape[0] * heads * longest
            group = Group(
                start=0,
                end=self._total,
                shape=(self.shape[0], heads, longest),
                spread=spread.view(-1),
                gather=torch.where(self._is_token[:, None], place, places).view(-1),
                refill=torch.where(real[:, None], spread, self._total * heads).view(-1),
                real=real[:, None, None],
            )
            self._groups[heads] = (group,)
        return self._groups[heads]


def _grid(lengths: torch.Tensor, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which of [rows, columns] hold a token, and which packed one; padding has its row's first."""
    column = torch.arange(columns, device=lengths.device)
    real = column < lengths[:, None]
    return real, (lengths.cumsum(0) - lengths)[:, None] + column * real


def rounded(tokens: int) -> int:
    """Return how many columns so many tokens are padded to."""
    return -(-tokens // COLUMNS) * COLUMNS


@dataclass(frozen=True)
class Group:
    """Rows of like length that are attended to together, padded to the longest of them.

    A head of a packed token is a place in [tokens, heads], one of a padded token in [rows, heads, longest].

    Attributes:
        start: where the group's tokens begin among the packed ones.
        end: where they end.
        shape: rows, heads and the longest row, rounded up to a multiple of ``COLUMNS``.
        spread: for each padded place the packed one that it takes: padding takes its row's first token.
        gather: for each packed place the padded one, or rows * heads * longest in a tail.
        refill: like ``spread``, but tokens * heads where padding is.
        real: which keys are tokens, [rows, 1, 1, longest].
    """

    start: int
    end: int
    shape: tuple[int, int, int]
    spread: torch.Tensor
    gather: torch.Tensor
    refill: torch.Tensor
    real: torch.Tensor
    _windows: dict[int, torch.Tensor] = field(default_factory=dict, repr=False, compare=False)

    def visible(self, window: int | None) -> torch.Tensor:
        """Return which keys a query sees, [rows, 1, 1 or longest, longest], the same tensor for all layers.

        Args:
            window: only keys that are less than so many tokens away; ``None`` for all of the row.
        """
        if window is None or window >= self.shape[2]:
            return self.real
        if window not in self._windows:
            place = torch.arange(self.shape[2], device=self.real.device)
            self._windows[window] = self.real & ((place - place[:, None]).abs() < window)
        return self._windows[window]


def _group(lengths: list[int], start: int, heads: int) -> Group:
    """Return the group of rows of some lengths, the longest last."""
    rows, longest, tokens = len(lengths), rounded(lengths[-1]), sum(lengths)
    real, token = _grid(torch.tensor(lengths), longest)
    spread = token[:, None] * heads + torch.arange(heads)[:, None]
    refill = torch.where(real[:, None], spread, tokens * heads)
    place = (torch.arange(rows)[:, None] * (heads * longest) + torch.arange(longest))[real]
    gather = place[:, None] + torch.arange(heads) * longest
    shape = (rows, heads, longest)
    return Group(
        start, start + tokens, shape, spread.view(-1), gather.view(-1), refill.view(-1), real[:, None, None]
    )


class _Take(torch.autograd.Function):
    """Rows of a matrix by an index, which has its inverse, so that the gradient is taken, not added up."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, there: torch.Tensor, back: torch.Tensor, *zeros: bool) -> Any:
        ctx.inverse = (back, there, *reversed(zeros))
        more = torch.cat([x, x.new_zeros(1, x.shape[1])]) if zeros[0] else x
        return more.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return take(gradients[0], *ctx.inverse), None, None, None, None


def take(
    x: torch.Tensor, there: torch.Tensor, back: torch.Tensor, zeros_there: bool, zeros_back: bool
) -> torch.Tensor:
    """Return ``x[there]``, shape [len(there), width].

    Args:
        x: [n, width].
        there: for each row of the result its row of ``x``.
        back: for each row of ``x`` its row in the result; what ``there`` repeats has no other gradient.
        zeros_there: whether ``there`` may be n, which is a row of zeros.
        zeros_back: whether ``back`` may be ``len(there)``: such a row has no gradient.
    """
    taken: torch.Tensor = _Take.apply(  # type: ignore[no-untyped-call]
        x, there, back, zeros_there, zeros_back
    )
    return taken


def rows_of(mask: torch.Tensor | None) -> Rows | DeviceRows | None:
    """Return how the rows lie that the layers were handed in the place of a mask."""
    return getattr(mask, _ROWS, None)


def note_rows(mask: torch.Tensor, rows: DeviceRows) -> None:
    """Note at a mask how its rows lie, as long as it is not changed: to ask a GPU would take time."""
    setattr(mask, _NOTED, (rows, mask._version))


def install(model: PreTrainedModel) -> None:
    """Let the layers of a classifier run without padding, where its family is known to allow it.

    The model must attend by ``stabbench.training.attention``.
    """
    path = packable_stack(model.config.to_dict())
    if path is None:
        return
    encoder = encoder_of(model)
    stack = encoder.get_submodule(path)
    first, last = (stack[0], stack[-1]) if isinstance(stack, nn.ModuleList) else (stack, stack)
    encoder.register_forward_pre_hook(_lay_out, with_kwargs=True)
    first.register_forward_pre_hook(_pack, with_kwargs=True)
    last.register_forward_hook(_unpack, with_kwargs=True)


def _lay_out(encoder: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Hand ``Rows`` to the layers: transformers passes a mask of four dimensions on as it is."""
    mask = named.get("attention_mask")
    config: Any = encoder.config
    asked = any(
        named.get(name, getattr(config, name, False))
        for name in ("output_hidden_states", "output_attentions")
    )
    if asked or mask is None or mask.ndim != 2:
        return None
    rows, version = getattr(mask, _NOTED, (None, None))
    if rows is None or version != mask._version:
        # to read a mask would keep a GPU waiting; and a row without a token has no first one
        if mask.device.type != "cpu" or not bool(mask.any(dim=1).all()):
            return None
        rows = Rows(mask)
    note = mask[None, None]
    setattr(note, _ROWS, rows)
    named["attention_mask"] = note
    if hasattr(encoder, "rotary_emb"):  # it turns packed tokens, so it has to know where they stand
        named["position_ids"] = rows.positions
    return arguments, named


def _pack(stack: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    rows = _found(arguments, named)
    if rows is None:
        return None
    if not arguments:
        arguments = (named.pop("hidden_states"),)
    hidden = arguments[0].flatten(0, 1)
    return (take(hidden, rows.pack, rows.unpack, rows.has_tail, True)[None], *arguments[1:]), named


def _unpack(stack: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
    rows = _found(arguments, named)
    if rows is None:
        return None
    hidden = output if isinstance(output, torch.Tensor) else output.last_hidden_state
    padded = take(hidden[0], rows.unpack, rows.pack, True, rows.has_tail).view(*rows.shape, -1)
    if isinstance(output, torch.Tensor):
        return padded
    output.last_hidden_state = padded
    return output


def _found(arguments: tuple[Any, ...], named: dict[str, Any]) -> Rows | DeviceRows | None:
    given = (*arguments[1:2], named.get("attention_mask"))
    return next((rows for mask in given if (rows := rows_of(mask)) is not None), None)
