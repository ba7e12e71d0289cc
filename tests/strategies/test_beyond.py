"""The methods beyond the two papers, against their formulae in float64."""

from __future__ import annotations

import copy
import sys

import pytest
import torch

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.strategies import Step
from stabbench.strategies.catalog import parse_strategy, resolve_recipe
from stabbench.training.optimizer import Optimizer


def step(index: int = 0, seed: int = 0, phase: object = None) -> Step:
    return Step(torch.tensor(index), torch.Generator().manual_seed(seed), phase)


def no_dropout(model):
    """Return a model whose passes are all alike."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)
    return model


def divergence(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    p, q = one.double().softmax(-1), other.double().softmax(-1)
    return (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_r_drop_is_two_losses_and_their_divergence(make, batch, reduction: str) -> None:
    strategy, _ = parse_strategy(f"r-drop:alpha=0.8,reduction={reduction}")
    model = make("bert").double().train()
    with torch.no_grad():
        model.classifier.weight.mul_(100)  # an untrained head makes no divergence worth seeing
    torch.manual_seed(4)
    found = strategy.loss(model, batch, step())
    torch.manual_seed(4)
    first, second = model(**batch), model(**batch)
    rows = divergence(first.logits, second.logits)
    total = rows.sum() if reduction == "sum" else rows.mean()
    expected = first.loss + second.loss + 0.4 * total
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    assert rows.mean() > 0.01
    assert not torch.equal(first.logits, second.logits)


@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_r3f_penalises_what_noise_on_detached_embeddings_changes(make, kind: str, batch, noise: str) -> None:
    strategy, _ = parse_strategy(f"r3f:lambda=2,epsilon=0.3,noise={noise}")
    model = no_dropout(make(kind)).train()
    found = strategy.loss(model, batch, step(seed=7))
    words = model.get_input_embeddings()(batch["input_ids"]).detach()
    chance, drawn = torch.Generator().manual_seed(7), torch.empty_like(words)
    drawn = (
        drawn.uniform_(-0.3, 0.3, generator=chance)
        if noise == "uniform"
        else drawn.normal_(0, 0.3, generator=chance)
    )
    clean = model(**batch)
    noised = model(inputs_embeds=words + drawn, attention_mask=batch["attention_mask"])
    rows = divergence(clean.logits, noised.logits)
    torch.testing.assert_close(found.double(), clean.loss.double() + 2 * rows.mean(), rtol=1e-4, atol=1e-6)
    assert rows.mean() > 0


def test_r3f_predicts_the_same_from_embeddings_as_from_words(make, kind: str, batch) -> None:
    """Positions, token types and padding survive: without noise there is nothing to penalise."""
    strategy, _ = parse_strategy("r3f:lambda=1e3,epsilon=1e-12")
    model = no_dropout(make(kind).double()).train()
    torch.testing.assert_close(
        strategy.loss(model, batch, step()), model(**batch).loss, rtol=0, atol=1e-9, check_dtype=False
    )


def test_r3f_sends_no_gradient_to_the_words_through_the_noised_pass(make, batch) -> None:
    strategy, _ = parse_strategy("r3f:lambda=2,epsilon=0.3")
    model = no_dropout(make("bert").double()).train()
    strategy.loss(model, batch, step(seed=7)).backward()
    found = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    words = model.get_input_embeddings()(batch["input_ids"])
    noise = torch.empty_like(words).uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(7))
    clean = model(**batch)
    noised = model(inputs_embeds=words.detach() + noise, attention_mask=batch["attention_mask"])
    (clean.loss + 2 * divergence(clean.logits, noised.logits).mean()).backward()
    torch.testing.assert_close(found, model.get_input_embeddings().weight.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("tensors", ["all", "matrices"])
def test_noisytune_adds_uniform_noise_in_proportion_to_each_tensors_spread(make, tensors: str) -> None:
    model = make("bert")
    before = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    strategy, _ = parse_strategy(f"noisytune:lambda=0.5,tensors={tensors}")
    strategy.prepare(model, torch.Generator().manual_seed(0))
    for name, parameter in model.named_parameters():
        moved = parameter.detach().double() - before[name]
        if name.startswith("classifier") or (tensors == "matrices" and parameter.dim() == 1):
            assert (moved == 0).all()
            continue
        bound = 0.25 * before[name].std()
        assert (moved.abs() <= bound * 1.001 + 1e-7).all()
        if parameter.numel() > 200:
            assert moved.abs().max() > 0.9 * bound
            assert moved.mean().abs() < 0.2 * bound


def test_noisytune_draws_from_its_own_stream(make) -> None:
    """Whatever torch's own generator does, and anew for every seed."""
    found = []
    for noise, seed in ((0, 5), (1, 5), (1, 6)):
        model = make("bert")
        torch.manual_seed(noise)
        parse_strategy("noisytune")[0].prepare(model, torch.Generator().manual_seed(seed))
        found.append(model.bert.pooler.dense.weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[1], found[2])


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_child_tuning_keeps_a_share_of_the_gradients_and_scales_them(make, p: float) -> None:
    model = make("bert")
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    strategy, _ = parse_strategy(f"child-tuning:p={p}")
    strategy.before_step(model, step())
    found = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert torch.equal(found.unique(), torch.tensor([0.0, 1 / p]))
    assert float((found > 0).float().mean()) == pytest.approx(p, abs=0.02)
    first = found.clone()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    strategy.before_step(model, step(seed=1))
    assert not torch.equal(first, torch.cat([q.grad.flatten() for q in model.parameters()]))


