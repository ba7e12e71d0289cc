"""A stack that runs by compiled code computes what its modules do, or lets them do it."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from stabbench.models.structure import layers_of
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import attention, compiled, layers, packing, stack
from stabbench.training.cache import Cache
from stabbench.training.loop import train
from tests.strategies.conftest import COMMON, CONFIGS
from tests.strategies.test_packed import STRATEGIES
from tests.training.test_packing import LONG, SHORT, batch

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(
        compiled.library().functions is None, reason=f"no compiled code: {compiled.library().name}"
    ),
]

KINDS = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
RATES = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
UNEQUAL = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.1}
HIDDEN_ONLY = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.0}
NONE = dict.fromkeys(RATES, 0.0)
SIZES = {"hidden_size": 48, "num_attention_heads": 3, "intermediate_size": 80, "num_hidden_layers": 2}


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(kind: str, **changes: Any) -> PreTrainedModel:
    """Return a copy, as a run gets it, of a tiny model on packed rows, its weights far from their start."""
    sizes = {**CONFIGS.get(kind, CONFIGS["roberta"]), **SIZES, "max_position_embeddings": 140}
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


def is_compiled(result: torch.Tensor) -> bool:
    """Return whether the layers of a graph are one node."""
    nodes, seen = [result.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [below for below, _ in node.next_functions]
    return any(node.name() == "StackBackward" for node in seen)


def results(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], bool]:
    """Return loss, logits, gradients and the next random number of a step, and whether it was compiled."""
    torch.manual_seed(3)
    output = model(**inputs)
    found = {"loss": output.loss.detach(), "logits": output.logits.detach()}
    ours = is_compiled(output.loss)
    assert ours == layers.way_of(model).startswith("compiled")
    output.loss.backward()
    found |= {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found | {"random": torch.rand(3)}, ours


def check_close(mine: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
        )


def check_alike(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> None:
    """Compare a model's step to that of its modules."""
    (mine, ours), (theirs, not_ours) = results(model, inputs), results(by_modules(model), inputs)
    assert (ours, not_ours) == (True, False)
    check_close(mine, theirs)


@pytest.mark.parametrize(
    "rates", [RATES, NONE, UNEQUAL, HIDDEN_ONLY], ids=["dropout", "none", "unequal", "hidden"]
)
@pytest.mark.parametrize("lengths", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_that_of_the_modules(kind: str, lengths: list[int], rates: dict[str, float]) -> None:
    check_alike(tiny(kind, **rates), batch(lengths))


@pytest.mark.parametrize("heads", [1, 2, 3, 6])
@pytest.mark.parametrize("lengths", [[1], [1, 1, 2], [16, 17], [130, 1, 33, 128, 16, 15, 31, 32, 2]], ids=str)
def test_rows_and_heads_of_any_size(lengths: list[int], heads: int) -> None:
    changes = {"hidden_size": 96, "num_attention_heads": heads, "initializer_range": 0.1}
    check_alike(tiny("bert", **changes), batch(lengths))


def test_numbers_of_any_size() -> None:
    """Scores far apart, activations beyond their tails."""
    model = tiny("bert", initializer_range=3.0, **HIDDEN_ONLY)
    (mine, ours), (theirs, _) = results(model, batch(LONG)), results(by_modules(model), batch(LONG))
    exact, _ = results(by_modules(model).double(), batch(LONG))
    assert ours
    for name in exact:
        error, usual = ((found[name] - exact[name]).abs().max() for found in (mine, theirs))
        assert error <= 2 * usual + 1e-6, name


def test_evaluation_is_that_of_the_modules() -> None:
    model = tiny("bert").eval()
    inputs = batch(LONG)
    with torch.no_grad():
        mine, theirs = model(**inputs).logits, by_modules(model)(**inputs).logits
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-5)
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


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_no_number_stays_in_its_row(value: float) -> None:
    model, inputs = tiny("bert", **NONE), batch(SHORT)
    words = model.get_input_embeddings()(inputs["input_ids"]).detach()
    words[2, 1, 3] = value
    logits = model(inputs_embeds=words, attention_mask=inputs["attention_mask"]).logits
    assert logits.isnan().all(dim=1).tolist() == [row == 2 for row in range(len(SHORT))]
    logits.sum().backward()
    assert layers_of(model)[0].attention.self.key.weight.grad.isnan().all()


