"""A layer that runs as one node of the graph computes what its modules do, or lets them do it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from stabbench.models.structure import layers_of
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import attention, layers, packing
from stabbench.training.cache import Cache
from stabbench.training.loop import train
from tests.strategies.conftest import COMMON, CONFIGS
from tests.strategies.test_packed import STRATEGIES
from tests.training.test_packing import LONG, SHORT, batch

KINDS = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
RATES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
UNEQUAL = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.1}
HIDDEN_ONLY = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0}
NONE = dict.fromkeys(RATES, 0.0)
ODD = {"hidden_size": 6, "num_hidden_layers": 2}
"""Tokens times this width are no multiple of four: masks end within a draw."""


def tiny(kind: str, **changes: Any) -> PreTrainedModel:
    """Return a copy, as a run gets it, of a tiny model on packed rows, its weights far from their start."""
    sizes = {**CONFIGS.get(kind, CONFIGS["roberta"]), "num_hidden_layers": 2, "max_position_embeddings": 70}
    special = {"pad_token_id": 0, "initializer_range": 0.3}
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**COMMON, **sizes, **special, **RATES, **changes})
    model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention.NAME)
    attention.replace_dropout(model)
    packing.install(model)
    layers.install(model)
    return copy.deepcopy(model).train()


def by_modules(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy whose layers run by their modules: somebody listens to each."""
    plain = copy.deepcopy(model)
    for layer in layers_of(plain):
        layer.output.dense.register_forward_hook(lambda *given: None)
    return plain