def test_swa_is_the_mean_of_the_weights_after_the_last_updates(make, batch) -> None:
    strategy, _ = parse_strategy("swa:start=0.5")
    model = make("bert")
    assert strategy.evaluated(model) is model
    total, seen = 6, []
    for index in range(total):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * (index + 1))
        phase = strategy.phase(index, total)
        strategy.after_step(model, step(index, phase=phase))
        if index >= 3:
            seen.append({name: p.detach().double().clone() for name, p in model.named_parameters()})
    for name, parameter in strategy.evaluated(model).named_parameters():
        mean = torch.stack([weights[name] for weights in seen]).mean(0)
        torch.testing.assert_close(parameter.detach().double(), mean, rtol=0, atol=1e-6)


def test_lora_trains_adapters_and_head_only_and_evaluates_a_plain_model(make, kind: str, batch) -> None:
    strategy, _ = parse_strategy("lora:rank=2,alpha=4")
    model = no_dropout(make(kind))
    plain = copy.deepcopy(model)
    strategy.prepare(model, torch.Generator().manual_seed(0))
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    head = {
        name for name, _ in plain.named_parameters() if not name.startswith(plain.base_model_prefix + ".")
    }
    assert head <= trainable
    assert trainable - head
    assert all("lora_" in name for name in trainable - head)
    model.eval()
    plain.eval()
    torch.testing.assert_close(model(**batch).logits, plain(**batch).logits)  # B is 0 at first

    recipe = resolve_recipe(strategy, Recipe(learning_rate=1e-3))
    assert recipe.learning_rate == pytest.approx(2e-2)
    optimizer = Optimizer(model, strategy.parameter_groups(model, recipe), recipe, 0, 10)
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    for index in range(3):
        strategy.loss(model.train(), batch, step(index)).backward()
        optimizer.clip()
        optimizer.step()
    assert all(torch.equal(p.detach(), frozen[n]) for n, p in model.named_parameters() if n in frozen)
    merged = strategy.evaluated(model.eval())
    assert {name for name, _ in merged.named_parameters()} == {n for n, _ in plain.named_parameters()}
    torch.testing.assert_close(merged(**batch).logits, model(**batch).logits, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(merged.eval()(**batch).logits, plain(**batch).logits, atol=1e-5)


def test_lora_draws_its_adapters_from_its_own_stream(make) -> None:
    found = []
    for noise in (0, 1):
        model = make("bert")
        torch.manual_seed(noise)
        parse_strategy("lora")[0].prepare(model, torch.Generator().manual_seed(5))
        found.append(torch.cat([p.detach().flatten() for n, p in model.named_parameters() if "lora_A" in n]))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    "text",
    [
        "r-drop:alpha=-1",
        "r3f:lambda=-1",
        "r3f:epsilon=0",
        "noisytune:lambda=-0.1",
        "child-tuning:p=0",
        "child-tuning:p=1.2",
        "swa:start=2",
        "lora:rank=0",
    ],
)
def test_a_value_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(StabbenchError):
        parse_strategy(text)


def test_lora_without_peft_says_what_to_install(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(StabbenchError, match=r"stabbench\[lora\]"):
        parse_strategy("lora")[0].prepare(make("bert"), torch.Generator())
