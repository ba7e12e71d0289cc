"""The trainer process: warm equals cold, crashes and hangs are contained, nothing outlives its supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stabbench import executors
from stabbench.cli import main
from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.executors import ExecutorOptions, compute_one
from stabbench.executors.process import ProcessExecutor
from stabbench.runs import Store
from stabbench.zygote import VARIABLE, can_watch

NASTY = """
import os, signal
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Nasty(Strategy):
    deed: str = "none"
    def prepare(self, model, generator):
        if self.deed == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.deed == "memory":
            import torch
            raise torch.OutOfMemoryError("CUDA out of memory")
        if self.deed == "CPU memory":
            import torch
            torch.empty(2**60)
        if self.deed == "raise":
            raise ValueError("no such thing")
        if self.deed == "print":
            print("a hook may print")
"""


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("methods") / "nasty.py"
    file.write_text(NASTY)
    return file


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessExecutor]:
    with ProcessExecutor(tmp_path_factory.mktemp("store"), ExecutorOptions(timeout=60)) as made:
        yield made


BROKEN = "raise ImportError('this is not the module of the standard library')\n"


def test_cold_warm_and_exec_give_the_same_record(
    toy, executor: ProcessExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warm: in a trainer that was forked from the zygote, if there can be one, and has had other runs.

    Cold: in a new process, for which files in the current folder stand for no module of ours.
    """
    requests = [toy.request(seed=seed) for seed in (1, 2, 3)] + [toy.request("devlin", 0)]
    assert [compute_one(executor, request).kind for request in requests] == ["done"] * 4
    assert (parent_of(executor.trainer().pid) == os.getpid()) is not can_watch()
    warm = executor.store.read(requests[-1].spec.key)
    assert compute_one(executor, requests[-1]).kind == "cached"

    file = tmp_path / "request.json"
    file.write_text(requests[-1].model_dump_json())
    for name in ("queue", "torch", "numpy", "platform"):
        (tmp_path / f"{name}.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE)
    assert main(["exec", str(file), "--store", str(tmp_path / "store")]) == 0
    other = Store(tmp_path / "store")
    new = other.read(requests[-1].spec.key)
    assert new is not None
    assert warm is not None
    assert new.result() == warm.result()
    mine, theirs = executor.store.arrays(warm), other.arrays(new)
    assert {n: a.tobytes() for n, a in mine.items()} == {n: a.tobytes() for n, a in theirs.items()}


@pytest.mark.parametrize(
    ("deed", "kind", "message"),
    [
        ("segfault", "crash", "signal SIGSEGV"),
        ("memory", "out of memory", "ran out of memory"),
        ("CPU memory", "out of memory", "ran out of memory"),
        ("raise", "error", "the hook prepare of Nasty raised ValueError: no such thing"),
    ],
)
def test_a_run_that_errors_harms_no_other(
    toy, executor: ProcessExecutor, nasty: Path, deed: str, kind: str, message: str
) -> None:
    bad = toy.request(f"{nasty}:Nasty:deed={deed}")
    outcome = compute_one(executor, bad)
    assert outcome.kind == "errored"
    assert outcome.note is not None
    assert outcome.note.kind == kind
    assert message in outcome.note.message
    assert executor.store.error(bad.spec.key) == outcome.note
    assert executor.store.read(bad.spec.key) is None
    assert not executor.store.is_leased(bad.spec.key)
    assert compute_one(executor, toy.request(f"{nasty}:Nasty:deed=print", seed=len(deed))).kind == "done"


def test_invariant_2_a_leased_run_is_not_computed_twice(toy, executor: ProcessExecutor) -> None:
    request = toy.request(seed=77)
    lease = executor.store.lease(request.spec.key)
    assert lease is not None
    with lease:
        assert compute_one(executor, request).kind == "busy"
    assert compute_one(executor, request).kind == "done"


SUPERVISOR = """
import sys
from pathlib import Path
from stabbench.executors import ExecutorOptions, Request
from stabbench.executors.process import ProcessExecutor
executor = ProcessExecutor(Path(sys.argv[1]), ExecutorOptions())
job = executor.submit([Request.model_validate_json(Path(sys.argv[2]).read_bytes())])
print(executor.trainer().pid, flush=True)
job.wait()
"""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so; whoever waits in vain fails, a busy machine only takes longer."""
    deadline = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_unknown_device(toy, tmp_path: Path) -> None:
    with (
        ProcessExecutor(tmp_path, ExecutorOptions(devices=("cuda:99",))) as executor,
        pytest.raises(StabbenchError, match="cuda:99 is not there"),
    ):
        compute_one(executor, toy.request())


def test_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'process'"):
        executors.create("proces", Path())


def test_saved_models_load_with_plain_transformers(toy, executor: ProcessExecutor) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    request = toy.request(seed=50, save_models=True)
    assert compute_one(executor, request).kind == "done"
    folder = executor.store.folder(request.spec.key)
    AutoModelForSequenceClassification.from_pretrained(folder)
    AutoTokenizer.from_pretrained(folder)


IMPORTING = """
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Importing(Strategy):
    found: str = "nowhere"

    def prepare(self, model, generator):
        import only_here
        import tabnanny
        found = getattr(tabnanny, "PLACE", "elsewhere")
        assert found == self.found, found
"""


@pytest.mark.parametrize("found", ["here", "elsewhere"])
def test_a_run_imports_from_the_current_folder_as_its_session_does(
    toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    """A module that is in the standard library, too, comes from the folder only if the session's does."""
    for name in ("here", "methods"):
        (tmp_path / name).mkdir()
    (tmp_path / "methods" / "importing.py").write_text(IMPORTING)
    (tmp_path / "here" / "only_here.py").write_text("")
    (tmp_path / "here" / "tabnanny.py").write_text("PLACE = 'here'\n")
    monkeypatch.chdir(tmp_path / "here")
    if found == "here":  # as `python -m pytest` has it
        monkeypatch.syspath_prepend(tmp_path / "here")
    request = toy.request(f"{tmp_path}/methods/importing.py:Importing:found={found}")
    with ProcessExecutor(tmp_path / "store", ExecutorOptions()) as made:
        outcome = compute_one(made, request)
    assert outcome.kind == "done", outcome.note
