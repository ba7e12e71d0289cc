"""Strategies that tell layers apart: what is drawn anew, and what learns at which rate, by name and class."""

from __future__ import annotations

import re

import pytest
import torch

from stabbench.recipe import Recipe
from stabbench.strategies.catalog import parse_strategy
from stabbench.training.optimizer import check_partition

POOLER = {"bert": "bert.pooler.", "albert": "albert.pooler", "deberta": "-", "deberta-v2": "-"}
LAYER = re.compile(r"\.(?:encoder\.layer|transformer\.layer|layers)\.(\d+)\.")


def depth_of(name: str) -> int | None:
    found = LAYER.search(name)
    return None if found is None else int(found[1])


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_what_reinit_draws_anew_and_what_it_leaves(make, kind: str, layers: int) -> None:
    strategy = parse_strategy(f"reinit:layers={layers}")[0]
    model = make(kind)
    if kind == "albert" and layers:
        assert "shares" in (strategy.unsupported(model.config.to_dict()) or "")
        return
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.37)  # no fresh value looks like this
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    strategy.prepare(model, torch.Generator().manual_seed(0))
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    expected = {
        name
        for name in before
        if layers
        and (((depth := depth_of(name)) is not None and depth >= 4 - layers) or ".pooler." in name)
        and name.startswith(model.base_model_prefix)
    }
    assert changed == expected
    for name, parameter in model.named_parameters():
        if name in changed:
            if name.endswith("bias"):
                assert (parameter == 0).all()
            elif "norm" in name.lower():
                assert (parameter == 1).all()
            else:
                assert 0.01 < parameter.std() < 0.03
                assert parameter.mean().abs() < 0.02


def test_the_pooler_can_be_left_and_too_many_layers_are_refused(make) -> None:
    model = make("bert")
    before = model.bert.pooler.dense.weight.detach().clone()
    parse_strategy("reinit:layers=1,pooler=false")[0].prepare(model, torch.Generator())
    assert torch.equal(model.bert.pooler.dense.weight, before)
    reason = parse_strategy("reinit:layers=5")[0].unsupported(model.config.to_dict())
    assert reason is not None
    assert "4 layers" in reason


def test_reinit_draws_with_the_spread_that_the_model_was_made_with(make) -> None:
    model = make("bert")
    model.config.initializer_range = 0.3
    parse_strategy("reinit:layers=1")[0].prepare(model, torch.Generator().manual_seed(0))
    drawn = torch.cat(
        [p.detach().flatten() for n, p in model.named_parameters() if "layer.3" in n and p.dim() > 1]
    )
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.05)
    assert float(drawn.abs().max()) > 0.7  # normal, not truncated at two deviations


def test_a_negative_number_of_layers_is_refused() -> None:
    from stabbench.errors import StabbenchError

    with pytest.raises(StabbenchError, match="negative"):
        parse_strategy("reinit:layers=-1")


def test_reinit_draws_from_its_own_stream(make) -> None:
    found = []
    for noise in (0, 1):
        model = make("bert")
        torch.manual_seed(noise)
        parse_strategy("reinit:layers=1")[0].prepare(model, torch.Generator().manual_seed(5))
        found.append(model.bert.encoder.layer[3].output.dense.weight.detach().clone())
    assert torch.equal(*found)


def test_the_ladder_of_rates(make, kind: str) -> None:
    """Layer i of N at rate * 0.95^(N-i), embeddings at rate * 0.95^(N+1), head and pooler at the rate."""
    strategy = parse_strategy("llrd")[0]
    model = make(kind)
    if kind == "albert":
        assert "shares" in (strategy.unsupported(model.config.to_dict()) or "")
        return
    recipe = Recipe(learning_rate=2e-5)
    groups = strategy.parameter_groups(model, recipe)
    check_partition(groups, model)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        depth = depth_of(name)
        if depth is not None:
            expected = 2e-5 * 0.95 ** (4 - depth)
        elif not name.startswith(model.base_model_prefix) or ".pooler." in name or "final_norm" in name:
            expected = 2e-5
        else:
            expected = 2e-5 * 0.95**5
        assert rates[id(parameter)] == pytest.approx(expected, rel=1e-12), name


def test_the_ladder_of_bert_large() -> None:
    """24 layers: embeddings learn at 0.277 of the rate, the top layer at 0.95, pooler and head at 1."""
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 4, "num_attention_heads": 2, "intermediate_size": 4, "vocab_size": 9}
    model = BertForSequenceClassification(BertConfig(num_hidden_layers=24, **sizes))
    groups = parse_strategy("llrd")[0].parameter_groups(model, Recipe(learning_rate=2e-5))
    rates = {p: group["lr"] / 2e-5 for group in groups for p in group["params"]}
    layers = model.bert.encoder.layer
    for weight, share in [
        (model.bert.embeddings.word_embeddings.weight, 0.277),
        (model.bert.embeddings.LayerNorm.weight, 0.277),
        (layers[0].output.dense.weight, 0.95**24),
        (layers[23].attention.self.query.bias, 0.95),
        (model.bert.pooler.dense.weight, 1.0),
        (model.classifier.weight, 1.0),
    ]:
        assert rates[weight] == pytest.approx(share, rel=2e-3)


def test_the_head_may_be_left_without_weight_decay(make) -> None:
    model = make("bert")
    decays = {}
    for choice in ("recipe", "none"):
        groups = parse_strategy(f"llrd:head_decay={choice}")[0].parameter_groups(model, Recipe())
        decays[choice] = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    head, query = model.classifier.weight, model.bert.encoder.layer[0].attention.self.query.weight
    assert (decays["recipe"][id(head)], decays["none"][id(head)]) == (0.01, 0.0)
    assert decays["recipe"][id(query)] == decays["none"][id(query)] == 0.01


@pytest.mark.parametrize("decay", ["0", "-1", "1.5"])
def test_a_decay_out_of_range_is_refused(decay: str) -> None:
    from stabbench.errors import StabbenchError

    with pytest.raises(StabbenchError, match="decay"):
        parse_strategy(f"llrd:decay={decay}")


def test_every_strategy_partitions_the_parameters_of_every_class(make, kind: str) -> None:
    from stabbench.strategies import REGISTRY

    for name in REGISTRY.names():
        model = make(kind)
        strategy = parse_strategy("reinit:layers=2" if name == "reinit" else name)[0]
        if strategy.unsupported(model.config.to_dict()) is None:
            strategy.prepare(model, torch.Generator().manual_seed(0))
            check_partition(strategy.parameter_groups(model, Recipe()), model)