def count_nodes(result: torch.Tensor) -> int:
    """Return how many layers of a graph are one node."""
    nodes, seen = [result.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [below for below, _ in node.next_functions]
    return sum(node.name() == "LayerBackward" for node in seen)


def results(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], int]:
    """Return loss, logits, gradients and the next random number of a step, and how many layers were nodes."""
    torch.manual_seed(3)
    output = model(**inputs)
    found = {"loss": output.loss.detach(), "logits": output.logits.detach()}
    nodes = count_nodes(output.loss)
    output.loss.backward()
    found |= {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found | {"random": torch.rand(3)}, nodes


def check_alike(model: PreTrainedModel, inputs: dict[str, torch.Tensor], nodes: int = 2) -> None:
    """Compare a model's step to that of its modules."""
    (mine, mine_nodes), (theirs, theirs_nodes) = results(model, inputs), results(by_modules(model), inputs)
    assert (mine_nodes, theirs_nodes) == (nodes, 0)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    "rates", [RATES, NONE, UNEQUAL, HIDDEN_ONLY], ids=["dropout", "none", "unequal", "hidden"]
)
@pytest.mark.parametrize("lengths", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_that_of_the_modules(kind: str, lengths: list[int], rates: dict[str, float]) -> None:
    check_alike(tiny(kind, **rates), batch(lengths))


@pytest.mark.parametrize("rates", [RATES, UNEQUAL], ids=["dropout", "unequal"])
def test_masks_that_end_within_a_draw(rates: dict[str, float]) -> None:
    check_alike(tiny("bert", **ODD, **rates), batch([5, 4, 2]))


def test_evaluation_is_that_of_the_modules() -> None:
    model = tiny("bert").eval()
    inputs = batch(LONG)
    with torch.no_grad():
        torch.testing.assert_close(
            model(**inputs).logits, by_modules(model)(**inputs).logits, rtol=1e-5, atol=1e-5
        )
    check_alike(model, inputs)


def test_a_step_is_the_same_twice_bit_for_bit() -> None:
    model = tiny("bert")
    (one, _), (other, _) = (results(model, batch(LONG)) for _ in range(2))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_row_does_not_depend_on_its_batch_mates() -> None:
    model, inputs = tiny("bert").eval(), batch(LONG)
    together = model(**inputs).logits
    for row, length in enumerate(LONG):
        alone = {name: inputs[name][row : row + 1, :length] for name in ("input_ids", "attention_mask")}
        torch.testing.assert_close(model(**alone).logits[0], together[row], rtol=1e-6, atol=1e-6)


def test_nan_stays_nan_in_its_row() -> None:
    model, inputs = tiny("bert", **NONE), batch(SHORT)
    words = model.get_input_embeddings()(inputs["input_ids"]).detach()
    words[2, 1, 3] = torch.nan
    logits = model(inputs_embeds=words, attention_mask=inputs["attention_mask"]).logits
    assert logits.isnan().all(dim=1).tolist() == [row == 2 for row in range(len(SHORT))]
    logits.sum().backward()
    assert layers_of(model)[0].attention.self.key.weight.grad.isnan().all()


@pytest.mark.parametrize("rates", [RATES, NONE], ids=["dropout", "none"])
def test_gradients_and_theirs_are_those_of_finite_differences(rates: dict[str, float]) -> None:
    model = tiny("bert", **ODD, intermediate_size=4, **rates).double()
    layer = layers_of(model)[0]
    lengths = torch.tensor([2, 1])
    mask = torch.arange(2) < lengths[:, None]
    note = mask[None, None]
    note._stabbench_rows = packing.Rows(mask)
    hidden = torch.randn(1, 3, 6, dtype=torch.float64, requires_grad=True)

    def output(*given: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        return layer(given[0], note)

    inputs = (hidden, *layer.parameters())
    assert count_nodes(output(*inputs)) == 1
    assert torch.autograd.gradcheck(output, inputs, atol=1e-6)
    assert torch.autograd.gradgradcheck(output, inputs, atol=1e-6)


def test_frozen_weights_get_no_gradient() -> None:
    model = tiny("bert")
    first, second = layers_of(model)
    for frozen in (model.base_model.embeddings, first, second.attention.self.key, second.output.LayerNorm):
        frozen.requires_grad_(False)
    second.intermediate.dense.bias.requires_grad_(False)
    check_alike(model, batch(SHORT), nodes=1)
    assert second.attention.self.query.weight.requires_grad


def hooked(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.attention.self.register_forward_hook(lambda _m, _g, output: (output[0] * 1.5, output[1]))


def hooked_backward(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.intermediate.register_full_backward_hook(lambda _m, given, _o: (given[0] * 2,))


def other_activation(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.intermediate.intermediate_act_fn = nn.ReLU()


def other_linear(model: PreTrainedModel) -> None:
    class Doubling(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    for layer in layers_of(model):
        layer.attention.self.value.__class__ = Doubling


def other_forward(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        dense = layer.attention.output.dense
        dense.forward = lambda x, dense=dense: nn.functional.linear(x, dense.weight * 2, dense.bias)


def other_norm(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.output.LayerNorm = nn.Identity()


def parametrized(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        parametrize.register_parametrization(layer.output.dense, "weight", nn.Tanh())


def pruned(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        prune.l1_unstructured(layer.intermediate.dense, "weight", amount=0.5)


def torch_dropout(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.output.dropout = nn.Dropout(0.2)


def without_bias(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        layer.intermediate.dense.bias = None


def strategy(name: str) -> Callable[[PreTrainedModel], None]:
    return lambda model: parse_strategy(name)[0].prepare(model, torch.Generator().manual_seed(0))


CHANGES = [
    *(hooked, hooked_backward, other_activation, other_linear, other_forward, other_norm, parametrized),
    *(pruned, torch_dropout, without_bias, strategy("mixout"), strategy("lora")),
]
NAMES = [change.__name__ for change in CHANGES[:-2]] + ["mixout", "lora"]


@pytest.mark.parametrize("late", [False, True], ids=["before", "between"])
@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_what_is_changed_runs_by_its_modules(change: Callable[[PreTrainedModel], None], late: bool) -> None:
    model, plain = tiny("bert"), by_modules(tiny("bert"))
    if late:
        assert results(model, batch(SHORT))[1] == 2
    for one in (model, plain):
        change(one)
    (mine, nodes), (theirs, _) = results(model, batch(SHORT)), results(plain, batch(SHORT))
    assert nodes == 0
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_a_hook_that_is_gone_is_forgotten() -> None:
    model = tiny("bert")
    handle = layers_of(model)[0].intermediate.register_forward_pre_hook(lambda *given: None)
    assert results(model, batch(SHORT))[1] == 1
    handle.remove()
    assert results(model, batch(SHORT))[1] == 2


def test_a_hook_on_the_layer_itself_sees_what_goes_in_and_out() -> None:
    model = tiny("bert", **NONE)
    seen: list[torch.Tensor] = []
    layers_of(model)[0].register_forward_hook(lambda _m, given, output: seen.extend((given[0], output)))
    _, nodes = results(model, batch(SHORT))
    assert nodes == 2
    assert seen[0].shape == seen[1].shape == (1, sum(SHORT), 16)
    assert not torch.equal(*seen)


@pytest.mark.parametrize(
    "changes",
    [{"hidden_act": "gelu_new"}, {"hidden_act": "gelu_python"}, {"chunk_size_feed_forward": 2}],
    ids=lambda changes: next(iter(changes.values())),
)
def test_what_is_built_otherwise_runs_by_its_modules(changes: dict[str, Any]) -> None:
    assert results(tiny("bert", **changes), batch(SHORT))[1] == 0


def test_padded_rows_and_mixed_precision_run_by_modules() -> None:
    model, inputs = tiny("bert"), batch(SHORT)
    assert count_nodes(model(**inputs).logits) == 2
    with torch.autocast("cpu", torch.bfloat16):
        assert count_nodes(model(**inputs).logits) == 0
    assert count_nodes(model.bfloat16()(**inputs).logits) == 0
    assert count_nodes(tiny("bert")(**inputs, output_hidden_states=True).logits) == 0


def test_a_model_keeps_its_names_and_other_families_their_layers() -> None:
    model = tiny("bert")
    plain = AutoModelForSequenceClassification.from_config(model.config)
    assert list(model.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in model.named_modules()] == [name for name, _ in plain.named_modules()]
    assert isinstance(layers_of(model)[0], type(layers_of(plain)[0]))
    other = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model("distilbert", **{**COMMON, **CONFIGS["distilbert"]})
    )
    before = [type(module) for module in other.modules()]
    layers.install(other)
    assert [type(module) for module in other.modules()] == before


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_trains_the_same_by_nodes_and_by_modules(
    toy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    longer = {} if name in ("longer", "small-lr") else {"epochs": 7}
    request = toy.request(name, overrides=longer, max_steps=20)
    losses = []
    for install in (layers.install, lambda model: None):
        monkeypatch.setattr(layers, "install", install)
        losses.append(train(request, Cache(), torch.device("cpu")).arrays["loss"])
    assert len(losses[0]) == 20
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
