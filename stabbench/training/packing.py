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
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from stabbench.models.families import family_of
from stabbench.models.structure import encoder_of

COLUMNS = 16
"""Softmax on a CPU is fast over multiples of this many columns."""

GROUPS = 4
"""Rows are attended to in so many groups of like length,"""

GROUP_FROM = 32
"""where the longest of them has more tokens than this."""

_ROWS = "_stabbench_rows"
_LENGTHS = "_stabbench_lengths"


class Rows:
    """How the tokens of a batch lie one after the other, the shortest row first.

    Args:
        mask: true or 1 where a token is, [rows, padded length], on the CPU.
        lengths: tokens of each row, [rows], on the CPU.
        device: where the batch is.

    Attributes:
        shape: rows and padded length of the batch.
        lengths: tokens of each row in packed order, on the CPU.
        pack: for each packed token its place in [rows * padded length], on the batch's device.
        unpack: for each place its packed token, or the number of tokens where there is none.
        positions: the place of each packed token within its row, [1, tokens].
    """

    def __init__(self, mask: torch.Tensor, lengths: torch.Tensor, device: torch.device) -> None:
        columns = mask.shape[1]
        self.shape = (mask.shape[0], columns)
        self.device = device
        self.lengths, order = lengths.sort(stable=True)
        self._heads: dict[int, tuple[Group, ...]] = {}
        row, column = mask[order].nonzero(as_tuple=True)
        pack = order[row] * columns + column
        unpack = torch.full((mask.numel(),), len(pack))
        unpack[pack] = torch.arange(len(pack))
        self.pack, self.unpack, self.positions = (
            index.to(device, non_blocking=True) for index in (pack, unpack, column[None])
        )

    def groups(self, heads: int) -> tuple[Group, ...]:
        """Return the rows in groups of like length, with indices for so many heads."""
        if heads not in self._heads:
            self._heads[heads] = tuple(self._divided(heads))
        return self._heads[heads]

    def _divided(self, heads: int) -> Iterator[Group]:
        longest = int(self.lengths[-1])
        many = longest > GROUP_FROM and self.device.type == "cpu"  # a GPU likes few kernels
        chunks = min(GROUPS if many else 1, len(self.lengths))
        start = 0
        waiting: list[torch.Tensor] = []
        for chunk in self.lengths.tensor_split(chunks):
            if waiting and _rounded(waiting[-1]) != _rounded(chunk):
                group = Group.of(torch.cat(waiting), start, heads, self.device)
                yield group
                start, waiting = group.end, []
            waiting.append(chunk)
        yield Group.of(torch.cat(waiting), start, heads, self.device)


def _rounded(lengths: torch.Tensor) -> int:
    return -(-int(lengths[-1]) // COLUMNS) * COLUMNS


@dataclass(frozen=True)
class Group:
    """Rows of like length that are attended to together, padded to the longest of them.

    A head of a packed token is a place in [tokens, heads], one of a padded token in [rows, heads, longest].

    Attributes:
        start: where the group's tokens begin among the packed ones.
        end: where they end.
        shape: rows, heads and the longest row, rounded up to a multiple of ``COLUMNS``.
        spread: for each padded place the packed one that it takes: padding takes its row's first token.
        gather: for each packed place the padded one.
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

    @classmethod
    def of(cls, lengths: torch.Tensor, start: int, heads: int, device: torch.device) -> Group:
        """Return the group of rows of some lengths, the longest last."""
        rows, longest, tokens = len(lengths), _rounded(lengths), int(lengths.sum())
        column = torch.arange(longest)
        real = column < lengths[:, None]
        token = (lengths.cumsum(0) - lengths)[:, None] + column * real
        head = torch.arange(heads)[:, None]
        spread = token[:, None] * heads + head
        refill = torch.where(real[:, None], spread, tokens * heads)
        place = (torch.arange(rows)[:, None] * (heads * longest) + column)[real]
        gather = place[:, None] + torch.arange(heads) * longest
        indices = (spread.view(-1), gather.view(-1), refill.view(-1), real[:, None, None])
        spread, gather, refill, real = (index.to(device, non_blocking=True) for index in indices)
        return cls(start, start + tokens, (rows, heads, longest), spread, gather, refill, real)

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


class _Take(torch.autograd.Function):
    """Rows of a matrix by an index, which has its inverse, so that the gradient is taken, not added up."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, there: torch.Tensor, back: torch.Tensor, more: bool) -> Any:
        ctx.indices = (back, there, not more)
        return _with_zeros(x, more).index_select(0, there)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        return take(gradients[0], *ctx.indices), None, None, None


def _with_zeros(x: torch.Tensor, more: bool) -> torch.Tensor:
    return torch.cat([x, x.new_zeros(1, x.shape[1])]) if more else x


def take(x: torch.Tensor, there: torch.Tensor, back: torch.Tensor, filled: bool) -> torch.Tensor:
    """Return ``x[there]``, shape [len(there), width].

    Args:
        x: [n, width].
        there: for each row of the result its row of ``x``.
        back: for each row of ``x`` its row in the result; what ``there`` repeats has no other gradient.
        filled: whether ``there`` may be n, which is a row of zeros; else ``back`` may be ``len(there)``.
    """
    taken: torch.Tensor = _Take.apply(x, there, back, filled)  # type: ignore[no-untyped-call]
    return taken


def rows_of(mask: torch.Tensor | None) -> Rows | None:
    """Return how the rows lie that the layers were handed in the place of a mask."""
    return getattr(mask, _ROWS, None)


def note_lengths(mask: torch.Tensor, lengths: torch.Tensor) -> None:
    """Note the tokens of each row at a mask that says the same on a device, to be found without waiting."""
    setattr(mask, _LENGTHS, (lengths, mask._version))


def is_packable(model_type: object) -> bool:
    """Return whether the layers of models of a type run without padding."""
    family = family_of(model_type)
    return family is not None and family.stack is not None


def install(model: PreTrainedModel) -> None:
    """Let the layers of a classifier run without padding, where its family is known to allow it.

    The model must attend by ``stabbench.training.attention``.
    """
    family = family_of(model.config.model_type)
    if family is None or family.stack is None or getattr(model.config, "is_decoder", False):
        return
    encoder = encoder_of(model)
    stack = encoder.get_submodule(family.stack)
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
    lengths, version = getattr(mask, _LENGTHS, (None, None))
    if lengths is None or version != mask._version:
        real = mask.cpu()
        lengths = real.sum(dim=1)
    else:
        real = torch.arange(mask.shape[1]) < lengths[:, None]
    if not int(lengths.min()):
        return None
    rows = Rows(real, lengths, mask.device)
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
    return (take(hidden, rows.pack, rows.unpack, filled=False)[None], *arguments[1:]), named


def _unpack(stack: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
    rows = _found(arguments, named)
    if rows is None:
        return None
    hidden = output if isinstance(output, torch.Tensor) else output.last_hidden_state
    padded = take(hidden[0], rows.unpack, rows.pack, filled=True).view(*rows.shape, -1)
    if isinstance(output, torch.Tensor):
        return padded
    output.last_hidden_state = padded
    return output


def _found(arguments: tuple[Any, ...], named: dict[str, Any]) -> Rows | None:
    given = (*arguments[1:2], named.get("attention_mask"))
    return next((rows for mask in given if (rows := rows_of(mask)) is not None), None)
