"""``stabbench validate``: sound strategies pass, and each kind of fault is found and named."""

from __future__ import annotations

from itertools import islice

import pytest

from stabbench.cli import main
from stabbench.training.validation import Validator, report

HEAD = """
from dataclasses import dataclass
import torch
from stabbench.strategies import Strategy

@dataclass
class Mine(Strategy):
    base: str | None = "bias-correction"
"""

FAULTS = {
    "its recipe": ("def recipe(self, base): return base.change(learning_rate=-1)", "learning_rate"),
    "hook raises": ("def loss(self, model, batch, step): raise KeyError('oops')", "hook loss"),
    "groups miss": (
        "def parameter_groups(self, model, recipe): return [{'params': [model.classifier.weight]}]",
        "miss",
    ),
    "not the same twice": (
        "count = [0]\n    def loss(self, model, batch, step):\n"
        "        self.count[0] += 1\n        return model(**batch).loss * (1 + self.count[0] % 13 / 1000)",
        "differs between two runs",
    ),
    "torch's own generator": (
        "def before_step(self, model, step):\n        for p in model.parameters():\n"
        "            if p.grad is not None: p.grad.add_(torch.randn_like(p.grad) * 1e-9)",
        "before_step draws from torch's own generator",
    ),
    "waits for the device": (
        "def after_step(self, model, step):\n        if model.classifier.bias.sum() > 99: raise OSError",
        "read on the host",
    ),
    "does not train": (
        "def recipe(self, base): return base.change(learning_rate=1e-12)",
        "label entropy",
    ),
    "a hook does nothing": (
        "def before_step(self, model, step): pass",
        "before_step does nothing",
    ),
    "a hook beside a recipe does nothing": (
        "def recipe(self, base): return base.change(warmup_ratio=0.3)\n"
        "    def after_step(self, model, step): pass",
        "bit for bit those of its recipe alone: after_step does nothing",
    ),
    "nothing at all": ("width: float = 3.0", "its recipe is that of bias-correction"),
    "a misspelt hook": ("def parameter_group(self, model, recipe): return []", "'parameter_groups'"),
    "a hook with other arguments": (
        "def loss(self, model, batch): return 0",
        "loss(self, model, batch, step)",
    ),
}

SLOW = pytest.mark.slow
LONG = ("not the same twice", "does not train", "a hook beside a recipe does nothing", "nothing at all")


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=SLOW) if fault in LONG else fault for fault in FAULTS]
)
def test_each_fault_is_found_and_named(tmp_path, fault, capsys):
    body, words = FAULTS[fault]
    file = tmp_path / "mine.py"
    file.write_text(f"{HEAD}\n    {body}\n")
    assert main(["validate", f"{file}:Mine"]) == 1
    printed = capsys.readouterr().out
    assert printed.count("FAILED") == 1
    assert words in printed


@pytest.mark.parametrize(
    "text", ["child-tuning", "lora", pytest.param("devlin", marks=SLOW), pytest.param("swa", marks=SLOW)]
)
def test_what_is_shipped_is_sound(text):
    lines = []
    checks = islice(Validator(text).checks(), 5)  # all but the last, whether it trains: a run of its own
    assert report(checks, lines.append) == 0, lines
    assert len(lines) == 5


def test_zeroed_gradients_do_not_freeze(tmp_path, capsys):
    """They are warned of: weight decay moves the weights all the same."""
    zero = "model.bert.embeddings.word_embeddings.weight.grad.zero_()"
    body = f"def before_step(self, model, step):\n        {zero}"
    file = tmp_path / "mine.py"
    file.write_text(f"{HEAD}\n    {body}\n")
    lines = []
    assert report(islice(Validator(f"{file}:Mine").checks(), 6), lines.append) == 0
    assert lines[5].startswith("warning")
    assert "embeddings.word_embeddings.weight is zero, yet the weights move" in lines[6]
    assert "requires_grad_(False)" in lines[6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("llrd:decay=1", "parameter_groups does nothing", marks=SLOW),
        ("small-lr:factor=1,epochs=3", "that of devlin"),
    ],
)
def test_a_strategy_turned_off_is_named(text, words):
    found = {check.question: check.problem for check in islice(Validator(text).checks(), 6)}
    assert words in found["it changes something"]


def test_an_unknown_strategy_is_named(capsys):
    assert main(["validate", "devlim"]) == 1
    assert "devlin" in capsys.readouterr().out
