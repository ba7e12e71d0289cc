"""AdamW against a float64 reference, groups, schedule, clipping."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.strategies.groups import decay_groups
from stabbench.training.optimizer import Optimizer, check_partition
from stabbench.training.schedule import learning_rate_factor

STEPS = 500


def reference(
    start: np.ndarray, gradients: np.ndarray, recipe: Recipe, warmup: int, total: int
) -> np.ndarray:
    """Return the weights after all steps, by the formulae of the papers, in float64."""
    weights, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for number, gradient in enumerate(gradients):
        t = number + 1
        rate = recipe.learning_rate * learning_rate_factor(number, warmup, total)
        weights -= rate * recipe.weight_decay * weights
        m = recipe.beta1 * m + (1 - recipe.beta1) * gradient
        v = recipe.beta2 * v + (1 - recipe.beta2) * gradient**2
        if not recipe.bias_correction:
            weights -= rate * m / (np.sqrt(v) + recipe.epsilon)
            continue
        m_hat, correction = m / (1 - recipe.beta1**t), math.sqrt(1 - recipe.beta2**t)
        if recipe.epsilon_placement == "before_correction":
            weights -= rate * m_hat / ((np.sqrt(v) + recipe.epsilon) / correction)
        else:
            weights -= rate * m_hat / (np.sqrt(v) / correction + recipe.epsilon)
    return weights


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize("placement", ["before_correction", "after_correction"])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
@pytest.mark.parametrize(
    ("dtype", "tensor_rates", "tolerance"),
    [(torch.float32, False, 1e-6), (torch.float64, False, 1e-13), (torch.float32, True, 1e-6)],
)
def test_500_steps_against_float64(
    bias_correction: bool,
    placement: str,
    scale: float,
    dtype: torch.dtype,
    tensor_rates: bool,
    tolerance: float,
) -> None:
    recipe = Recipe(
        learning_rate=1e-3, bias_correction=bias_correction, epsilon_placement=placement, clip_norm=None
    )
    chance = np.random.default_rng(0)
    start = chance.normal(size=(7, 5)) * 0.1
    gradients = chance.normal(size=(STEPS, 7, 5)) * scale
    layer = nn.Linear(5, 7, bias=False, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(start))
    groups = decay_groups(layer, recipe.weight_decay)
    optimizer = Optimizer(layer, groups, recipe, 50, STEPS, tensor_rates)
    for gradient in gradients:
        layer.weight.grad = torch.from_numpy(gradient).to(dtype)
        optimizer.step()
    expected = reference(torch.from_numpy(start).to(dtype).double().numpy(), gradients, recipe, 50, STEPS)
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected, rtol=0, atol=tolerance)


def test_epsilon_placement_matters_when_gradients_vanish() -> None:
    """Step-1 update over the learning rate at g = 1e-6, eps = 1e-6: 0.031 before, 0.50 after."""
    sizes = {}
    for placement in ("before_correction", "after_correction"):
        recipe = Recipe(learning_rate=1.0, weight_decay=0, warmup_ratio=0, epsilon_placement=placement)
        layer = nn.Linear(1, 1, bias=False)
        before = float(layer.weight.detach())
        layer.weight.grad = torch.full((1, 1), 1e-6)
        Optimizer(layer, decay_groups(layer, 0.0), recipe, 0, 10).step()
        sizes[placement] = before - float(layer.weight.detach())
    assert sizes["before_correction"] == pytest.approx(0.031, abs=5e-4)
    assert sizes["after_correction"] == pytest.approx(0.50, abs=5e-3)


@pytest.mark.parametrize(
    ("t", "factor"), [(1, 3.16), (12, 6.57), (46, 4.68), (100, 3.24), (468, 1.635), (3120, 1.02)]
)
def test_how_much_larger_steps_are_without_correction(t: int, factor: float) -> None:
    """With a constant gradient the step without over with correction is (1 - b1^t) / sqrt(1 - b2^t)."""
    assert (1 - 0.9**t) / math.sqrt(1 - 0.999**t) == pytest.approx(factor, rel=4e-3)
    moved = {}
    for corrected in (True, False):
        recipe = Recipe(learning_rate=1e-3, weight_decay=0, bias_correction=corrected, epsilon=1e-12)
        layer = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            layer.weight.zero_()
        optimizer = Optimizer(layer, decay_groups(layer, 0.0), recipe, 0, 10**9)
        for _ in range(t):
            with torch.no_grad():
                layer.weight.zero_()
            layer.weight.grad = torch.ones(1, 1)
            optimizer.step()
            moved[corrected] = -float(layer.weight.detach())
    assert moved[False] / moved[True] == pytest.approx(factor, rel=5e-3)


def test_the_schedule() -> None:
    factors = [learning_rate_factor(update, 46, 468) for update in range(468)]
    assert factors[0] == 0
    assert 2e-5 * factors[1] == pytest.approx(4.3e-7, rel=0.02)
    assert factors[46] == 1
    assert all(a > b for a, b in itertools.pairwise(factors[46:]))
    assert factors[-1] == pytest.approx(1 / 422)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4)
        self.LayerNorm = nn.LayerNorm(4)
        self.odd_name = nn.LayerNorm(4)
        self.table = nn.Embedding(5, 3)
        self.frozen = nn.Linear(2, 2)
        self.frozen.requires_grad_(False)


def test_what_is_decayed() -> None:
    net = Net()
    decayed, exempt = decay_groups(net, 0.01)
    names = {id(p): n for n, p in net.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {"inner.weight", "table.weight"}
    assert {names[id(p)] for p in exempt["params"]} == {
        "inner.bias",
        "LayerNorm.weight",
        "LayerNorm.bias",
        "odd_name.weight",
        "odd_name.bias",
    }
    assert exempt["weight_decay"] == 0
    check_partition([decayed, exempt], net)


def test_a_partition_that_misses_or_repeats() -> None:
    net = Net()
    decayed, exempt = decay_groups(net, 0.01)
    with pytest.raises(StabbenchError, match=r"miss inner\.bias and 4 more"):
        check_partition([decayed], net)
    with pytest.raises(StabbenchError, match=r"repeat table\.weight|repeat inner\.weight"):
        check_partition([decayed, exempt, decayed], net)
    with pytest.raises(StabbenchError, match=r"no trainable parameter"):
        check_partition([decayed, exempt, {"params": [nn.Parameter(torch.ones(2))]}], net)


def clipped(recipe: Recipe) -> tuple[Net, float]:
    net = Net()
    torch.manual_seed(3)
    for parameter in net.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter) * 10
    return net, float(Optimizer(net, decay_groups(net, 0.0), recipe, 0, 10).clip())


def norms(net: Net) -> list[float]:
    return [float(p.grad.norm()) for p in net.parameters() if p.grad is not None]


def test_clipping() -> None:
    free, norm = clipped(Recipe(clip_norm=None))
    assert math.dist(norms(free), [0] * 7) == pytest.approx(norm)
    whole, _ = clipped(Recipe(clip_norm=1.0))
    assert math.dist(norms(whole), [0] * 7) == pytest.approx(1.0, rel=1e-4)
    each, _ = clipped(Recipe(clip_norm=1.0, clipping="per_tensor"))
    assert norms(each) == pytest.approx([1.0] * 7, rel=1e-4)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[int], list[list[bool]]]:
    """Draw shapes, the group of each parameter, and which of them have a gradient in each update."""
    shapes = draw(st.lists(st.sampled_from([(3,), (16,), (17,), (5, 7), (1, 1)]), min_size=1, max_size=5))
    groups = draw(st.lists(st.integers(0, 2), min_size=len(shapes), max_size=len(shapes)))
    has = st.lists(st.booleans(), min_size=len(shapes), max_size=len(shapes))
    return shapes, groups, draw(st.lists(has, min_size=1, max_size=6))


@given(histories(), st.booleans(), st.integers(0, 1000))
def test_it_is_torchs_adamw_whichever_parameters_have_gradients(
    history: tuple[list[tuple[int, ...]], list[int], list[list[bool]]], clips: bool, seed: int
) -> None:
    shapes, groups, updates = history
    chance = torch.Generator().manual_seed(seed)
    start = [torch.randn(shape, generator=chance) for shape in shapes]
    ours = nn.ParameterList([nn.Parameter(weight.clone()) for weight in start])
    theirs = [nn.Parameter(weight.clone()) for weight in start]
    recipe = Recipe(
        learning_rate=0.1,
        epsilon_placement="after_correction",
        clip_norm=0.5 if clips else None,
        epsilon=1e-3,
    )

    def grouped(parameters: list[nn.Parameter]) -> list[dict[str, object]]:
        return [
            {
                "params": [p for p, g in zip(parameters, groups, strict=True) if g == index],
                "lr": rate,
                "weight_decay": decay,
            }
            for index, (rate, decay) in enumerate([(0.1, 0.1), (0.05, 0.0), (0.1, 0.2)])
            if index in groups
        ]

    optimizer = Optimizer(ours, grouped(list(ours)), recipe, 0, 10**9)
    expected = torch.optim.AdamW(grouped(theirs), betas=(0.9, 0.999), eps=1e-3)
    for has in updates:
        for mine, other, shape, present in zip(ours, theirs, shapes, has, strict=True):
            gradient = torch.randn(shape, generator=chance)
            mine.grad = gradient.clone() if present else None
            other.grad = gradient.clone() if present else None
        norm = optimizer.clip()
        if any(has) and clips:
            torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(theirs, 0.5))
        optimizer.step()
        expected.step()
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine.detach(), other.detach(), rtol=2e-6, atol=1e-6)
            assert mine.grad is None


def test_a_finer_division_into_equal_groups_changes_no_bit() -> None:
    """So that a layer-wise decay of 1 is the base run."""
    found = []
    for fine in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(9, 33), nn.LayerNorm(33), nn.Linear(33, 5))
        groups = decay_groups(net, 0.01)
        if fine:
            groups = [{**group, "params": [p]} for group in groups for p in group["params"]][::-1]
        optimizer = Optimizer(net, groups, Recipe(learning_rate=1e-2, clip_norm=0.1), 2, 20)
        norms = []
        for _ in range(20):
            net(torch.randn(8, 9)).pow(2).mean().backward()
            norms.append(optimizer.clip())
            optimizer.step()
        found.append((torch.stack(norms), [p.detach().clone() for p in net.parameters()]))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))


def test_a_gradient_that_a_hook_replaced_is_the_one_that_counts() -> None:
    net = nn.Linear(3, 2)
    before = net.weight.detach().clone()
    optimizer = Optimizer(net, decay_groups(net, 0.0), Recipe(learning_rate=0.1, weight_decay=0), 0, 10)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.clip()
    net.weight.grad = torch.zeros_like(net.weight)
    optimizer.step()
    assert torch.equal(net.weight.detach(), before)
    assert not torch.equal(net.bias.detach(), torch.zeros(2))


@pytest.mark.parametrize("placement", ["before_correction", "after_correction"])
def test_rates_that_are_tensors_follow_those_that_join_late(placement: str) -> None:
    """A layer that is let go after four updates has a bias correction of its own, whatever the rates are."""
    found = []
    for tensor_rates in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(9, 33), nn.LayerNorm(33), nn.Linear(33, 5))
        recipe = Recipe(learning_rate=1e-2, weight_decay=0.1, epsilon_placement=placement)
        optimizer = Optimizer(net, decay_groups(net, 0.1), recipe, 2, 12, tensor_rates)
        for update in range(12):
            net(torch.randn(8, 9)).pow(2).mean().backward()
            optimizer.clip()
            if update < 4:
                net[0].weight.grad = net[0].bias.grad = None
            optimizer.step()
        found.append([p.detach().clone() for p in net.parameters()])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-6)
