"""Decay towards the pre-trained weights, against the formula in float64."""

from __future__ import annotations

import re

import pytest
import torch

from stabbench.strategies import Step
from stabbench.strategies.catalog import parse_strategy, resolve_recipe
from stabbench.training.optimizer import Optimizer


def trained(make, text: str, updates: int):
    """Train with gradients of our own; return the model, its start, and the expected weights by name."""
    from stabbench.recipe import Recipe

    strategy, _ = parse_strategy(text)
    recipe = resolve_recipe(strategy, Recipe(learning_rate=1e-2, clip_norm=None))
    model = make("bert").double()
    chance = torch.Generator().manual_seed(3)
    strategy.prepare(model, chance)
    optimizer = Optimizer(model, strategy.parameter_groups(model, recipe), recipe, 2, updates)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    gradients = []
    for index in range(updates):
        gradients.append({n: torch.randn(p.shape, generator=chance).double() for n, p in start.items()})
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[-1][name].clone()
        step = Step(torch.tensor(index), chance, strategy.phase(index, updates))
        strategy.before_step(model, step)
        optimizer.step()
        strategy.after_step(model, step)
    return model, recipe, start, gradients


def expected(
    name: str, recipe, start, gradients, target, strength: float, share: float = 1.0
) -> torch.Tensor:
    """AdamW's formula with w -= rate * lambda * (w - target) before each step, at a share of the rate."""
    w, m, v = start[name].clone(), torch.zeros_like(start[name]), torch.zeros_like(start[name])
    for t, gradient in enumerate(gradients, start=1):
        rate = (
            share
            * recipe.learning_rate
            * ((t - 1) / 2 if t <= 2 else (len(gradients) - t + 1) / (len(gradients) - 2))
        )
        g = gradient[name]
        m = recipe.beta1 * m + (1 - recipe.beta1) * g
        v = recipe.beta2 * v + (1 - recipe.beta2) * g * g
        if target is not None:
            w = w - rate * strength * (w - target)
        c1, c2 = 1 - recipe.beta1**t, (1 - recipe.beta2**t) ** 0.5
        w = w - rate / c1 * m / ((v.sqrt() + recipe.epsilon) / c2)
    return w


@pytest.mark.parametrize("head", ["start", "zero", "none"])
def test_every_weight_decays_to_its_target(make, head: str) -> None:
    model, recipe, start, gradients = trained(make, f"pretrained-decay:lambda=0.7,head={head}", 12)
    assert recipe.weight_decay == 0.7
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "LayerNorm" in name:
            target = None
        elif name == "classifier.weight":
            target = {"start": start[name], "zero": torch.zeros_like(start[name]), "none": None}[head]
        elif "pooler" in name and head == "zero":
            target = torch.zeros_like(start[name])
        else:
            target = start[name]
        wanted = expected(name, recipe, start, gradients, target, 0.7)
        torch.testing.assert_close(parameter.detach(), wanted, rtol=0, atol=1e-9, msg=name)


def test_it_follows_the_rate_of_every_layer(make) -> None:
    """llrd: each weight decays towards its start at its own layer's rate."""
    model, recipe, start, gradients = trained(make, "llrd:decay=0.5+pretrained-decay:lambda=0.7", 12)
    for name, parameter in model.named_parameters():
        layer = re.search(r"layer\.(\d)\.", name)
        depth = 4 - int(layer[1]) if layer else 5 if "embeddings" in name else 0
        exempt = name.endswith("bias") or "LayerNorm" in name
        wanted = expected(name, recipe, start, gradients, None if exempt else start[name], 0.7, 0.5**depth)
        torch.testing.assert_close(parameter.detach(), wanted, rtol=0, atol=1e-9, msg=name)


def test_a_negative_lambda_is_refused() -> None:
    from stabbench.errors import StabbenchError

    with pytest.raises(StabbenchError, match="negative"):
        parse_strategy("pretrained-decay:lambda=-1")
