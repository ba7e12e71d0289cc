"""Runs that fork, stop, kill or leave processes behind: the session goes on, and nothing stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stabbench.executors import ExecutorOptions, Request, compute_one
from stabbench.executors.process import ProcessExecutor
from stabbench.runs import Store
from stabbench.runs.leases import Lease
from tests.executors.test_executors import SUPERVISOR, alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")

UNRULY = '''
import os, signal, subprocess, sys, threading, time
from dataclasses import dataclass
from pathlib import Path
from stabbench.strategies import Strategy

def tell(pid):
    with Path(__file__).with_name("pids").open("a") as file:
        file.write(f"{pid}\\n")

def forked():
    """A process in a session of its own that holds whatever this one has open."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork() == 0:
            tell(os.getpid())
            time.sleep(600)
        os._exit(0)
    os.waitpid(pid, 0)

def started():
    code = "import time; time.sleep(600)"
    tell(subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True, close_fds=False).pid)

@dataclass
class Unruly(Strategy):
    deed: str = "none"

    def prepare(self, model, generator):
        tell(os.getpid())
        tell(os.getppid())
        for deed in self.deed.split("-"):
            if deed == "fork":
                forked()
                started()
            if deed == "hang":
                time.sleep(600)
            if deed == "ignore":
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
            if deed == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            if deed == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if deed == "leave":
                os._exit(7)
            if deed == "ask":
                input("do you trust me? [y/N]")
            if deed == "memory":
                raise MemoryError
