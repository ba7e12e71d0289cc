"""A BERT-like encoder layer on packed rows as one node of the graph, with its backward pass written by hand.

In a small encoder on a CPU most of a step is spent on the way to the operators, not in them. Here query, key
and value come from one product and are laid out by one index, the dropout masks of a layer come from one
draw, and nothing is recorded in between. The formula is that of transformers' modules with
``stabbench.training.attention``, and so are the random bits: both ways agree to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from stabbench.training import attention
from stabbench.training.packing import Rows

Tensors = tuple[torch.Tensor, ...]
Masks = tuple[torch.Tensor | None, ...]

_gelu_backward = torch.ops.aten.gelu_backward.default
_norm_backward = torch.ops.aten.native_layer_norm_backward.default


@dataclass(frozen=True)
class Part:
    """A group of rows among the padded heads.

    Attributes:
        start: where it begins in [padded heads of all groups, width].
        end: where it ends.
        shape: rows * heads, padded length, padded length.
        bias: what is added to the scores, [rows * heads, 1, padded length].
    """

    start: int
    end: int
    shape: tuple[int, int, int]
    bias: torch.Tensor


@dataclass(frozen=True)
class Layout:
    """How the heads of packed tokens are padded: indices over all groups of rows at once.

    Attributes:
        parts: the groups.
        spread: for each place in the groups' [3, heads, padded length] its head in [tokens, 3, heads].
        collect: for each head in [tokens, 3, heads] its place there.
        gather: for each head in [tokens, heads] its place among the padded heads.
        padded: how many of these there are.
    """

    parts: tuple[Part, ...]
    spread: torch.Tensor
    collect: torch.Tensor
    gather: torch.Tensor
    padded: int

    @classmethod
    def of(cls, rows: Rows, heads: int, dtype: torch.dtype) -> Layout:
        """Return the layout of a batch: its scores are numbers of ``dtype``."""
        head = torch.arange(3 * heads).view(3, 1, heads, 1)  # of queries, keys and values
        qkv = torch.arange(3)[:, None]
        parts, spread, collect, gather = [], [], [], []
        start = 0
        for group in rows.groups(heads):
            n_rows, _, longest = group.shape
            size = n_rows * heads * longest
            token = group.spread.view(group.shape)[:, :1] + group.start * heads  # times the heads
            spread.append((3 * token + head).view(-1))
            place = group.gather.view(-1, 1, heads) + 3 * start
            collect.append((place + qkv * size).view(-1))
            gather.append(group.gather + start)
            bias = attention.bias_of(group.visible(None), dtype)
            bias = bias.expand(n_rows, heads, 1, longest).reshape(-1, 1, longest)
            parts.append(Part(start, start + size, (n_rows * heads, longest, longest), bias))
            start += size
        return cls(tuple(parts), _joined(spread), _joined(collect), _joined(gather), start)


def _joined(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


_layouts: WeakKeyDictionary[Rows, dict[tuple[int, torch.dtype], Layout]] = WeakKeyDictionary()


def layout_of(rows: Rows, heads: int, dtype: torch.dtype) -> Layout:
    """Return the layout of a batch, made once for all layers."""
    made = _layouts.setdefault(rows, {})
    if (heads, dtype) not in made:
        made[heads, dtype] = Layout.of(rows, heads, dtype)
    return made[heads, dtype]


@dataclass(frozen=True)
class Setting:
    """What a call depends on besides its tensors.

    Attributes:
        layout: where the heads lie.
        scale: factor of the scores.
        rates: dropout of attention weights, of attention's output and of the layer's.
        epsilon: of the two normalisations.
    """

    layout: Layout
    scale: float
    rates: tuple[float, ...]
    epsilon: tuple[float, ...]


def _masks(setting: Setting, x: torch.Tensor) -> Masks:
    """Return dropout masks, those of the parts' weights, then those of the outputs; ``None`` for rate 0.

    One draw gives the words that ``attention.dropout_mask`` draws one mask after the other.
    """
    weights, *outputs = setting.rates
    wanted = [(part.shape, weights) for part in setting.layout.parts] + [(x.shape, rate) for rate in outputs]
    counts = [prod(shape) if rate > 0.0 else 0 for shape, rate in wanted]
    sizes = [-(-count // 4) * 4 for count in counts]
    total = sum(sizes)
    if not total:
        return (None,) * len(wanted)
    bits = torch.empty(total // 4, dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = torch.empty(total, dtype=x.dtype)
    pieces = kept.split_with_sizes(sizes)
    rates = {rate for _, rate in wanted if rate > 0.0}
    if len(rates) == 1:
        attention.keep(bits, rates.pop(), kept)
    else:
        for drawn, (_, rate), piece in zip(bits.split_with_sizes(sizes), wanted, pieces, strict=True):
            attention.keep(drawn, rate, piece)
    return tuple(
        None if count == 0 else (piece if count == len(piece) else piece[:count]).view(shape)
        for piece, count, (shape, _) in zip(pieces, counts, wanted, strict=True)
    )


def _forward(
    setting: Setting, masks: Masks, x: torch.Tensor, parameters: Tensors
) -> tuple[torch.Tensor, Tensors]:
    """Return the layer's output, [tokens, width], and what the backward pass needs of the way there."""
    wq, bq, wk, bk, wv, bv, wo, bo, g1, c1, wi, bi, wf, bf, g2, c2 = parameters
    layout, width = setting.layout, x.shape[1:]
    joint = torch.cat((wq, wk, wv))
    heads = nn.functional.linear(x, joint, torch.cat((bq, bk, bv))).view(len(layout.collect), -1)
    spread = heads.index_select(0, layout.spread)
    weights, dropped, seen = [], [], []
    for part, mask in zip(layout.parts, masks, strict=False):
        query, key, value = _three(spread, part)
        scores = torch.baddbmm(part.bias, query, key.transpose(1, 2), alpha=setting.scale)
        weights.append(torch.softmax(scores, -1))
        dropped.append(weights[-1] if mask is None else weights[-1] * mask)
        seen.append(torch.bmm(dropped[-1], value).view(-1, value.shape[2]))
    mixed = _joined(seen).index_select(0, layout.gather).view(len(x), -1)
    middle = _add(x, nn.functional.linear(mixed, wo, bo), masks[-2])
    normed, mean1, scale1 = torch.native_layer_norm(middle, width, g1, c1, setting.epsilon[0])
    inner = nn.functional.linear(normed, wi, bi)
    active = nn.functional.gelu(inner)
    last = _add(normed, nn.functional.linear(active, wf, bf), masks[-1])
    output, mean2, scale2 = torch.native_layer_norm(last, width, g2, c2, setting.epsilon[1])
    way = (joint, spread, mixed, middle, mean1, scale1, normed, inner, active, last, mean2, scale2)
    return output, (*way, *weights, *dropped)


