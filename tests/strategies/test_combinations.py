"""Several strategies at once: one base, hooks in the order written, contradictions refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch

from stabbench.errors import StabbenchError
from stabbench.models.families import BERT
from stabbench.recipe import Recipe
from stabbench.strategies import Step, Strategy
from stabbench.strategies.catalog import label_of, parameters_of, parse_strategy, resolve_recipe
from stabbench.strategies.combine import HOOKS, combine, hooks_of

STEP = Step(torch.tensor(0), torch.Generator(), ("a", "b"))


@dataclass
class Noting(Strategy):
    """Notes what it is called with."""

    name: str = ""
    notes: list[object] = field(default_factory=list)
    worth: float | None = None

    def recipe(self, base: Recipe) -> Recipe:
        self.notes.append(("recipe", self.name))
        return base.change(learning_rate=base.learning_rate * 2 + 1)

    def prepare(self, model, generator) -> None:
        self.notes.append(("prepare", self.name))

    def phase(self, update: int, total: int) -> str:
        return f"{self.name}{update}"

    def penalty(self, model, step: Step):
        self.notes.append(("penalty", self.name, step.phase))
        return None if self.worth is None else torch.tensor(self.worth)

    def before_step(self, model, step: Step) -> None:
        self.notes.append(("before_step", self.name, step.phase))

    def after_step(self, model, step: Step) -> None:
        self.notes.append(("after_step", self.name, step.phase))


def pair(first: float | None = None, second: float | None = None):
    notes: list[object] = []
    members = [Noting(None, "a", notes, first), Noting(None, "b", notes, second)]
    return combine(["a", "b"], members, [False, False]), notes


def test_hooks_run_in_the_order_written_and_each_sees_its_own_phase() -> None:
    both, notes = pair()
    assert both.phase(4, 9) == ("a4", "b4")
    model = torch.nn.Linear(1, 1)
    both.prepare(model, torch.Generator())
    both.before_step(model, STEP)
    both.after_step(model, STEP)
    assert notes == [
        ("prepare", "a"),
        ("prepare", "b"),
        *((hook, name, name) for hook in ("before_step", "after_step") for name in "ab"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "total"), [(None, None, None), (2.0, None, 2.0), (None, 3.0, 3.0), (2.0, 3.0, 5.0)]
)
def test_penalties_add_up(first: float | None, second: float | None, total: float | None) -> None:
    found = pair(first, second)[0].penalty(torch.nn.Linear(1, 1), STEP)
    assert (None if found is None else float(found)) == total


def test_recipes_are_changed_one_after_the_other() -> None:
    both, notes = pair()
    assert both.recipe(Recipe(learning_rate=1)).learning_rate == (1 * 2 + 1) * 2 + 1
    assert notes == [("recipe", "a"), ("recipe", "b")]


def test_the_hooks_of_a_combination_are_those_of_its_members() -> None:
    assert set(HOOKS) >= {"recipe", "prepare", "parameter_groups", "loss", "penalty", "evaluated"}
    assert hooks_of(parse_strategy("devlin")[0]) == ["recipe"]
    found = set(hooks_of(parse_strategy("reinit+llrd")[0]))
    assert found == {"unsupported", "prepare", "parameter_groups"}


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("mixout+llrd", "devlin"),  # the first that has one
        ("llrd+mixout", "bias-correction"),
        ("llrd+mixout:base=ours", "ours"),  # what was asked for holds for all
        ("llrd:base=ours+mixout", "ours"),
        ("llrd:base=ours+mixout:base=ours", "ours"),
    ],
)
def test_they_stand_on_one_base(text: str, base: str) -> None:
    both, _ = parse_strategy(text)
    assert both.base == base
    assert {member.base for member in both.members} == {base}
    assert resolve_recipe(both, BERT) == resolve_recipe(parse_strategy(base)[0], BERT)


def test_a_recipe_changes_the_common_base() -> None:
    found = resolve_recipe(parse_strategy("longer:steps=70+llrd")[0], BERT)
    assert found == resolve_recipe(parse_strategy("bias-correction")[0], BERT).change(steps=70)


@pytest.mark.parametrize(
    ("text", "cause", "action"),
    [
        ("llrd+llrd", "names a strategy twice", "name each once"),
        ("r-drop+r3f", "each has its own loss", "choose one"),
        ("swa+lora", "each has its own evaluated", "choose one"),
        ("mixout:base=ours+llrd:base=devlin", "mixout is to stand on ours, but llrd on devlin", "one base"),
        ("lora+r3f", "lora must come last", "write r3f\\+lora"),
        ("swa+llrd", "swa must come last", "write llrd\\+swa"),
        ("mixout+reinit", "already remembered", "write reinit\\+mixout"),
        ("pretrained-decay+noisytune", "already remembered", "write noisytune\\+pretrained-decay"),
        ("lora+mixout", "cannot be combined: one freezes", "choose one"),
        ("mixout+lora", "cannot be combined: one freezes", "choose one"),
        ("reinit+lora", "cannot be combined: one freezes", "choose one"),
        ("lora+pretrained-decay", "cannot be combined: one freezes", "choose one"),
    ],
)
def test_what_contradicts_itself_is_refused(text: str, cause: str, action: str) -> None:
    with pytest.raises(StabbenchError, match=f"{cause}(.|\n)*{action}"):
        parse_strategy(text)


@pytest.mark.parametrize(
    "text",
    [
        "reinit+llrd",
        "reinit+mixout",
        "noisytune+pretrained-decay",
        "reinit+noisytune",
        "intermediate+llrd+mixout",
        "longer+r-drop+child-tuning",
        "r3f+lora",
        "llrd+swa",
    ],
)
def test_what_makes_sense_is_not(text: str) -> None:
    strategy, reference = parse_strategy(text)
    assert reference.name == text
    assert label_of(strategy, reference, {}).count("+") == text.count("+")


def test_a_combination_works_on_what_all_its_members_work_on() -> None:
    both, _ = parse_strategy("reinit:layers=1+llrd")
    assert "ALBERT" in str(both.unsupported({"model_type": "albert"}))
    shallow = {"model_type": "bert", "num_hidden_layers": 3}
    assert "3 layers" in str(parse_strategy("llrd+reinit:layers=4")[0].unsupported(shallow))
    assert both.unsupported({"model_type": "bert", "num_hidden_layers": 2}) is None


def test_the_parameters_carry_their_strategys_name() -> None:
    found = parameters_of(parse_strategy("reinit:layers=2+pretrained-decay:lambda=0.5")[0])
    assert found["reinit.layers"] == 2
    assert found["pretrained-decay.lambda"] == 0.5


def test_reinit_and_llrd_do_both(make) -> None:
    """The weights are those of reinit alone, the rates those of llrd alone."""
    models = {}
    for text in ("reinit:layers=2", "reinit:layers=2+llrd"):
        models[text] = make("bert")
        parse_strategy(text)[0].prepare(models[text], torch.Generator().manual_seed(5))
    one, both = (dict(model.named_parameters()) for model in models.values())
    assert all(torch.equal(one[name], both[name]) for name in one)

    def rates(text: str) -> dict[str, tuple[float, float]]:
        model = make("bert")
        names = {id(p): name for name, p in model.named_parameters()}
        groups = parse_strategy(text)[0].parameter_groups(model, Recipe())
        return {
            names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]
        }

    assert rates("reinit:layers=2+llrd") == rates("llrd")


def test_the_order_of_two_that_draw_counts(make) -> None:
    """Both draw from one stream, in the order written: noise on fresh weights is not fresh weights."""
    drawn, noised = [], []
    for text in ("reinit:layers=1", "reinit:layers=1+noisytune", "noisytune+reinit:layers=1"):
        model = make("bert")
        parse_strategy(text)[0].prepare(model, torch.Generator().manual_seed(5))
        drawn.append(model.bert.encoder.layer[3].output.dense.weight.detach())
        noised.append(model.bert.encoder.layer[0].output.dense.weight.detach())
    start = make("bert").bert.encoder.layer[0].output.dense.weight
    assert [torch.equal(weight, start) for weight in noised] == [True, False, False]
    assert float((drawn[1] - drawn[0]).abs().max()) <= 0.075 * float(drawn[0].std()) * 1.01  # noise on it
    assert float((drawn[2] - drawn[0]).abs().max()) > float(drawn[0].std())  # drawn after the noise


def test_a_mixing_layer_mixes_with_what_reinit_drew(make) -> None:
    model = make("bert")
    before = model.bert.pooler.dense.weight.detach().clone()
    parse_strategy("reinit:layers=1+mixout:p=0.5")[0].prepare(model, torch.Generator().manual_seed(5))
    pooler = model.bert.pooler.dense
    assert torch.equal(pooler.pretrained, pooler.weight)
    assert not torch.equal(pooler.pretrained, before)
