"""A strategy's class is what its author takes it for: what nobody would call is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.options import chosen_strategies
from stabbench.strategies import REGISTRY
from stabbench.strategies.catalog import check_strategy, parse_strategy

HEAD = """
from dataclasses import dataclass
from typing import ClassVar
from stabbench.strategies import Strategy

@dataclass
class Mine(Strategy):
    base: str | None = "bias-correction"
"""


def mine(folder: Path, body: str, head: str = HEAD) -> str:
    """Write a strategy with this body and return its name."""
    file = folder / "mine.py"
    file.write_text(head + "".join(f"    {line}\n" for line in body.splitlines()))
    return f"{file}:Mine"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def parameter_group(self, model, recipe): return []", "'parameter_groups'"),
        ("def after_steps(self, model, step): pass", "'after_step'"),
        ("def optimizer(self, groups, recipe): return None", "the optimizer is AdamW"),
        ("def sampler(self, rows): return rows", "a method 'sampler'"),
        ("def on_epoch_end(self, model): pass", "nobody would call it"),
        ("def scheduler(self, update): return 1.0", "falls linearly to 0"),
        ("@staticmethod\ndef compute_loss(model, batch): return 0", "a method 'compute_loss'"),
        ("@classmethod\ndef prepar(cls, model, generator): pass", "'prepare'"),
        ("@property\ndef penalti(self): return 0", "'penalty'"),
        ("optimizer = dict", "a method 'optimizer'"),
        ("sumary = 'what it does'", "did you mean 'summary'"),
        ("prepare_ = 3", "did you mean 'prepare'"),
        ("learning_rate = 3e-5", "would change nothing: the hook recipe changes it"),
        ("lr = 3e-5", "it is called learning_rate here"),
    ],
)
def test_a_public_name_that_nobody_reads_is_refused(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(StabbenchError, match="Mine") as refused:
        parse_strategy(mine(tmp_path, body))
    assert words in str(refused.value)


def test_that_of_a_mixin_is_refused_as_well(tmp_path: Path) -> None:
    head = HEAD.replace(
        "@dataclass", "class Mixin:\n    def after_steps(self, model, step): pass\n\n@dataclass"
    )
    with pytest.raises(UnknownNameError, match=r"(?s)after_steps.*after_step"):
        parse_strategy(mine(tmp_path, "", head.replace("(Strategy)", "(Mixin, Strategy)")))


@pytest.mark.parametrize(
    "body",
    [
        "def _helper(self): return 1",
        "width: float = 2.0",
        "optimizer: str = 'sgd'",
        "limit: ClassVar[int] = 3",
        "seen = []",
        "summary = 'one line'",
        "def loss(self, model, batch, step): return model(**batch).loss",
        "def loss(self, *arguments): return arguments[0](**arguments[1]).loss",
        "def after_step(self, m, s, scale=1.0): pass",
        "@staticmethod\ndef after_step(model, step): pass",
        "class _Layer: pass",
    ],
)
def test_what_is_meant_is_not(tmp_path: Path, body: str) -> None:
    check_strategy(parse_strategy(mine(tmp_path, body))[0])


@pytest.mark.parametrize("name", REGISTRY.names())
def test_what_is_shipped_is_not(name: str) -> None:
    check_strategy(parse_strategy(name)[0])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def loss(self, model, batch): return 0", "loss(self, model, batch, step)"),
        ("def prepare(self, model): pass", "prepare(self, model, generator)"),
        ("def recipe(self): return None", "recipe(self, base)"),
        ("def after_step(self, model, step, optimizer): pass", "after_step(self, model, step)"),
        ("def evaluated(self, *, model): return model", "evaluated(self, model)"),
        ("@staticmethod\ndef penalty(self, model, step): return None", "penalty(self, model, step)"),
        ("before_step = 3", "make it a method before_step(self, model, step)"),
        ("async def after_step(self, model, step): pass", "asynchronous or a generator"),
        ("def before_step(self, model, step): yield", "asynchronous or a generator"),
    ],
)
def test_a_hook_that_cannot_be_called_is_refused_at_planning(
    toy, tmp_path: Path, body: str, words: str
) -> None:
    text = mine(tmp_path, body)
    with pytest.raises(StabbenchError, match="Mine") as refused:
        toy.request(text)
    assert words in str(refused.value)
    from argparse import Namespace

    with pytest.raises(StabbenchError, match="Mine"):
        chosen_strategies(Namespace(stab_strategy=["ours", f"llrd+{text}"]))


def test_a_default_without_an_annotation_is_no_default(tmp_path: Path) -> None:
    head = HEAD.replace('base: str | None = "bias-correction"', 'base = "ours"')
    with pytest.raises(StabbenchError, match=r"(?s)has no annotation, so it stays None.*base: str"):
        parse_strategy(mine(tmp_path, "", head))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def __post_init__(self): raise KeyError('x')", "raised KeyError"),
        ("def __post_init__(self): raise SystemExit(0)", "raised SystemExit"),
        ("share: float = float('nan')", "share=nan cannot be a parameter"),
        ("names: tuple = ('a',)", "cannot be a parameter"),
        ("def unsupported(self, config): raise KeyError('x')", "unsupported of"),
        ("def unsupported(self, config): raise SystemExit(0)", "raised SystemExit"),
        ("def initial_weights(self): return 'mnli'", "let it return an Intermediate or None"),
        ("def initial_weights(self): raise KeyError('x')", "initial_weights of"),
        ("def recipe(self, base): raise SystemExit(0)", "the recipe hook of Mine raised SystemExit"),
    ],
)
def test_whatever_a_method_raises_at_planning_is_one_line(toy, tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(StabbenchError, match=r"\n  -> ") as refused:
        toy.request(mine(tmp_path, body))
    assert words in str(refused.value)


def test_a_file_that_exits_when_it_is_imported_is_refused(tmp_path: Path) -> None:
    text = mine(tmp_path, "pass", "raise SystemExit(0)\n" + HEAD)
    with pytest.raises(StabbenchError, match="cannot be imported: SystemExit"):
        parse_strategy(text)


def test_an_infinite_parameter_is_refused(tmp_path: Path) -> None:
    text = mine(tmp_path, "share: float = 0.5")
    for value in ("nan", "inf", "-inf"):
        with pytest.raises(StabbenchError, match="cannot be a parameter"):
            parse_strategy(f"{text}:share={value}")
