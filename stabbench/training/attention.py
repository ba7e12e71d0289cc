"""Attention and dropout as the trainer runs them: the same functions, computed more cheaply on a CPU.

On a GPU attention is torch's own fused kernel. The attention mask is always passed on, so that nobody
reads it on the host in every step, as transformers' default does to see whether it can be dropped.

On a CPU two operators cost more than their arithmetic in a small encoder. ``bernoulli_`` takes several
times as long as the matrix product beside it: here one 64-bit draw gives four dropout decisions of 16
bits each. Softmax over a number of columns that is no multiple of 16 leaves the vectorised path: here the
keys are padded with masked columns up to the next multiple.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from stabbench.training.packing import COLUMNS, DeviceRows, Rows, rows_of, take

NAME = "stabbench"
"""The name under which transformers finds this attention."""

BIAS = "_stabbench_bias"
"""The attribute of a mask that holds what it adds to the scores."""

SPARE = "_stabbench_spare"
"""The attribute of a mask that holds it with the columns that softmax likes."""


def dropout_mask(shape: torch.Size, p: float, dtype: torch.dtype) -> torch.Tensor:
    """Return a mask that is 0 with probability ``p`` and else 1 / (1 - p), from torch's global CPU generator.

    The probability is rounded to a multiple of 2^-16.
    """
    count, columns = shape.numel(), shape[-1]
    if columns % 4:
        words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[:count].view(shape)
    else:  # the same words, in rows: one view where the other way takes three
        words = torch.empty((*shape[:-1], columns // 4), dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)
    return keep(bits, p, torch.empty(shape, dtype=dtype))


def keep(bits: torch.Tensor, p: float, out: torch.Tensor) -> torch.Tensor:
    """Write into ``out`` the mask that random 16-bit integers stand for, and return it."""
    threshold, scale = threshold_and_scale(p)
    torch.ge(bits, threshold, out=out)  # as numbers: casting a boolean costs more than comparing
    return out.mul_(scale)


def threshold_and_scale(p: float) -> tuple[int, float]:
    """Return the 16-bit integer from which on a number is kept, and the factor of what is kept."""
    dropped = min(round(p * 65536), 65535)
    return dropped - 32768, 65536 / (65536 - dropped)


class Dropout(nn.Dropout):
    """``nn.Dropout`` with a cheaper mask on the CPU; the same elsewhere and in evaluation."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the input with dropout applied while training."""
        if not self.training or self.p == 0.0:
            return input
        if input.device.type != "cpu":
            return super().forward(input)
        return input * dropout_mask(input.shape, self.p, input.dtype)


def replace_dropout(model: nn.Module) -> None:
    """Replace every ``nn.Dropout`` of a model by the cheaper one, in place."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return attention over ``[batch, heads, tokens, width]`` as transformers' interface asks for it.

    Args:
        module: the attention module, for kernels that need its settings.
        query: queries.
        key: keys, of as many heads as the queries on the CPU path.
        value: values.
        attention_mask: boolean [batch, 1, tokens, tokens], true where a key may be seen, or ``None``.
        dropout: probability with which a weight is dropped.
        scaling: factor of the scores; ``None`` is width^-0.5.
        kwargs: passed on to the fused kernel.
    """
    rows = rows_of(attention_mask)
    if rows is not None:
        return _packed(query, key, value, rows, dropout, scaling, kwargs.get("sliding_window")), None
    plain = (
        query.device.type == "cpu"
        and query.dtype == torch.float32
        and key.shape[1] == query.shape[1]
        and (attention_mask is None or attention_mask.dtype == torch.bool)
        and not any(kwargs.get(name) is not None for name in ("position_bias", "softcap", "cache"))
        and not kwargs.get("is_causal")
    )
    if not plain:
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return result
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    spare = -key.shape[-2] % COLUMNS
    if spare:
        key, value = (nn.functional.pad(x, (0, 0, 0, spare)) for x in (key, value))
    if spare or attention_mask is not None:
        attention_mask = _with_spare(attention_mask, key, spare)
    mixed = _by_hand(query, key, value, attention_mask, dropout, scale)
    return mixed.view(query.shape).transpose(1, 2).contiguous(), None


