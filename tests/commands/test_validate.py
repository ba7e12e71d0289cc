"""``stabbench validate``: sound strategies pass, and each kind of fault is found and named."""

from __future__ import annotations

import json
import shutil
from itertools import islice

import pytest

from stabbench.cli import main
from stabbench.tasks import local_task
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
def test_each_fault_is_found_and_named(tmp_path, fault, capsys, monkeypatch):
    body, words = FAULTS[fault]
    if fault not in LONG:  # whether it trains takes a whole run, longer than all that finds these faults
        monkeypatch.setattr(Validator, "_learns", lambda validator: None)
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


def test_what_is_nothing_is_looked_for_among_all_kinds(capsys):
    assert main(["validate", "mini-rtee"]) == 1
    assert "'mini-rte'" in capsys.readouterr().out
    assert main(["validate", "nowhere.py:Mine"]) == 1
    assert "nowhere.py does not exist" in capsys.readouterr().out


def test_a_task_is_checked_alone(toy, tmp_path, capsys):
    assert main(["validate", "mini-rte"]) == 0
    assert "training/dev): 'entailment' " in capsys.readouterr().out
    head = "from stabbench.tasks import local_task\n"
    file = tmp_path / "test_mine.py"
    file.write_text(
        f"{head}MINE = local_task('mine', train={str(toy.train)!r}, dev='dev.csv', text='text')\n"
    )
    (tmp_path / "dev.csv").write_text("text,label\na0 b0,yes\nh1,no\nc1,\n")
    assert main(["validate", f"{file}:MINE"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("ok      it is a task")
    assert "FAILED" in printed
    assert "dev.csv:4: the label is missing" in printed
    (tmp_path / "dev.csv").write_text("text,label\na0 b0,yes\nh1,no\n" + toy.train.read_text().split("\n")[1])
    assert main(["validate", f"{file}:MINE"]) == 0
    assert "note: 1 of the 3 dev rows have the texts of a training row." in capsys.readouterr().out


@pytest.mark.parametrize("variable", ["", "MINE = "])
def test_a_task_of_a_suite_is_found_by_its_name(toy, tmp_path, capsys, variable):
    file = tmp_path / "test_tickets.py"
    call = (
        f"local_task('tickets-{len(variable)}', train={str(toy.train)!r}, dev={str(toy.dev)!r}, text='text')"
    )
    file.write_text(
        f"from stabbench import Suite\nfrom stabbench.tasks import local_task\n{variable}{call}\n"
    )
    name = f"{file}:tickets-{len(variable)}"
    assert main(["validate", name]) == 0
    assert "its rows are sound" in capsys.readouterr().out
    for wrong in (str(file), f"{file}:ticket"):
        assert main(["validate", wrong]) == 1
        printed = capsys.readouterr().out
        assert f"{wrong} is no strategy and no task; the tasks of the file are " in printed
        assert name in printed
        assert "Traceback" not in printed


def test_a_task_in_a_data_folder(tmp_path, capsys):
    (tmp_path / "RTE").mkdir()
    assert main(["validate", "rte", "--data-dir", str(tmp_path)]) == 1
    assert "train.tsv does not exist" in capsys.readouterr().out


def test_a_model_is_checked_alone(toy, tmp_path, capsys):
    assert main(["validate", str(toy.model)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("ok  ") == 3
    assert "of their spread, 0.001 allowed)" in printed
    config = json.loads((toy.model / "config.json").read_text())
    folder = shutil.copytree(toy.model, tmp_path / "custom")
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "m.M"}}))
    assert main(["validate", str(folder)]) == 1
    assert "auto_map" in capsys.readouterr().out


def test_a_name_of_two_kinds_says_so(toy, monkeypatch, capsys):
    local_task("mini-bert", train=toy.train, dev=toy.dev, text="text")
    assert main(["validate", "mini-bert"]) == 1
    assert "'mini-bert' is a task and a model: say which (--kind task)" in capsys.readouterr().out
    assert main(["validate", "mini-bert", "--kind", "task"]) == 0
    assert "its rows are sound" in capsys.readouterr().out


LOUD = """
import sys
print("\\x1b[2J read")
"""
CRIES = """
    def prepare(self, model, generator):
        print("::error::cleared \\x1b[2J")
        print(":", end="")
        print(":set-output name=x::y")
        sys.stderr.write("##[")
        sys.stderr.buffer.write(b"group]bytes")
"""


def test_what_a_strategy_prints_is_shown_as_text(tmp_path, capsys):
    """In its file and in its hooks, and whatever it leaves without the end of a line."""
    file = tmp_path / "loud.py"
    file.write_text(LOUD + HEAD + CRIES + "        if True: raise KeyError('over')\n")
    assert main(["validate", f"{file}:Mine"]) == 1
    printed = capsys.readouterr()
    shown = printed.out + printed.err
    assert "\x1b" not in shown
    assert not any(line.lstrip().startswith("::") or "##[" in line for line in shown.splitlines())
    for words in (r"\x1b[2J read", r"\x3a:error::cleared \x1b[2J", r"\x3a:set-output", "group]bytes"):
        assert words in shown
    marks = [line.partition(" ")[0] for line in printed.out.splitlines()]
    assert marks.index("ok") < marks.index(r"\x3a:error::cleared") < marks.index("FAILED")


def test_what_a_task_s_file_prints_is_shown_as_text(toy, tmp_path, capsys):
    file = tmp_path / "test_loud.py"
    file.write_text(
        f"{LOUD}from stabbench.tasks import local_task\n"
        f"LOUD = local_task('loud', train={str(toy.train)!r}, dev={str(toy.dev)!r}, text='text')\n"
    )
    assert main(["validate", f"{file}:LOUD"]) == 0
    printed = capsys.readouterr().out
    assert r"\x1b[2J read" in printed
    assert "\x1b" not in printed
