"""The debug executor and `stabbench exec`: nothing that a method does to its process is in a later record."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench import executors
from stabbench.cli import main
from stabbench.errors import StabbenchError
from stabbench.executors import compute_one
from stabbench.executors import debug as debug_module
from stabbench.runs import Store

LEAVES = """
import sys
from dataclasses import dataclass
import pytest
from stabbench.strategies import Strategy

@dataclass
class Leaves(Strategy):
    way: str = "exit"
    def prepare(self, model, generator):
        if self.way == "exit":
            sys.exit(0)
        if self.way == "generator":
            raise GeneratorExit
        if self.way == "skip":
            pytest.skip("a strategy that skips, as tests do")
"""


@pytest.fixture(autouse=True)
def _as_if_nothing_had_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug_module, "HAS_RUN", [])


@pytest.fixture
def leaves(tmp_path: Path) -> str:
    place = tmp_path / "leaves.py"
    place.write_text(LEAVES)
    return f"{place}:Leaves"


def test_debug_computes_nothing_after_a_method_of_somebody_s_own(toy, leaves: str, tmp_path: Path) -> None:
    with executors.create("debug", tmp_path / "store") as debug:
        assert [compute_one(debug, request).kind for request in toy.group("ours").requests] == ["done"] * 2
        assert compute_one(debug, toy.request(f"{leaves}:way=stays")).kind == "done"
        for later in (toy.request(f"{leaves}:way=stays", 1), toy.request("devlin")):
            with pytest.raises(StabbenchError, match="Leaves:way=stays has run in this process"):
                compute_one(debug, later)
    assert len(Store(tmp_path / "store").keys()) == 3


@pytest.mark.parametrize("way", ["exit", "generator", "skip"])
def test_a_run_that_leaves_has_a_note(toy, leaves: str, tmp_path: Path, way: str) -> None:
    request = toy.request(f"{leaves}:way={way}")
    with executors.create("debug", tmp_path / "store") as debug:
        assert compute_one(debug, request).kind == "errored"
    note = Store(tmp_path / "store").error(request.spec.key)
    assert note is not None
    assert note.kind == "crash"
    assert note.spec == request.spec


def test_exec_fails_when_its_run_leaves(toy, leaves: str, tmp_path: Path) -> None:
    request = toy.request(leaves)
    (tmp_path / "request.json").write_text(request.model_dump_json())
    assert main(["exec", str(tmp_path / "request.json"), "--store", str(tmp_path / "store")]) == 1
    assert Store(tmp_path / "store").error(request.spec.key) is not None