def _packed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: Rows | DeviceRows,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Return attention over packed tokens, [1, tokens, heads, width], each within its row.

    Args:
        query: [1, heads, tokens, width].
        key: likewise.
        value: likewise.
        rows: how the rows lie.
        dropout: probability with which a weight is dropped.
        scaling: factor of the scores; ``None`` is width^-0.5.
        window: a key is seen from less than so many tokens away.
    """
    heads, tokens, width = query.shape[1:]
    scale = width**-0.5 if scaling is None else scaling
    kernel = _by_hand if query.device.type == "cpu" and query.dtype == torch.float32 else _fused
    query, key, value = (x[0].transpose(0, 1).reshape(-1, width) for x in (query, key, value))
    mixed = []
    for group in rows.groups(heads):
        own = slice(group.start * heads, group.end * heads)
        q, k, v = (
            take(x[own], group.spread, group.gather, False, rows.has_tail).view(*group.shape, width)
            for x in (query, key, value)
        )
        seen = kernel(q, k, v, group.visible(window), dropout, scale)
        mixed.append(take(seen.reshape(-1, width), group.gather, group.refill, rows.has_tail, True))
    found = mixed[0] if len(mixed) == 1 else torch.cat(mixed)
    return found.view(1, tokens, heads, width)


def _fused(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    visible: torch.Tensor,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """Return torch's own attention over [rows, heads, longest, width]."""
    return nn.functional.scaled_dot_product_attention(
        query, key, value, visible, dropout_p=dropout, scale=scale
    )


def _by_hand(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    visible: torch.Tensor | None,
    dropout: float,
    scale: float,
) -> torch.Tensor:
    """Return the same, as it is cheap on a CPU, in the shape [rows * heads, longest, width]."""
    # `matmul` of four dimensions comes to the same `bmm`, by way of twice as many autograd nodes
    products = torch.bmm((query * scale).flatten(0, 1), key.flatten(0, 1).transpose(1, 2))
    scores = products.view(*query.shape[:3], -1)
    if visible is not None:
        scores = scores + bias_of(visible, query.dtype)
    weights = torch.softmax(scores, dim=-1)
    if dropout > 0.0:
        weights = weights * dropout_mask(weights.shape, dropout, weights.dtype)
    return torch.bmm(weights.flatten(0, 1), value.flatten(0, 1))


def bias_of(visible: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to scores, 0 or a very negative number; made once for all layers."""
    made: torch.Tensor | None = getattr(visible, BIAS, None)
    if made is None or made.dtype != dtype:
        low = torch.finfo(dtype).min
        made = torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill_(~visible, low)
        setattr(visible, BIAS, made)
    return made


def _with_spare(mask: torch.Tensor | None, key: torch.Tensor, spare: int) -> torch.Tensor:
    """Return a mask that hides the columns added, made once for all layers: they are handed the same mask."""
    made: torch.Tensor | None = getattr(mask, SPARE, None)
    if made is None:
        if mask is None:
            real = key.new_ones(1, 1, 1, key.shape[-2] - spare, dtype=torch.bool)
        else:  # mostly every query sees the same keys
            real = mask[:, :, :1] if mask.shape[-2] > 1 and mask.stride(-2) == 0 else mask
        made = nn.functional.pad(real, (0, spare))
        if mask is not None:
            setattr(mask, SPARE, made)
    return made


def mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """Return the boolean attention mask without looking whether it could be left out."""
    kwargs["allow_is_causal_skip"] = False
    kwargs["allow_is_bidirectional_skip"] = False
    made: torch.Tensor | None = sdpa_mask(*args, **kwargs)
    return made


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, mask)
