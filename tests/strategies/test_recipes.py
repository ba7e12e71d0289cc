"""What the strategies that only change a recipe make of it."""

import pytest
import torch

from stabbench.errors import StabbenchError
from stabbench.models.families import ALBERT, BERT, ROBERTA
from stabbench.strategies.catalog import parse_strategy, resolve_recipe
from stabbench.strategies.groups import decay_groups
from stabbench.training.optimizer import Optimizer


def recipe_of(text, model_recipe=BERT):
    return resolve_recipe(parse_strategy(text)[0], model_recipe)


@pytest.mark.parametrize("model_recipe", [BERT, ROBERTA, ALBERT])
def test_devlin_and_ours_differ_in_bias_correction_and_epochs_only(model_recipe):
    devlin, ours = recipe_of("devlin", model_recipe), recipe_of("ours", model_recipe)
    assert (devlin.epochs, devlin.bias_correction) == (3, False)
    assert (ours.epochs, ours.bias_correction) == (20, True)
    assert devlin.change(epochs=20, bias_correction=True) == ours
    assert devlin.learning_rate == model_recipe.learning_rate == 2e-5
    assert devlin.beta2 == model_recipe.beta2


def test_rte_has_the_papers_numbers_of_updates():
    """Mosbach et al.: 156 updates an epoch; 468 with 46 of warm-up, 3,120 with 312."""
    devlin, ours = recipe_of("devlin"), recipe_of("ours")
    assert devlin.updates_per_epoch(2490) == 156
    assert (devlin.total_updates(2490), devlin.warmup_updates(2490)) == (468, 46)
    assert (ours.total_updates(2490), ours.warmup_updates(2490)) == (3120, 312)


def update_sizes(name: str, model_recipe, updates: int) -> list[float]:
    """Return how far each update with a constant gradient moves a weight at a constant rate, per rate."""
    recipe = recipe_of(name, model_recipe).change(epsilon=1e-12, weight_decay=0.0, clip_norm=None)
    layer = torch.nn.Linear(1, 1, bias=False).double()
    optimizer = Optimizer(layer, decay_groups(layer, 0.0), recipe, 0, 10**12)
    sizes = []
    for _ in range(updates):
        with torch.no_grad():
            layer.weight.zero_()
        layer.weight.grad = torch.ones_like(layer.weight)
        optimizer.step()
        sizes.append(-float(layer.weight.detach()) / recipe.learning_rate)
    return sizes


@pytest.mark.parametrize(
    ("model_recipe", "factors", "largest"),
    [
        (BERT, {1: 3.16, 12: 6.57, 46: 4.68, 100: 3.24, 468: 1.635}, 12),
        (ROBERTA, {1: 0.71, 14: 1.55, 100: 1.07}, 14),
    ],
)
def test_how_much_larger_devlins_updates_are(model_recipe, factors, largest):
    """Without over with correction: (1 - beta1^t) / sqrt(1 - beta2^t), which RoBERTa's beta2 barely shows."""
    pairs = zip(
        *(update_sizes(name, model_recipe, 468) for name in ("devlin", "bias-correction")), strict=True
    )
    ratios = [one / other for one, other in pairs]
    assert {t: ratios[t - 1] for t in factors} == pytest.approx(factors, abs=6e-3)
    assert ratios.index(max(ratios)) + 1 == largest
    beta1, beta2 = model_recipe.beta1, model_recipe.beta2
    formula = [(1 - beta1**t) / (1 - beta2**t) ** 0.5 for t in range(1, 469)]
    assert ratios == pytest.approx(formula, rel=1e-9)


def test_bias_correction_is_devlin_with_bias_correction():
    assert recipe_of("bias-correction") == recipe_of("devlin").change(bias_correction=True)


@pytest.mark.parametrize("name", ["devlin", "ours", "bias-correction"])
def test_the_authors_place_epsilon_before_the_correction(name):
    assert recipe_of(name).epsilon_placement == "before_correction"
    if name != "devlin":
        assert recipe_of(f"{name}:epsilon_placement=after_correction").epsilon_placement == "after_correction"


def test_devlin_may_clip_each_tensor():
    assert recipe_of("devlin").clipping == "global"
    assert recipe_of("devlin:clipping=per_tensor").clipping == "per_tensor"


def test_longer_is_a_number_of_updates_whatever_the_size_of_the_task():
    found = recipe_of("longer")
    assert found.total_updates(100) == found.total_updates(10_000) == 400
    assert found.change(steps=None) == recipe_of("bias-correction")
    assert recipe_of("longer:steps=1500").total_updates(2490) == 1500
    assert recipe_of("longer:steps=1500").warmup_updates(2490) == 150


def test_small_lr_is_devlin_at_half_the_rate_for_20_epochs():
    assert recipe_of("small-lr") == recipe_of("devlin").change(learning_rate=1e-5, epochs=20)


def test_reinit_stands_on_bias_correction_and_mixout_on_devlin():
    assert recipe_of("reinit") == recipe_of("bias-correction")
    assert recipe_of("mixout") == recipe_of("devlin")
    assert recipe_of("mixout:base=ours") == recipe_of("ours")


def test_a_recipe_that_makes_no_sense_is_refused():
    with pytest.raises((StabbenchError, ValueError)):
        recipe_of("longer:steps=0")
    with pytest.raises((StabbenchError, ValueError)):
        recipe_of("small-lr:factor=0")
