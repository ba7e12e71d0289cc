"""Every strategy on every model class: it trains there, or says in one line why not."""

from __future__ import annotations

import pytest
import torch

from stabbench.recipe import Recipe
from stabbench.strategies import REGISTRY, Step
from stabbench.strategies.catalog import parse_strategy, resolve_recipe
from stabbench.training import attention
from stabbench.training.optimizer import Optimizer, check_partition

NAMES = REGISTRY.names()


@pytest.mark.parametrize("name", NAMES)
def test_it_trains(make, kind: str, batch, name: str) -> None:
    """A few updates through all hooks lower the loss on one batch, with every number finite."""
    strategy, _ = parse_strategy(f"{name}:layers=1" if name == "reinit" else name)
    model = make(kind)
    attention.replace_dropout(model)
    reason = strategy.unsupported(model.config.to_dict())
    if kind == "albert" and name in ("reinit", "llrd"):
        assert reason is not None
        return
    assert reason is None
    torch.manual_seed(1)
    stream = torch.Generator().manual_seed(2)
    strategy.prepare(model, stream)
    with torch.no_grad():
        before = float(model.eval()(**batch).loss)
    recipe = resolve_recipe(strategy, Recipe()).change(learning_rate=5e-3)
    groups = strategy.parameter_groups(model, recipe)
    check_partition(groups, model)
    optimizer = Optimizer(model, groups, recipe, 0, 40)
    for update in range(10):
        step = Step(torch.full((), update), stream, strategy.phase(update, 10))
        loss = strategy.loss(model.train(), batch, step)
        assert loss.shape == ()
        penalty = strategy.penalty(model, step)
        (loss if penalty is None else loss + penalty).backward()
        assert torch.isfinite(optimizer.clip())
        strategy.before_step(model, step)
        optimizer.step()
        strategy.after_step(model, step)
    trained = strategy.evaluated(model).eval()
    with torch.no_grad():
        after = float(trained(**batch).loss)
    assert all(torch.isfinite(p).all() for p in trained.parameters())
    assert after < before


@pytest.mark.parametrize("head", ["start", "zero", "none"])
def test_what_each_weight_decays_to(make, kind: str, head: str) -> None:
    """One update without gradient, at rate 0.1 and lambda 0.5: only the decay is seen."""
    strategy, _ = parse_strategy(f"pretrained-decay:lambda=0.5,head={head}")
    model = make(kind).double()
    strategy.prepare(model, torch.Generator())
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    recipe = resolve_recipe(strategy, Recipe(learning_rate=0.1))
    optimizer = Optimizer(model, strategy.parameter_groups(model, recipe), recipe, 0, 10)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    step = Step(torch.tensor(0), torch.Generator(), None)
    optimizer.clip()
    strategy.before_step(model, step)
    optimizer.step()
    strategy.after_step(model, step)
    norms = {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.LayerNorm) or "Norm" in type(module).__name__
        for own, _ in module.named_parameters(recurse=False)
    }
    prefix = model.base_model_prefix + "."
    kinds = set()
    for name, parameter in model.named_parameters():
        moved = start[name] + 1
        if name in norms or name.endswith("bias"):
            expected, what = moved, "exempt"
        elif name.startswith(prefix) and not (head == "zero" and name.startswith(f"{prefix}pooler.")):
            expected, what = moved - 0.05 * (moved - start[name]), "encoder"
        else:
            target = {"start": start[name], "zero": torch.zeros_like(moved), "none": moved}[head]
            expected, what = moved - 0.05 * (moved - target), "head"
        kinds.add(what)
        torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=1e-12, msg=name)
    assert kinds == {"exempt", "encoder", "head"}