# in double precision attention is torch's own, and so is what it drops
@pytest.mark.parametrize("rates", [HIDDEN_ONLY, NONE], ids=["dropout", "none"])
def test_gradients_are_those_of_finite_differences(rates: dict[str, float]) -> None:
    model, inputs, step = tiny("bert", initializer_range=0.1, **rates), batch(SHORT), 1e-5
    found, ours = results(model, inputs)
    assert ours
    exact = by_modules(model).double()
    weights = dict(exact.named_parameters())
    for layer in range(2):
        names = [name for name in weights if f"layer.{layer}." in name]
        along = {name: torch.randn_like(weights[name]) for name in names}
        losses = []
        for sign in (1, -2):
            with torch.no_grad():
                for name in names:
                    weights[name] += sign * step * along[name]
            losses.append(results(exact, inputs)[0]["loss"])
        with torch.no_grad():
            for name in names:
                weights[name] += step * along[name]
        slope = sum((found[name] * along[name]).sum() for name in names)
        torch.testing.assert_close(slope, (losses[0] - losses[1]) / (2 * step), rtol=1e-4, atol=1e-5)


def penalised(model: PreTrainedModel) -> torch.Tensor:
    """Return a loss whose gradient is that of a gradient's norm."""
    torch.manual_seed(3)
    loss = model(**batch(SHORT)).loss
    weights = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    return loss + sum(g.square().sum() for g in gradients)


@pytest.mark.parametrize("rates", [RATES, NONE], ids=["dropout", "none"])
def test_a_gradient_has_a_gradient(rates: dict[str, float]) -> None:
    model = tiny("bert", initializer_range=0.1, **rates)
    found = []
    for one in (model, by_modules(model)):
        loss = penalised(one)
        following = torch.rand(3)
        loss.backward()
        found.append({name: p.grad for name, p in one.named_parameters()} | {"random": following})
    check_close(*found)


def test_two_passes_do_not_disturb_each_other() -> None:
    """A strategy may make two passes before it follows either back, or follow one back twice."""
    model = tiny("bert")
    found = []
    for one in (model, by_modules(model)):
        torch.manual_seed(3)
        first, other = one(**batch(LONG)).loss, one(**batch(SHORT)).loss
        first.backward(retain_graph=True)
        one(**batch(LONG)).loss.backward()
        (first + other).backward()
        found.append({name: p.grad for name, p in one.named_parameters()})
    check_close(*found)


def test_threads_do_not_disturb_each_other() -> None:
    model, inputs = tiny("bert").eval(), batch(LONG)
    expected = model(**inputs).logits
    found: list[torch.Tensor] = []

    def run() -> None:
        torch.set_num_threads(1)  # a thread has its own number
        found.extend(model(**inputs).logits for _ in range(20))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 60
    assert all(torch.equal(logits, expected) for logits in found)


@pytest.mark.parametrize("rates", [RATES, NONE], ids=["dropout", "none"])
def test_heads_may_read_more_than_first_tokens(rates: dict[str, float]) -> None:
    model = tiny("bert", **rates)
    inputs = {name: tensor for name, tensor in batch(LONG).items() if name != "labels"}
    found = []
    for one in (model, by_modules(model)):
        torch.manual_seed(3)
        states = one.base_model(**inputs).last_hidden_state
        (states.square() * torch.linspace(0, 1, states.shape[2])).sum().backward()
        found.append({name: p.grad for name, p in one.named_parameters() if p.grad is not None})
    for name, tensor in found[0].items():  # these are large
        torch.testing.assert_close(tensor, found[1][name], rtol=1e-4, atol=1e-3)


def test_frozen_weights_get_no_gradient() -> None:
    model = tiny("bert", num_hidden_layers=3)
    first, second, third = layers_of(model)
    for frozen in (model.base_model.embeddings, first, second.attention.self.key, second.output.LayerNorm):
        frozen.requires_grad_(False)
    second.intermediate.dense.bias.requires_grad_(False)
    third.attention.self.requires_grad_(False)
    third.output.requires_grad_(False)
    check_alike(model, batch(SHORT))
    assert second.attention.self.query.weight.requires_grad


def test_weights_that_are_changed_meanwhile_are_noticed() -> None:
    model = tiny("bert")
    loss = model(**batch(SHORT)).loss
    with torch.no_grad():
        layers_of(model)[0].output.dense.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


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