'''


class Place:
    """A file with an unruly strategy, and the processes that it told of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "unruly.py").write_text(UNRULY)

    def strategy(self, deed: str) -> str:
        (self.folder / "pids").unlink(missing_ok=True)
        return f"{self.folder}/unruly.py:Unruly:deed={deed}"

    def pids(self) -> list[int]:
        """Return the run's process, its parent, and whatever the run has started."""
        with contextlib.suppress(FileNotFoundError):
            return [int(line) for line in (self.folder / "pids").read_text().splitlines()]
        return []

    def left(self) -> list[int]:
        return [pid for pid in self.pids() if alive(pid)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("unruly"))
    yield made
    for pid in set(made.left()) - {os.getpid()}:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessExecutor]:
    with ProcessExecutor(tmp_path_factory.mktemp("store"), ExecutorOptions(timeout=300)) as made:
        yield made


def test_what_a_run_leaves_behind_ends_with_it(toy, executor: ProcessExecutor, place: Place) -> None:
    request = toy.request(place.strategy("fork"))
    assert compute_one(executor, request).kind == "done"
    child, trainer, *others = place.pids()
    assert len(others) == 2
    assert place.left() == [trainer]
    assert child != trainer
    assert trainer == executor.trainer().pid
    assert not executor.store.is_leased(request.spec.key)


@pytest.mark.parametrize(
    ("deed", "kind", "message"),
    [
        ("fork-kill", "crash", "the run ended with signal SIGKILL, as it does when the machine's memory"),
        ("leave", "crash", "the run ended with exit code 7."),
        ("memory", "out of memory", "ran out of memory"),
        ("ask", "error", "EOFError"),
    ],
)
def test_the_trainer_stays_when_a_run_does_not_end_well(
    toy, executor: ProcessExecutor, place: Place, deed: str, kind: str, message: str
) -> None:
    pid = executor.trainer().pid
    outcome = compute_one(executor, toy.request(place.strategy(deed)))
    assert outcome.note is not None
    assert outcome.note.kind == kind
    assert message in outcome.note.message
    assert outcome.note.spec is not None
    assert place.left() == [pid]
    assert executor.trainer().pid == pid


@pytest.mark.parametrize("deed", ["fork-ignore-hang", "stop"])
def test_a_run_that_does_not_end_is_ended_and_the_trainer_stays(
    toy, executor: ProcessExecutor, place: Place, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    compute_one(executor, toy.request())
    pid = executor.trainer().pid
    monkeypatch.setattr(executor, "options", ExecutorOptions(timeout=1.0))
    outcome = compute_one(executor, toy.request(place.strategy(deed), seed=1))
    assert outcome.note is not None
    assert outcome.note.kind == "time-out"
    assert "longer than 1 s" in outcome.note.message
    assert place.left() == [pid]


def test_a_trainer_that_is_stopped_while_it_starts(toy, tmp_path: Path) -> None:
    with ProcessExecutor(tmp_path, ExecutorOptions(start_timeout=0.5)) as executor:
        job = executor.submit([toy.request()])
        pid = executor.trainer().pid
        os.kill(pid, signal.SIGSTOP)
        ended = job.wait()
        assert not alive(pid)
    assert ended is not None
    note = ended[1].note
    assert note is not None
    assert note.kind == "time-out"
    assert "did not start, or not load model and data, within 0.5 s" in note.message
    assert "--stab-start-timeout" in note.message


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGKILL, "crash"), (signal.SIGSTOP, "time-out")])
def test_a_trainer_that_is_killed_or_stopped_in_a_run_ends_with_all_of_it(
    toy,
    executor: ProcessExecutor,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    kind: str,
) -> None:
    if number == signal.SIGSTOP:
        monkeypatch.setattr(executor, "options", ExecutorOptions(timeout=2.0))
    job = executor.submit([toy.request(place.strategy("fork-hang"))])
    wait_for(lambda: job.wait(0.0) is not None or len(place.pids()) == 4)
    os.kill(executor.trainer().pid, number)
    ended = job.wait()
    assert ended is not None
    assert ended[1].note is not None
    assert ended[1].note.kind == kind
    wait_for(lambda: not place.left())


def test_a_trainer_killed_while_it_starts_is_started_again_and_a_closed_one_leaves_nothing(
    toy, place: Place, tmp_path: Path
) -> None:
    with ProcessExecutor(tmp_path, ExecutorOptions()) as executor:
        job = executor.submit([toy.request(place.strategy("fork-hang"))])
        os.kill(executor.trainer().pid, signal.SIGKILL)
        wait_for(lambda: job.wait(0.0) is not None or len(place.pids()) == 4)
        assert not job.done
    wait_for(lambda: not place.left())
    assert list((tmp_path / "progress").glob("*")) == []


@pytest.mark.parametrize("stopped", [False, True])
def test_invariant_5_nothing_outlives_its_supervisor(
    toy, place: Place, tmp_path: Path, stopped: bool
) -> None:
    request = toy.request(place.strategy("fork-hang"))
    file = tmp_path / "request.json"
    file.write_text(request.model_dump_json())
    store = Store(tmp_path / "store")
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(store.root), str(file)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    trainer = int(supervisor.stdout.readline())
    wait_for(lambda: len(place.pids()) == 4)
    assert len(place.left()) == 4
    assert store.is_leased(request.spec.key)
    if stopped:
        os.kill(trainer, signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    wait_for(lambda: not place.left())
    assert not store.is_leased(request.spec.key)


def test_where_a_fork_is_not_safe_each_run_has_a_process_of_its_own(
    toy, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with ProcessExecutor(tmp_path, ExecutorOptions(timeout=300)) as executor:
        outcome = compute_one(executor, toy.request(place.strategy("kill")))
        assert outcome.note is not None
        assert outcome.note.message == "the trainer process ended with signal SIGKILL."
        assert compute_one(executor, toy.request()).kind == "done"
    assert place.left() == [os.getpid()]  # the run's process was a child of ours


def test_a_forked_process_holds_no_lease(tmp_path: Path) -> None:
    lease = Lease.acquire(tmp_path / "lock")
    assert lease is not None
    reading, writing = os.pipe()
    ready, started = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.write(started, b"1")
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    os.read(ready, 1)
    try:
        assert Lease.is_held(tmp_path / "lock")
        lease.release()
        assert not Lease.is_held(tmp_path / "lock")
    finally:
        for descriptor in (writing, ready, started):
            os.close(descriptor)
        os.waitpid(pid, 0)


def requests(toy, count: int) -> list[Request]:
    return list(toy.group("ours", count, max_steps=1).requests)


@pytest.mark.slow
def test_three_hundred_runs_leave_no_trace_in_the_trainer(
    toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    def state(pid: int) -> tuple[int, int, int]:
        """Return resident kilobytes, open files and threads."""
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        found = dict(line.split(":", 1) for line in status)
        return (
            int(found["VmRSS"].split()[0]),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(found["Threads"]),
        )

    with ProcessExecutor(tmp_path / "store", ExecutorOptions()) as executor:
        seen = []
        for request in requests(toy, 300):
            assert compute_one(executor, request).kind == "done"
            seen.append(state(executor.trainer().pid))
    assert len({files for _, files, _ in seen}) == 1
    assert {threads for _, _, threads in seen} == {1}
    assert max(memory for memory, _, _ in seen) < seen[20][0] + 4096, seen[::20]
    assert list(temporary.iterdir()) == []
