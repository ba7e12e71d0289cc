"""Layers without padding compute what padded ones do, and only for the tokens that are there."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from stabbench.models.families import packable_stack
from stabbench.training import attention, packing
from tests.strategies.conftest import COMMON, CONFIGS, NO_DROPOUT

PACKABLE = sorted(kind for kind in CONFIGS if packable_stack({"model_type": kind}))


def pair(kind: str, longest: int, **changes: Any) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Return a tiny model, and the same with layers that run without padding."""
    torch.manual_seed(0)
    positions = {"max_position_embeddings": longest + 2, "local_attention": 16, "pad_token_id": 0}
    config = AutoConfig.for_model(kind, **{**COMMON, **NO_DROPOUT, **CONFIGS[kind], **positions, **changes})
    padded = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention.NAME)
    packed = copy.deepcopy(padded)
    packing.install(packed)
    return padded.train(), copy.deepcopy(packed).train()  # a run trains a copy


def batch(lengths: list[int]) -> dict[str, torch.Tensor]:
    """Return rows of so many tokens, padded to the longest."""
    torch.manual_seed(1)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, 40, mask.shape) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(len(lengths)) % 2}


def count_tokens(model: nn.Module) -> list[int]:
    """Return a list that gets the tokens of every input of the linear layers below the head."""
    counts: list[int] = []
    for module in model.base_model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(lambda _m, given, _o: counts.append(given[0].shape[:-1].numel()))
    return counts


SHORT = [5, 12, 3, 9, 12, 7]
LONG = [61, 4, 33, 18, 40, 9, 25, 60, 11]