def turned_weights(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        weight = layer.attention.self.query.weight
        weight.data = weight.data.t().contiguous().t()


def other_chunk(model: PreTrainedModel) -> None:
    for layer in layers_of(model):
        chunk = layer.feed_forward_chunk
        layer.feed_forward_chunk = partial(lambda chunk, x: chunk(x) * 2, chunk)


def narrow_inner(model: PreTrainedModel) -> None:
    layer = layers_of(model)[1]
    inner, last = layer.intermediate.dense, layer.output.dense
    inner.weight, inner.bias = nn.Parameter(inner.weight[:16]), nn.Parameter(inner.bias[:16])
    last.weight = nn.Parameter(last.weight[:, :16].contiguous())


def fewer_heads(model: PreTrainedModel) -> None:
    own = layers_of(model)[1].attention
    for linear in (own.self.query, own.self.key, own.self.value):
        linear.weight, linear.bias = nn.Parameter(linear.weight[:32]), nn.Parameter(linear.bias[:32])
    own.output.dense.weight = nn.Parameter(own.output.dense.weight[:, :32].contiguous())


class FirstOnly(nn.ModuleList):
    """Layers of which only the first runs."""

    def __iter__(self) -> Iterator[nn.Module]:
        return iter([self[0]])


def layers_left_out(model: PreTrainedModel) -> None:
    model.base_model.encoder.layer = FirstOnly(layers_of(model))


def checkpointed(model: PreTrainedModel) -> None:
    model.activation_checkpointing_enable()


def strategy(name: str) -> Callable[[PreTrainedModel], None]:
    return lambda model: parse_strategy(name)[0].prepare(model, torch.Generator().manual_seed(0))


CHANGES = [
    *(hooked, hooked_backward, other_activation, other_linear, other_forward, other_norm, parametrized),
    *(
        pruned,
        torch_dropout,
        without_bias,
        turned_weights,
        checkpointed,
        other_chunk,
        narrow_inner,
        fewer_heads,
        layers_left_out,
        strategy("mixout"),
        strategy("lora"),
    ),
]
NAMES = [change.__name__ for change in CHANGES[:-2]] + ["mixout", "lora"]


@pytest.mark.parametrize("late", [False, True], ids=["before", "between"])
@pytest.mark.parametrize("change", CHANGES, ids=NAMES)
def test_what_is_changed_runs_by_its_modules(change: Callable[[PreTrainedModel], None], late: bool) -> None:
    model, plain = tiny("bert"), by_modules(tiny("bert"))
    if late:
        assert results(model, batch(SHORT))[1]
    for one in (model, plain):
        change(one)
    (mine, ours), (theirs, _) = results(model, batch(SHORT)), results(plain, batch(SHORT))
    assert not ours
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


def test_a_method_that_a_class_has_got_since_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model, plain = tiny("bert"), by_modules(tiny("bert"))
    kind = type(layers_of(model)[0].intermediate)
    before = kind.forward
    monkeypatch.setattr(kind, "forward", lambda self, x: before(self, x) * 2)
    (mine, ours), (theirs, _) = results(model, batch(SHORT)), results(plain, batch(SHORT))
    assert not ours
    assert torch.equal(mine["logits"], theirs["logits"])


def shared(model: PreTrainedModel) -> None:
    own = model.base_model.encoder.layer
    own[1] = own[0]


def deeper(model: PreTrainedModel) -> None:
    own = model.base_model.encoder.layer
    own.append(copy.deepcopy(own[0]))


@pytest.mark.parametrize("change", [shared, deeper])
def test_a_stack_may_share_and_gain_layers(change: Callable[[PreTrainedModel], None]) -> None:
    model = tiny("bert", initializer_range=0.1)
    assert results(model, batch(SHORT))[1]
    change(model)
    check_alike(model, batch(SHORT))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_precision_does_not_matter(dtype: torch.dtype) -> None:
    model = tiny("bert")
    expected, _ = results(model, batch(SHORT))
    stack._Workspace._spare.clear()
    torch.set_default_dtype(dtype)
    try:
        found, ours = results(model, batch(SHORT))
    finally:
        torch.set_default_dtype(torch.float32)
    assert ours
    del found["random"], expected["random"]  # drawn in the default precision
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_what_is_saved_may_be_handed_back_as_a_copy() -> None:
    """As checkpointing does, and keeping what is saved elsewhere."""
    model = tiny("bert")
    found = []
    for hooks in (nullcontext(), torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone)):
        torch.manual_seed(3)
        with hooks:
            loss = model(**batch(LONG)).loss
        others = [torch.full((1, sum(LONG), 48), torch.nan) for _ in range(20)]
        loss.backward()
        del others
        found.append({name: p.grad for name, p in model.named_parameters()})
        model.zero_grad()
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())


