"""The zygote: forked trainers are as good as new ones, and nobody outlives whom they are for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stabbench.executors import ExecutorOptions, compute_one
from stabbench.executors.process import ProcessExecutor
from stabbench.runs import Store
from stabbench.zygote import VARIABLE, Zygote, connect, environment_of
from tests.executors.test_alone import Place
from tests.executors.test_executors import alive, parent_of, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")

NAME = os.environ.get(VARIABLE, "")  # that of the session that runs these tests


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for pid in made.left():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def doomed() -> Iterator[Zygote]:
    """Return a zygote that a test may kill."""
    found = Zygote.start(f"doomed-{os.getpid()}", threads=1, now=True)
    assert found is not None
    yield found
    found.close()


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
    toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_who_reads_another_environment_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KMP_INIT_AT_FORK", "FALSE")  # scikit-learn does, in who imports it
    served = connect(NAME, environment_of(1))
    assert served is not None
    served.close()
    assert Zygote.start(NAME, threads=1, now=True) is None  # there is one of a name
    assert connect(NAME, environment_of(2)) is None
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert connect(NAME, environment_of(1)) is None


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
import sys, time
from stabbench.zygote import Zygote
print(Zygote.start(sys.argv[1], threads=1, now=True).pid, flush=True)
time.sleep(600)
"""


def test_a_zygote_ends_with_its_owner_and_takes_its_trainers_along_whose_runs_begin_again(
    toy, place: Place, tmp_path: Path
) -> None:
    """Even when it and the trainer were stopped."""
    name = f"owned-{os.getpid()}"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, name], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    zygote = int(owner.stdout.readline())
    request = toy.request(place.strategy("fork-hang"))
    with ProcessExecutor(tmp_path / "store", ExecutorOptions(zygote=name)) as executor:
        job = executor.submit([request])
        wait_for(lambda: job.wait(0.0) is not None or len(place.pids()) == 4)
        first = place.pids()
        assert parent_of(first[1]) == zygote
        os.kill(zygote, signal.SIGSTOP)
        os.kill(first[1], signal.SIGSTOP)
        owner.kill()
        owner.wait()
        owner.stdout.close()
        wait_for(lambda: job.wait(0.1) is not None or len(place.pids()) == 8)
        assert not job.done
        wait_for(lambda: not any(alive(pid) for pid in [zygote, *first]))
        assert parent_of(executor.trainer().pid) == os.getpid()
    wait_for(lambda: not place.left())
    assert not Store(tmp_path / "store").is_leased(request.spec.key)
