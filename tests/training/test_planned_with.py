"""What a run was planned with is checked where it is read: no other result gets under an old key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stabbench import tasks
from stabbench.executors import ExecutorOptions, create
from stabbench.executors.base import compute_one
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.suite import Suite

METHOD = "from stabbench.strategies import Strategy\nclass Mine(Strategy):\n    pass\n"
METRIC = """
from stabbench.metrics import LabelMetric
MINE = LabelMetric("mine", compute=lambda counts: counts[0][0] / 30)
"""


@pytest.fixture
def planned(toy, tmp_path: Path) -> tuple[Path, Request]:
    """Return a folder with everything that a run is made of, and the run."""
    shutil.copytree(toy.model, tmp_path / "model")
    for name in ("train", "dev"):
        shutil.copy(toy.folder / f"{name}.csv", tmp_path)
    (tmp_path / "method.py").write_text(METHOD)
    (tmp_path / "metric.py").write_text(METRIC)
    task = tasks.local_task(
        "own",
        train=tmp_path / "train.csv",
        dev=tmp_path / "dev.csv",
        text="text",
        metric=f"{tmp_path}/metric.py:MINE",
    ).name
    suite = Suite(task=task, models=[str(tmp_path / "model")], seeds=1)
    strategy = f"{tmp_path}/method.py:Mine"
    plan = PlanOptions(max_steps=4)
    return tmp_path, plan_group(suite, task, str(tmp_path / "model"), strategy, plan).requests[0]


def edit_model(folder: Path) -> None:
    weights = folder / "model" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def edit_tokenizer(folder: Path) -> None:
    file = folder / "model" / "tokenizer.json"
    file.write_text(file.read_text().replace('"a0"', '"zz"', 1))


def edit_data(folder: Path) -> None:
    file = folder / "dev.csv"
    file.write_text(file.read_text().replace("a0", "b0", 1))


def edit_method(folder: Path) -> None:
    (folder / "method.py").write_text(METHOD + "    later = 1\n")


def edit_metric(folder: Path) -> None:
    (folder / "metric.py").write_text(METRIC.replace("30", "29"))


EDITS: list[tuple[Callable[[Path], None], str]] = [
    (edit_model, "the files of"),
    (edit_tokenizer, "the files of"),
    (edit_data, "the data of own"),
    (edit_method, "the source of"),
    (edit_metric, "the file of the metric"),
]


def test_an_edited_file_is_refused(planned: tuple[Path, Request]) -> None:
    folder, request = planned
    with create("process", folder / "store", ExecutorOptions()) as executor:
        for number, (edit, message) in enumerate(EDITS):
            copies = {path: path.read_bytes() for path in folder.glob("m*/*") if path.is_file()}
            copies |= {path: path.read_bytes() for path in folder.glob("*.*")}
            edit(folder)
            note = compute_one(executor, request).note
            assert note is not None, number
            assert note.kind == "error"
            assert note.message.startswith(message)
            assert "the run was planned with" in note.message
            assert "plan again" in note.message
            for path, data in copies.items():
                path.write_bytes(data)
        assert compute_one(executor, request).kind == "done"
