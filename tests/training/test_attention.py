"""Our attention and dropout compute what torch's do."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from stabbench.training import attention


@pytest.mark.parametrize("tokens", [1, 7, 15, 16, 17, 33])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_attention(tokens: int, masked: bool) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, tokens, 8, requires_grad=True) for _ in range(3))
    mask = None
    if masked:
        keep = torch.rand(3, tokens) > 0.4
        keep[:, 0] = True
        mask = keep[:, None, None, :].expand(3, 1, tokens, tokens)
    ours, _ = attention.attention(nn.Module(), query, key, value, mask)
    theirs = nn.functional.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    weight = torch.randn_like(ours)
    for tensor in (query, key, value):
        (mine,) = torch.autograd.grad((ours * weight).sum(), tensor, retain_graph=True)
        (torchs,) = torch.autograd.grad((theirs * weight).sum(), tensor, retain_graph=True)
        torch.testing.assert_close(mine, torchs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_rate_and_scale(p: float) -> None:
    torch.manual_seed(0)
    mask = attention.dropout_mask(torch.Size([501, 403]), p, torch.float32)
    dropped = float((mask == 0).float().mean())
    assert dropped == pytest.approx(p, abs=0.005)
    assert float(mask.mean()) == pytest.approx(1.0, abs=0.01)
    assert len(mask.unique()) == 2
    flat = (mask == 0).float().flatten()
    assert (
        abs(float(torch.corrcoef(torch.stack([flat[1:], flat[:-1]]))[0, 1])) < 0.01
    )  # neighbours share a draw


def test_a_rate_next_to_one_keeps_next_to_nothing() -> None:
    mask = attention.dropout_mask(torch.Size([64, 64]), 0.999999, torch.float32)
    assert torch.isfinite(mask).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(512, 513), (3, 5, 7)])
def test_a_mask_is_its_sixteen_bits_against_the_threshold(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """The mapping from random bits to masks is part of the trainer's version: not a bit of it may move."""
    size, p = torch.Size(shape), 0.1
    torch.manual_seed(2)
    mask = attention.dropout_mask(size, p, dtype)
    torch.manual_seed(2)
    words = torch.empty(-(-size.numel() // 4), dtype=torch.int64).random_(-(2**63), None).tolist()
    bits = np.array(words, dtype="<i8").view("<i2")[: size.numel()].astype(int) + 2**15
    scale = torch.tensor(65536 / (65536 - 6554), dtype=dtype)
    expected = torch.where(torch.from_numpy(bits >= 6554), scale, torch.zeros((), dtype=dtype)).view(size)
    assert mask.dtype == dtype
    assert torch.equal(mask, expected)


def test_dropout_is_repeatable_and_off_in_evaluation() -> None:
    layer, x = attention.Dropout(0.3), torch.ones(40, 40)
    torch.manual_seed(5)
    first = layer(x)
    torch.manual_seed(5)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    assert layer.eval()(x) is x
    assert attention.Dropout(0.0)(x) is x


def test_every_dropout_of_a_model_is_replaced() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.25)))
    attention.replace_dropout(model)
    assert isinstance(model[1][0], attention.Dropout)
    assert model[1][0].p == 0.25


def test_a_step_inspects_no_signature(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from stabbench.training.model import Pretrained

    model = Pretrained.load(str(toy.model), "", 2, toy.request().spec.work.recipe).copy(0)
    inspected = []
    parse = inspect._signature_from_function
    monkeypatch.setattr(
        inspect, "_signature_from_function", lambda *a, **k: inspected.append(a[1]) or parse(*a, **k)
    )
    model(input_ids=torch.randint(5, 40, (2, 9)))
    assert inspected == []


def test_pad_tokens_do_not_change_logits(toy) -> None:
    from stabbench.training.model import Pretrained

    request = toy.request()
    model = Pretrained.load(str(toy.model), "", 2, request.spec.work.recipe).copy(0).eval()
    ids = torch.randint(5, 40, (2, 9))
    padded = torch.cat([ids, torch.zeros(2, 4, dtype=torch.long)], dim=1)
    seen = torch.ones_like(ids)
    mask = torch.cat([seen, torch.zeros(2, 4, dtype=torch.long)], dim=1)
    plain = model(input_ids=ids, attention_mask=seen).logits
    torch.testing.assert_close(
        model(input_ids=padded, attention_mask=mask).logits, plain, rtol=1e-5, atol=1e-6
    )