def _three(spread: torch.Tensor, part: Part) -> Tensors:
    """Return a part's queries, keys and values, [rows * heads, padded length, width of a head] each."""
    return spread[3 * part.start : 3 * part.end].view(3, *part.shape[:2], -1).unbind()


def _add(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return x + y if mask is None else torch.addcmul(x, y, mask)


def _masked(gradient: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    return gradient if mask is None else gradient * mask


class Layer(torch.autograd.Function):
    """The layer: inputs are its setting, hidden states [1, tokens, width], and weights and biases."""

    @staticmethod
    def forward(ctx: Any, setting: Setting, hidden: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        """Return the layer's output, [1, tokens, width]."""
        x = hidden[0]
        masks = _masks(setting, x)
        output, way = _forward(setting, masks, x, parameters)
        ctx.setting = setting
        ctx.save_for_backward(hidden, *parameters, *masks, *way)
        return output[None]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        """Return the gradients of what ``forward`` takes."""
        hidden, *rest = ctx.saved_tensors
        setting, parameters, rest = ctx.setting, tuple(rest[:16]), rest[16:]
        n_masks = len(setting.layout.parts) + 2
        masks, way = tuple(rest[:n_masks]), tuple(rest[n_masks:])
        needed = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():  # the gradient is to have one itself, which the formula's own graph gives
            return None, *_differentiable(setting, masks, hidden, parameters, needed, gradients[0])
        found = _backward(setting, masks, hidden[0], parameters, way, needed, gradients[0][0])
        return None, *found


def _backward(
    setting: Setting,
    masks: Masks,
    x: torch.Tensor,
    parameters: Tensors,
    way: Tensors,
    needed: tuple[bool, ...],
    gradient: torch.Tensor,
) -> Any:
    """Return the gradients of hidden states [1, tokens, width] and parameters, ``None`` where not needed."""
    joint, spread, *after = way[:12]
    layout = setting.layout
    weights, dropped = way[12 : 12 + len(layout.parts)], way[12 + len(layout.parts) :]
    after_mask: Masks = masks[-2:]
    gather = layout.gather
    told = _told(gradient)
    if told is not None:  # the layer below the head: only first tokens are read
        gradient, *after = (tensor.index_select(0, told) for tensor in (gradient, *after))
        after_mask = tuple(None if mask is None else mask.index_select(0, told) for mask in after_mask)
        gather = gather.view(len(x), -1).index_select(0, told).view(-1)
    of_middle, of_mixed, *below = _after_backward(setting, after_mask, parameters, after, needed, gradient)
    if not any(needed[:7]):
        return *(None,) * 7, *below

    size = spread.shape[1]
    of_seen = of_mixed.new_zeros(layout.padded, size).index_copy_(0, gather, of_mixed.view(-1, size))
    of_spread = torch.empty_like(spread)
    for part, weight, drop, mask in zip(layout.parts, weights, dropped, masks, strict=False):
        query, key, value = _three(spread, part)
        of_query, of_key, of_value = _three(of_spread, part)
        of_part = of_seen[part.start : part.end].view_as(value)
        torch.bmm(drop.transpose(1, 2), of_part, out=of_value)
        of_weights = _masked(torch.bmm(of_part, value.transpose(1, 2)), mask)
        of_scores = torch._softmax_backward_data(of_weights, weight, -1, weight.dtype)
        of_query.baddbmm_(of_scores, key, beta=0, alpha=setting.scale)
        of_key.baddbmm_(of_scores.transpose(1, 2), query, beta=0, alpha=setting.scale)
    of_joint = of_spread.index_select(0, layout.collect).view(len(x), -1)
    dw, db = _linear_backward(of_joint, x, (any(needed[1:7:2]), any(needed[2:7:2])))
    if not needed[0]:
        dx = None
    elif told is None:
        dx = torch.addmm(of_middle, of_joint, joint)[None]
    else:
        dx = of_joint.mm(joint).index_add_(0, told, of_middle)[None]
    ws, bs = ((None,) * 3 if d is None else d.chunk(3) for d in (dw, db))
    return dx, ws[0], bs[0], ws[1], bs[1], ws[2], bs[2], *below


def _told(gradient: torch.Tensor) -> torch.Tensor | None:
    """Return which tokens have a gradient, ``None`` if more than half of them do."""
    if 2 * int(torch.count_nonzero(gradient[:, 0])) > len(gradient):  # one column mostly says so
        return None
    told = gradient.any(dim=1).nonzero()[:, 0]
    return told if 2 * len(told) <= len(gradient) else None


def _after_backward(
    setting: Setting,
    masks: Masks,
    parameters: Tensors,
    way: list[torch.Tensor],
    needed: tuple[bool, ...],
    gradient: torch.Tensor,
) -> Any:
    """Return the gradients of what comes after attention itself, for any tokens.

    They are those of the sum before the first normalisation, of attention's heads, and of the parameters
    from attention's output on.
    """
    _, _, _, _, _, _, wo, _, g1, c1, wi, _, wf, _, g2, c2 = parameters
    mixed, middle, mean1, scale1, normed, inner, active, last, mean2, scale2 = way
    width = gradient.shape[1:]
    of_last, dg2, dc2 = _norm_backward(gradient, last, width, mean2, scale2, g2, c2, (True, *needed[15:17]))
    of_output = _masked(of_last, masks[1])
    dwf, dbf = _linear_backward(of_output, active, needed[13:15])
    of_inner = _gelu_backward(of_output.mm(wf), inner)
    dwi, dbi = _linear_backward(of_inner, normed, needed[11:13])
    of_normed = torch.addmm(of_last, of_inner, wi)
    of_middle, dg1, dc1 = _norm_backward(
        of_normed, middle, width, mean1, scale1, g1, c1, (True, *needed[9:11])
    )
    of_output = _masked(of_middle, masks[0])
    dwo, dbo = _linear_backward(of_output, mixed, needed[7:9])
    return of_middle, of_output.mm(wo), dwo, dbo, dg1, dc1, dwi, dbi, dwf, dbf, dg2, dc2


def _linear_backward(
    gradient: torch.Tensor, x: torch.Tensor, needed: tuple[bool, ...]
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the gradients of the weight and the bias of a linear layer."""
    return gradient.t().mm(x) if needed[0] else None, gradient.sum(0) if needed[1] else None


def _differentiable(
    setting: Setting,
    masks: Masks,
    hidden: torch.Tensor,
    parameters: Tensors,
    needed: tuple[bool, ...],
    gradient: torch.Tensor,
) -> list[torch.Tensor | None]:
    """Return the gradients with a graph of their own."""
    output, _ = _forward(setting, masks, hidden[0], parameters)
    wanted = [x for x, need in zip((hidden, *parameters), needed, strict=True) if need]
    found = iter(torch.autograd.grad(output, wanted, gradient[0], create_graph=True))
    return [next(found) if need else None for need in needed]