def test_a_functional_call_has_a_gradient_of_its_gradient() -> None:
    model = tiny("bert", initializer_range=0.1)
    found = []
    for one in (model, by_modules(model)):
        torch.manual_seed(3)
        moved = {name: p * 1.1 for name, p in one.named_parameters()}
        loss = torch.func.functional_call(one, moved, kwargs=batch(SHORT)).loss
        gradients = torch.autograd.grad(loss, list(moved.values()), create_graph=True)
        sum(g.square().sum() for g in gradients).backward()
        found.append({name: p.grad for name, p in one.named_parameters()})
    check_close(*found)


def test_what_a_workspace_held_before_reaches_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("bert")
    clean, _ = results(model, batch(LONG))
    begin = stack._Workspace.__init__

    def begin_dirty(self: stack._Workspace, size: int) -> None:
        begin(self, size)
        self.room.fill_(torch.nan)

    monkeypatch.setattr(stack._Workspace, "__init__", begin_dirty)
    dirty, ours = results(model, batch(LONG))
    assert ours
    assert all(torch.equal(tensor, clean[name]) for name, tensor in dirty.items())


def test_a_model_can_be_pickled() -> None:
    model = tiny("bert")
    check_alike(pickle.loads(pickle.dumps(model)), batch(SHORT))


def test_a_hook_that_is_gone_is_forgotten() -> None:
    model = tiny("bert")
    handle = layers_of(model)[0].intermediate.register_forward_pre_hook(lambda *given: None)
    assert not results(model, batch(SHORT))[1]
    handle.remove()
    assert results(model, batch(SHORT))[1]


def test_a_hook_on_the_layer_itself_sees_what_goes_in_and_out() -> None:
    model = tiny("bert", **NONE)
    seen: list[torch.Tensor] = []
    layers_of(model)[0].register_forward_hook(lambda _m, given, output: seen.extend((given[0], output)))
    results(model, batch(SHORT))
    assert seen[0].shape == seen[1].shape == (1, sum(SHORT), 48)
    assert not torch.equal(*seen)


@pytest.mark.parametrize(
    "changes",
    [
        *({"hidden_act": "gelu_new"}, {"hidden_act": "gelu_python"}, {"chunk_size_feed_forward": 2}),
        *({"num_attention_heads": 6}, {"intermediate_size": 72}),
    ],
    ids=lambda changes: str(*changes.items()),
)
def test_what_is_built_otherwise_runs_by_its_modules(changes: dict[str, Any]) -> None:
    assert not results(tiny("bert", **changes), batch(SHORT))[1]


def test_padded_rows_other_precisions_and_threads_run_by_modules() -> None:
    model, inputs = tiny("bert"), batch(SHORT)
    assert is_compiled(model(**inputs).logits)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_compiled(model(**inputs).logits)
    torch.set_num_threads(2)
    assert not is_compiled(model(**inputs).logits)
    torch.set_num_threads(1)
    assert not is_compiled(tiny("bert").double()(**inputs).logits)
    assert not is_compiled(model.bfloat16()(**inputs).logits)
    assert not is_compiled(tiny("bert")(**inputs, output_hidden_states=True).logits)


def test_without_a_compiler_the_modules_run(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("bert")
    theirs, _ = results(by_modules(model), batch(SHORT))
    monkeypatch.setattr(compiled, "library", lambda: compiled.Library(None, "no C compiler"))
    found, ours = results(model, batch(SHORT))
    assert not ours
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in found.items())
    assert layers.way_of(model) == "modules (no C compiler)"


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
def test_a_strategy_trains_the_same_by_compiled_code_and_by_modules(
    toy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    longer = {} if name in ("longer", "small-lr") else {"epochs": 7}
    request = toy.request(name, overrides=longer, max_steps=20)
    losses, ways = [], []
    for install in (layers.install, lambda model: None):
        monkeypatch.setattr(layers, "install", install)
        trained = train(request, Cache(), torch.device("cpu"))
        losses.append(trained.arrays["loss"])
        ways.append(trained.record.environment["layers"])
    own_layers = name.startswith(("mixout", "lora"))
    assert ways == ["modules" if own_layers else f"compiled {compiled.library().name}", "modules"]
    assert len(losses[0]) == 20
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-4)
