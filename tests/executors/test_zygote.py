"""The zygote: forked trainers are as good as new ones, and nobody outlives whom they are for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stabbench.executors import ExecutorOptions, Job, compute_one
from stabbench.executors.process import ProcessExecutor
from stabbench.runs import Store
from stabbench.zygote import Zygote, connect, environment_of
from tests.executors.test_alone import Place
from tests.executors.test_executors import alive, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")

NAME = f"test-{os.getpid()}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for pid in made.left():
        os.kill(pid, signal.SIGKILL)


def started(name: str) -> Iterator[Zygote]:
    found = Zygote.start(name, threads=1, now=True)
    assert found is not None
    yield found
    found.close()


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    yield from started(NAME)


@pytest.fixture
def doomed() -> Iterator[Zygote]:
    """Return a zygote that a test may kill."""
    yield from started(f"doomed-{os.getpid()}")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def hanging(executor: ProcessExecutor, toy, place: Place) -> Job:
    """Return the job of a run that hangs, with processes of its own."""
    job = executor.submit([toy.request(place.strategy("fork-hang"))])
    wait_for(lambda: job.wait(0.0) is not None or len(place.pids()) == 4)
    return job


def test_a_run_is_the_same_in_a_forked_trainer_and_in_a_new_one(
    toy, zygote: Zygote, place: Place, tmp_path: Path
) -> None:
    """What a strategy sees of its environment included."""
    requests, found = [toy.request(seed=seed) for seed in (4, 5)], []
    for name in (None, NAME):
        with ProcessExecutor(tmp_path / str(name), ExecutorOptions(zygote=name)) as executor:
            assert [compute_one(executor, request).kind for request in requests] == ["done"] * 2
            assert parent_of(executor.trainer().pid) == (zygote.pid if name else os.getpid())
            records = [executor.store.read(request.spec.key) for request in requests]
            found.append(
                [
                    (record.result(), {n: a.tobytes() for n, a in executor.store.arrays(record).items()})
                    for record in records
                    if record is not None
                ]
            )
    assert len(found[0]) == 2
    assert found[0] == found[1]


SURROUNDINGS = """
import os, tempfile
from dataclasses import dataclass
from pathlib import Path
from stabbench.strategies import Strategy

def opened(place):
    try:
        return os.readlink(place)
    except OSError:
        return ""

@dataclass
class Surroundings(Strategy):
    def prepare(self, model, generator):
        sockets = [name for name in map(opened, Path("/proc/self/fd").iterdir()) if name.startswith("socket")]
        words = Path.cwd(), tempfile.gettempdir(), os.environ["PYTEST_CURRENT_TEST"], sockets
        raise ValueError(" ".join(map(str, words)))
"""


def test_a_forked_trainer_is_where_its_supervisor_is(
    toy, zygote: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With none of the zygote's connections open, though others have trainers of it."""
    (tmp_path / "surroundings.py").write_text(SURROUNDINGS)
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "ünï ço")
    options = ExecutorOptions(zygote=NAME)
    with (
        ProcessExecutor(tmp_path / "a", options) as other,
        ProcessExecutor(tmp_path / "b", options) as executor,
    ):
        compute_one(other, toy.request(seed=9))
        note = compute_one(executor, toy.request(f"{tmp_path}/surroundings.py:Surroundings")).note
    assert note is not None
    assert f"{tmp_path} {tmp_path}/temporary ünï ço []" in note.message


def test_who_reads_another_environment_is_not_served(zygote: Zygote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMP_INIT_AT_FORK", "FALSE")  # scikit-learn does, in who imports it
    served = connect(NAME, environment_of(1))
    assert served is not None
    served.close()
    assert connect(NAME, environment_of(2)) is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert connect(NAME, environment_of(1)) is None


def test_there_is_one_of_a_name(zygote: Zygote) -> None:
    assert Zygote.start(NAME, threads=1, now=True) is None


def test_a_killed_zygote_takes_its_trainers_along_and_their_runs_begin_again(
    toy, doomed: Zygote, place: Place, tmp_path: Path
) -> None:
    with ProcessExecutor(tmp_path / "store", ExecutorOptions(zygote=doomed.name)) as executor:
        job = hanging(executor, toy, place)
        first = place.pids()
        assert parent_of(first[1]) == doomed.pid
        os.kill(doomed.pid, signal.SIGKILL)
        wait_for(lambda: job.wait(0.1) is not None or len(place.pids()) == 8)
        assert not job.done
        wait_for(lambda: not any(alive(pid) for pid in first))
        assert parent_of(executor.trainer().pid) == os.getpid()
    wait_for(lambda: not place.left())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_zygote_that_is_killed_or_stopped_while_it_imports(
    toy, doomed: Zygote, tmp_path: Path, number: signal.Signals
) -> None:
    with ProcessExecutor(tmp_path, ExecutorOptions(zygote=doomed.name, start_timeout=1.0)) as executor:
        job = executor.submit([toy.request()])
        os.kill(doomed.pid, number)
        if number == signal.SIGKILL:
            executor.options = ExecutorOptions(zygote=doomed.name)
        ended = job.wait()
        assert ended is not None
        assert ended[1].kind == ("done" if number == signal.SIGKILL else "errored")
        if ended[1].note is not None:
            assert "did not start" in ended[1].note.message


OWNER = """
import sys
from pathlib import Path
from stabbench.executors import ExecutorOptions, Request
from stabbench.executors.process import ProcessExecutor
from stabbench.zygote import Zygote
zygote = Zygote.start("owned", threads=1, now=True)
executor = ProcessExecutor(Path(sys.argv[1]), ExecutorOptions(zygote="owned"))
job = executor.submit([Request.model_validate_json(Path(sys.argv[2]).read_bytes())])
print(zygote.pid, flush=True)
job.wait()
"""


def test_a_zygote_and_its_trainers_end_with_the_owner_even_when_stopped(
    toy, place: Place, tmp_path: Path
) -> None:
    request = toy.request(place.strategy("fork-hang"))
    file = tmp_path / "request.json"
    file.write_text(request.model_dump_json())
    store = Store(tmp_path / "store")
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(store.root), str(file)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    zygote = int(owner.stdout.readline())
    wait_for(lambda: len(place.pids()) == 4)
    trainer = place.pids()[1]
    assert parent_of(trainer) == zygote
    os.kill(zygote, signal.SIGSTOP)
    os.kill(trainer, signal.SIGSTOP)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_for(lambda: not place.left() and not alive(zygote))
    assert not store.is_leased(request.spec.key)