@pytest.mark.parametrize("lengths", [SHORT, LONG, [4], [7, 7, 7]], ids=["short", "long", "one", "alike"])
@pytest.mark.parametrize("kind", PACKABLE)
def test_packed_is_padded(kind: str, lengths: list[int]) -> None:
    padded, packed = pair(kind, max(lengths))
    inputs = batch(lengths)
    counts = count_tokens(packed)
    one, other = padded(**inputs), packed(**inputs)
    torch.testing.assert_close(other.logits, one.logits, rtol=1e-5, atol=1e-6)
    assert sum(lengths) in counts
    for output in (one, other):
        output.loss.backward()
    for (name, parameter), twin in zip(padded.named_parameters(), packed.parameters(), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(twin.grad, parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", PACKABLE)
def test_the_kernel_of_other_devices_and_precisions(kind: str) -> None:
    padded, packed = (model.double() for model in pair(kind, max(LONG)))
    inputs = batch(LONG)
    one, other = padded(**inputs), packed(**inputs)
    torch.testing.assert_close(other.logits, one.logits, rtol=1e-12, atol=1e-12)
    grown = torch.autograd.grad(one.loss, padded.get_input_embeddings().weight)
    packed_grown = torch.autograd.grad(other.loss, packed.get_input_embeddings().weight)
    torch.testing.assert_close(packed_grown, grown, rtol=1e-9, atol=1e-12)
    with torch.autocast("cpu", torch.bfloat16):
        halves = [model.float()(**inputs).logits.float() for model in (padded, packed)]
    torch.testing.assert_close(halves[1], halves[0], rtol=0.1, atol=0.02)


@pytest.mark.parametrize("kind", PACKABLE)
def test_a_row_does_not_depend_on_its_batch_mates(kind: str) -> None:
    _, packed = pair(kind, max(LONG))
    inputs = batch(LONG)
    together = packed(**inputs).logits
    for row, length in enumerate(LONG):
        alone = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        short = {name: alone[name][:, :length] for name in ("input_ids", "attention_mask")}
        torch.testing.assert_close(packed(**short).logits[0], together[row], rtol=1e-6, atol=1e-6)


def test_every_family_says_whether_it_can() -> None:
    assert set(PACKABLE) == {"albert", "bert", "distilbert", "electra", "modernbert", "roberta"}
    assert packable_stack({"model_type": "xlm-roberta"})
    assert packable_stack({"model_type": "a-new-one"}) is None
    assert packable_stack({"model_type": "bert", "is_decoder": True}) is None


def test_gradients_are_those_of_finite_differences() -> None:
    """Of the whole loss, in double precision, along a random direction of all parameters."""
    _, packed = pair("bert", max(SHORT))
    packed.double()
    inputs = batch(SHORT)
    parameters = [parameter for parameter in packed.parameters() if parameter.requires_grad]
    direction = [torch.randn_like(parameter) for parameter in parameters]
    gradients = torch.autograd.grad(packed(**inputs).loss, parameters)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
    ends = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for parameter, way in zip(parameters, direction, strict=True):
                parameter.add_(way, alpha=step)
            ends.append(float(packed(**inputs).loss))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_a_token_that_is_masked_is_not_there() -> None:
    padded, packed = pair("bert", max(SHORT))
    inputs = batch(SHORT)
    inputs["attention_mask"][0, 2] = inputs["attention_mask"][3, 4] = 0
    torch.testing.assert_close(packed(**inputs).logits, padded(**inputs).logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", PACKABLE)
@pytest.mark.parametrize("more", [0, 13])
def test_rows_laid_out_on_a_device_with_a_tail(kind: str, more: int) -> None:
    padded, packed = pair(kind, max(LONG))
    inputs = batch(LONG)
    total = sum(LONG) + more
    rows = packing.DeviceRows(torch.tensor(LONG), max(LONG), total)
    packing.note_rows(inputs["attention_mask"], rows)
    counts = count_tokens(packed)
    one, other = padded(**inputs), packed(**inputs)
    assert total in counts
    torch.testing.assert_close(other.logits, one.logits, rtol=1e-5, atol=1e-6)
    for output in (one, other):
        output.loss.backward()
    for parameter, twin in zip(padded.parameters(), packed.parameters(), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(twin.grad, parameter.grad, rtol=1e-4, atol=1e-6)


def test_what_is_noted_holds_as_long_as_the_mask_does() -> None:
    padded, packed = pair("bert", max(SHORT))
    inputs = batch(SHORT)
    packing.note_rows(
        inputs["attention_mask"], packing.DeviceRows(torch.tensor(SHORT), max(SHORT), sum(SHORT))
    )
    inputs["attention_mask"][1, 6:] = 0
    torch.testing.assert_close(packed(**inputs).logits, padded(**inputs).logits, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("asked", ["output_hidden_states", "output_attentions"])
def test_who_asks_for_hidden_states_gets_padded_ones(asked: str) -> None:
    padded, packed = pair("bert", max(SHORT))
    inputs = batch(SHORT)
    one, other = (model(**inputs, **{asked: True}) for model in (padded, packed))
    for mine, theirs in zip(
        other[asked.removeprefix("output_")], one[asked.removeprefix("output_")], strict=True
    ):
        assert theirs is mine is None or torch.equal(mine, theirs)


def test_embeddings_as_input_and_no_mask() -> None:
    padded, packed = pair("bert", max(SHORT))
    inputs = batch(SHORT)
    words = packed.get_input_embeddings()(inputs["input_ids"]).detach()
    given = {"inputs_embeds": words, "attention_mask": inputs["attention_mask"]}
    torch.testing.assert_close(packed(**given).logits, padded(**given).logits, rtol=1e-5, atol=1e-6)
    given = {"input_ids": inputs["input_ids"]}
    torch.testing.assert_close(packed(**given).logits, padded(**given).logits, rtol=1e-5, atol=1e-6)


def test_an_empty_row_takes_the_padded_way() -> None:
    padded, packed = pair("bert", max(SHORT))
    inputs = batch(SHORT)
    inputs["attention_mask"][2] = 0
    torch.testing.assert_close(packed(**inputs).logits, padded(**inputs).logits, rtol=1e-5, atol=1e-6)


def test_taking_and_its_gradients() -> None:
    """Twice differentiable, with zeros where nothing lies and one token for many places."""
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    there, back = torch.tensor([3, 0, 3, 2, 1]), torch.tensor([1, 4, 3])
    taken = packing.take(x, there, back, True, False)
    assert torch.equal(taken, torch.cat([x, torch.zeros(1, 2)])[there])
    assert torch.autograd.gradcheck(lambda t: packing.take(t, there, back, True, False), x)
    assert torch.autograd.gradgradcheck(lambda t: packing.take(t, there, back, True, False) ** 2, x)
    assert torch.autograd.gradcheck(
        lambda t: packing.take(t, back, there, False, True), taken.detach().requires_grad_()
    )
