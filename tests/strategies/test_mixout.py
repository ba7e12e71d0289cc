"""Mixout: mask, expectation, gradient, layer sets, and that dropout is silent where it takes over."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stabbench.errors import StabbenchError
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import attention


def mixed(text: str, part: nn.Module, seed: int = 0) -> nn.Module:
    """Return a module whose linear layers mix."""
    from stabbench.strategies.mixout import mix_linear_layers

    mix_linear_layers(part, parse_strategy(text)[0], torch.Generator().manual_seed(seed))
    return part


def apart(linear: nn.Linear) -> None:
    """Move the weight away from what it was."""
    with torch.no_grad():
        linear.weight.add_(torch.randn(linear.weight.shape, generator=torch.Generator().manual_seed(9)))


def masks_of(layer: nn.Module, linear: nn.Linear, start: torch.Tensor, p: float) -> torch.Tensor:
    """Return the mask [out, in] that a forward pass has used, from the mixed weight."""
    weight = layer(torch.eye(linear.in_features)).T.double()
    w, w0 = linear.weight.detach().double(), start.double()
    return (weight * (1 - p) - (1 - p) * w0) / (w - w0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_mask_is_one_number_for_each_input_neuron(p: float) -> None:
    linear = nn.Linear(40, 7, bias=False)
    start = linear.weight.detach().clone()
    layer = mixed(f"mixout:p={p}", nn.Sequential(linear))
    apart(linear)
    mask = masks_of(layer, linear, start, p).detach()
    assert torch.allclose(mask, mask.round(), atol=1e-3)
    assert torch.equal(mask.round(), mask.round()[:1].expand(7, -1))
    assert set(mask.round().unique().tolist()) <= {0.0, 1.0}
    assert not torch.equal(mask.round(), masks_of(layer, linear, start, p).detach().round())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_expectation_is_the_weight_and_evaluation_uses_it(p: float) -> None:
    linear = nn.Linear(3, 2, bias=False)
    layer = mixed(f"mixout:p={p}", nn.Sequential(linear))
    apart(linear)
    passes = torch.stack([layer(torch.eye(3)).T.detach() for _ in range(6000)])
    spread = passes.std(0) / 6000**0.5
    assert ((passes.mean(0) - linear.weight.detach()).abs() <= 5 * spread + 1e-4).all()
    layer.eval()
    assert torch.equal(layer(torch.eye(3)), nn.functional.linear(torch.eye(3), linear.weight))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("variant", ["reference", "exact"])
def test_the_gradient_is_the_mask_or_what_the_formula_says(p: float, variant: str) -> None:
    linear = nn.Linear(50, 4, bias=False)
    start = linear.weight.detach().clone()
    layer = mixed(f"mixout:p={p},gradient={variant}", nn.Sequential(linear))
    apart(linear)
    out = layer(torch.eye(50))
    weight = out.detach().T.double()
    w, w0 = linear.weight.detach().double(), start.double()
    mask = ((weight * (1 - p) - (1 - p) * w0) / (w - w0)).round()
    out.sum().backward()
    expected = mask if variant == "reference" else mask / (1 - p)
    assert linear.weight.grad is not None
    torch.testing.assert_close(linear.weight.grad.double(), expected, rtol=1e-5, atol=1e-6)


def test_with_p_1_the_weight_is_the_pretrained_one() -> None:
    linear = nn.Linear(5, 3)
    start = linear.weight.detach().clone()
    layer = mixed("mixout:p=1", nn.Sequential(linear))
    apart(linear)
    assert torch.equal(layer(torch.eye(5)), nn.functional.linear(torch.eye(5), start, linear.bias))


def _mixing(model: nn.Module) -> set[str]:
    return {name for name, module in model.named_modules() if hasattr(module, "pretrained")}


def test_the_layer_sets_of_bert(make) -> None:
    layer = "bert.encoder.layer.0."
    query, attended = f"{layer}attention.self.query", f"{layer}attention.output.dense"
    value, wide, narrow = (
        f"{layer}attention.self.value",
        f"{layer}intermediate.dense",
        f"{layer}output.dense",
    )
    found = {}
    for layers in ("all", "dropout_owners", "after_dropout"):
        model = make("bert")
        parse_strategy(f"mixout:layers={layers}")[0].prepare(model, torch.Generator())
        found[layers] = _mixing(model)
    assert {query, value, attended, wide, narrow, "bert.pooler.dense"} <= found["all"]
    assert "classifier" not in found["all"]
    assert found["dropout_owners"] & {query, value, attended, wide, narrow} == {
        query,
        value,
        attended,
        narrow,
    }
    assert found["after_dropout"] & {query, value, attended, wide, narrow} == {query, attended, wide}
    model = make("bert")
    parse_strategy("mixout:head=include")[0].prepare(model, torch.Generator())
    assert "classifier" in _mixing(model)


@pytest.mark.parametrize("head", ["exclude", "include"])
def test_every_class_mixes_and_its_dropout_is_silent_even_in_the_kernel(
    make, kind: str, head: str, batch
) -> None:
    """With the pre-trained weights in place a mixed pass without dropout is the plain one."""
    model = make(kind)
    attention.replace_dropout(model)
    for module in model.modules():  # ours would hide what reaches the kernel: make every rate large
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.5)
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    parse_strategy(f"mixout:p=0.5,head={head}")[0].prepare(model, torch.Generator().manual_seed(0))
    if head == "exclude":  # dropout stays in the head, which is not mixed
        for name, module in model.named_modules():
            if isinstance(module, nn.Dropout) and not name.startswith(model.base_model_prefix):
                module.p = 0.0
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    model.train()
    first = model(**inputs).logits
    model.eval()
    torch.testing.assert_close(first, model(**inputs).logits, rtol=1e-4, atol=1e-5)
    with torch.no_grad():  # and away from them it varies from pass to pass
        for module in model.modules():
            if hasattr(module, "pretrained"):
                module.weight.add_(0.3 * torch.randn(module.weight.shape, generator=torch.Generator()))
    model.train()
    assert not torch.equal(model(**inputs).logits, model(**inputs).logits)


def test_after_dropout_silences_the_dropouts_that_it_replaces_and_no_other(make, batch) -> None:
    """Each of BERT's dropouts has a linear layer after it; the head's is left where the head is."""
    model = make("bert")
    attention.replace_dropout(model)
    parse_strategy("mixout:p=0.5,layers=after_dropout")[0].prepare(model, torch.Generator())
    rates = {name: m.p for name, m in model.named_modules() if isinstance(m, nn.Dropout)}
    assert rates.pop("dropout") == 0.1  # before the classifier
    assert len(rates) == 1 + 3 * 4
    assert set(rates.values()) == {0.0}
    seen: list[float] = []
    forward = nn.functional.scaled_dot_product_attention

    def kernel(*arguments, dropout_p=0.0, **options):
        seen.append(dropout_p)
        return forward(*arguments, dropout_p=dropout_p, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "scaled_dot_product_attention", kernel)
        model.train()(**batch)
    assert seen == [0.0] * 4
    model = make("bert")
    parse_strategy("mixout:p=0.5,layers=after_dropout,head=include")[0].prepare(model, torch.Generator())
    assert model.dropout.p == 0.0
    assert "classifier" in _mixing(model)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra", "distilbert"])
@pytest.mark.parametrize("head", ["exclude", "include"])
def test_after_dropout_follows_the_data(make, batch, model_type: str, head: str) -> None:
    """The linear layer that is called next after a dropout in a forward pass is the one that takes it up."""
    model = make(model_type).train()
    part = model if head == "include" else model.base_model
    names = {module: name for name, module in model.named_modules()}
    inside = set(part.modules())
    order: list[nn.Module] = []
    hooks = [m.register_forward_hook(lambda m, *_: order.append(m)) for m in names if not list(m.children())]
    model(**batch)
    for handle in hooks:
        handle.remove()
    expected = set()
    for position, module in enumerate(order):  # the query is called first of the three
        following = next((m for m in order[position + 1 :] if isinstance(m, nn.Linear)), None)
        if isinstance(module, nn.Dropout) and module in inside and following in inside:
            expected.add(names[following])
    kernels = {"distilbert": "attention.out_lin"}.get(model_type, "attention.output.dense")
    expected |= {name for name in names.values() if name.endswith(kernels)}  # dropout inside the kernel
    strategy, _ = parse_strategy(f"mixout:p=0.5,layers=after_dropout,head={head}")
    assert strategy.unsupported(model.config.to_dict()) is None
    strategy.prepare(model, torch.Generator())
    assert _mixing(model) == expected


@pytest.mark.parametrize("model_type", ["albert", "deberta", "deberta-v2", "modernbert", "mpnet", "gpt2"])
def test_after_dropout_is_refused_where_the_way_is_not_known(model_type: str) -> None:
    config = {"model_type": model_type}
    assert "BERT, RoBERTa" in str(parse_strategy("mixout:layers=after_dropout")[0].unsupported(config))
    assert parse_strategy("mixout")[0].unsupported(config) is None
    assert parse_strategy("mixout:layers=dropout_owners")[0].unsupported(config) is None


@pytest.mark.parametrize("layers", ["all", "dropout_owners"])
def test_the_configurations_attention_dropout_is_zero_too(make, kind: str, layers: str) -> None:
    """A class may hand its kernel the configuration's rate: modules alone are not enough."""
    model = make(kind)
    names = [n for n in ("attention_probs_dropout_prob", "attention_dropout") if hasattr(model.config, n)]
    assert names
    for name in names:
        setattr(model.config, name, 0.5)
    parse_strategy(f"mixout:p=0.5,layers={layers}")[0].prepare(model, torch.Generator())
    for config in (model.config, model.base_model.config):
        assert [getattr(config, name) for name in names] == [0.0] * len(names)


def test_the_model_that_others_copy_keeps_its_dropout(make) -> None:
    """A run works on a copy: what it silences there must not reach the next run of the process."""
    import copy

    shared = make("bert")
    parse_strategy("mixout:p=0.5")[0].prepare(copy.deepcopy(shared), torch.Generator())
    assert shared.config.attention_probs_dropout_prob == 0.1
    assert {m.p for m in shared.modules() if isinstance(m, nn.Dropout)} == {0.1}
    assert not _mixing(shared)


def test_embeddings_biases_and_normalisation_are_never_mixed(make) -> None:
    model = make("bert")
    parse_strategy("mixout")[0].prepare(model, torch.Generator())
    buffers = {name for name, _ in model.named_buffers() if name.endswith("pretrained")}
    assert buffers == {f"{name}.pretrained" for name in _mixing(model)}
    assert not any("embeddings" in name or "LayerNorm" in name for name in buffers)
    assert not any(name.endswith("pretrained") for name in model.state_dict())  # not in a checkpoint


def test_a_probability_out_of_range_is_refused() -> None:
    with pytest.raises(StabbenchError, match="no probability"):
        parse_strategy("mixout:p=1.5")
