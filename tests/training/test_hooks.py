"""Hooks inside a run: what precision they see, who is blamed, and what freezing is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stabbench.errors import RunError, StabbenchError
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import model as models
from stabbench.training.cache import Cache
from stabbench.training.hooks import hook
from stabbench.training.loop import Trained, train

HEAD = """
from dataclasses import dataclass
import torch
from stabbench.strategies import Strategy
"""
WATCHED = (
    HEAD
    + """
SEEN = {}

def note(name):
    SEEN.setdefault(name, set()).add(torch.backends.cuda.matmul.allow_tf32)

class Noted(torch.autograd.Function):
    @staticmethod
    def forward(context, loss):
        note("forward")
        return loss.clone()
    @staticmethod
    def backward(context, gradient):
        note("backward")
        return gradient

class Watched(Strategy):
    def loss(self, model, batch, step):
        return Noted.apply(super().loss(model, batch, step))
    def penalty(self, model, step):
        note("penalty")
    def before_step(self, model, step):
        note("before_step")
    def after_step(self, model, step):
        note("after_step")
    def evaluated(self, model):
        note("evaluated")
        return model
"""
)


def run(request) -> Trained:
    return train(request, Cache(), torch.device("cpu"))


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.py"
    file.write_text(text)
    return file


@pytest.mark.parametrize("kind", ["tf32", "fp32", "bf16"])
def test_a_precision_holds_for_the_whole_step(toy, tmp_path: Path, kind: str) -> None:
    """A kernel reads the flag when it runs, so the backward pass and the optimizer must find it set."""
    from stabbench.registry import import_file

    file = write(tmp_path, WATCHED)
    optimizer_saw: set[bool] = set()
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = kind != "tf32"
    try:
        with pytest.MonkeyPatch.context() as patch:
            from stabbench.training.optimizer import Optimizer

            step = Optimizer.step

            def watched(self) -> None:
                optimizer_saw.add(torch.backends.cuda.matmul.allow_tf32)
                step(self)

            patch.setattr(Optimizer, "step", watched)
            run(toy.request(f"{file}:Watched", overrides={"precision": kind}))
        assert torch.backends.cuda.matmul.allow_tf32 == (kind != "tf32")  # as it was
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    seen = import_file(file).SEEN
    assert seen.keys() == {"forward", "backward", "penalty", "before_step", "after_step", "evaluated"}
    assert set.union(*seen.values()) == optimizer_saw == {kind == "tf32"}


RETURNS = (
    HEAD
    + """
@dataclass
class Mine(Strategy):
    hook: str = "loss"
    def loss(self, model, batch, step):
        loss = super().loss(model, batch, step)
        if self.hook == "shape":
            return loss[None].expand(3)
        return loss.detach() if self.hook == "detached" else 1.0 if self.hook == "loss" else loss
    def penalty(self, model, step):
        return torch.ones(2) if self.hook == "penalty" else None
    def evaluated(self, model):
        return None if self.hook == "evaluated" else model
    def parameter_groups(self, model, recipe):
        groups = super().parameter_groups(model, recipe)
        if self.hook == "parameter_groups":
            return None
        if self.hook == "key":
            groups[0]["learning_rate"] = 1e-3
        if self.hook == "iterator":
            groups = [{**group, "params": iter(group["params"])} for group in groups]
        return groups
    def phase(self, update, total):
        if self.hook == "phase":
            raise KeyError("oops")
"""
)


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ("loss", "the hook loss of Mine returned 1.0"),
        ("shape", r"the hook loss of Mine returned a tensor of shape \(3,\)"),
        ("detached", "depends on no trainable parameter"),
        ("penalty", "the hook penalty of Mine returned"),
        ("evaluated", "the hook evaluated of Mine returned None"),
        ("parameter_groups", "the hook parameter_groups of Mine returned None"),
        ("key", "a parameter group has 'learning_rate', which nobody reads"),
        ("phase", "the hook phase of Mine raised KeyError"),
    ],
)
def test_what_a_hook_returns_is_laid_at_its_door(toy, tmp_path: Path, hook: str, words: str) -> None:
    with pytest.raises(StabbenchError, match=words):
        run(toy.request(f"{write(tmp_path, RETURNS)}:Mine:hook={hook}"))


def test_groups_may_hold_iterators(toy, tmp_path: Path) -> None:
    found = run(toy.request(f"{write(tmp_path, RETURNS)}:Mine:hook=iterator"))
    plain = run(toy.request("bias-correction"))
    assert found.arrays["loss"].tobytes() == plain.arrays["loss"].tobytes()


def test_the_model_is_blamed_for_what_it_raises_and_a_member_for_its_own() -> None:
    class Broken(torch.nn.Module):
        def forward(self, **batch):
            raise IndexError("index out of range in self")

    with pytest.raises(RunError, match=r"the model raised IndexError.*no loss of its own"):
        hook(parse_strategy("llrd")[0], "loss", Broken(), {}, None)
    with pytest.raises(RunError, match="the hook loss of RDrop raised IndexError"):
        hook(parse_strategy("r-drop")[0], "loss", Broken(), {}, None)
    both, _ = parse_strategy("llrd+reinit:layers=1")
    with pytest.raises(RunError, match="the hook prepare of reinit raised"):
        hook(both, "prepare", Broken(), None)


FREEZING = (
    HEAD
    + """
class InPrepare(Strategy):
    base = None
    def prepare(self, model, generator):
        model.bert.encoder.layer[0].requires_grad_(False)

class AtFirst(Strategy):
    def phase(self, update, total):
        return update < 4
    def before_step(self, model, step):
        if step.phase:
            for weight in model.bert.encoder.layer[0].parameters():
                weight.grad = None

class Always(AtFirst):
    def phase(self, update, total):
        return True
"""
)


@pytest.mark.parametrize(("name", "moves"), [("InPrepare", False), ("Always", False), ("AtFirst", True)])
def test_what_is_frozen_stays_bit_for_bit(toy, tmp_path: Path, name: str, moves: bool) -> None:
    """Weight decay is on and would move every matrix; what is let go after four updates moves."""
    text = f"{write(tmp_path, FREEZING)}:{name}"
    request = toy.request(text, overrides={"weight_decay": 0.1, "learning_rate": 1e-2})
    start = models.Pretrained.load(request.model, "", 2, request.work.recipe).copy(0).state_dict()
    trained = run(request).model.state_dict()
    same = {name: torch.equal(start[name], trained[name]) for name in start}
    frozen = {name: equal for name, equal in same.items() if "encoder.layer.0." in name}
    assert frozen
    assert set(frozen.values()) == {not moves}
    assert not any(equal for name, equal in same.items() if "encoder.layer.1." in name)


def test_a_group_with_a_frozen_parameter_names_it(toy, tmp_path: Path) -> None:
    text = FREEZING + (
        "\nclass Listed(InPrepare):\n    def parameter_groups(self, model, recipe):\n"
        "        return [{'params': model.parameters()}]\n"
    )
    with pytest.raises(StabbenchError, match=r"holds bert\.encoder\.layer\.0.*is frozen"):
        run(toy.request(f"{write(tmp_path, text)}:Listed"))
