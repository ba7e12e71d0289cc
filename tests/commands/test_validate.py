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
}


SLOW = pytest.mark.slow
LONG = ("not the same twice", "does not train")


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


def test_an_unknown_strategy_is_named(capsys):
    assert main(["validate", "devlim"]) == 1
    assert "devlin" in capsys.readouterr().out
