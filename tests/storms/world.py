"""A project in which real sessions run, a strategy that tells what happens to it, and who is alive."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stabbench.runs import Store
from stabbench.zygote import VARIABLE
from tests.conftest import LEAN, Toy

LIMIT = 300.0
"""Seconds after which a session counts as hanging: a busy machine is slow, not stuck."""

PATIENCE = 60.0
"""Seconds after which something counts as never coming."""

MARK = "STABBENCH_STORM_MARK"

STRATEGY = '''
"""A strategy that tells what it does in files of the folder STABBENCH_STORM_PLACE."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from stabbench.strategies import Strategy


def tell(name, *words):
    place = Path(os.environ["STABBENCH_STORM_PLACE"], name)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (" ".join(map(str, words)) + "\\n").encode())
    os.close(descriptor)


def leave_behind(own_session):
    """Fork a child that never ends by itself."""
    child = os.fork()
    if child == 0:
        if own_session:
            os.setsid()
        while True:
            time.sleep(1000)
    tell("children", child)


@dataclass
class Stormy(Strategy):
    base: str | None = "ours"
    forks: bool = False
    waits: bool = False
    raises: bool = False
    label: str = "plain"

    def prepare(self, model, generator):
        self.seed = generator.initial_seed()
        tell("began", self.seed, os.getpid(), time.time(), self.label)
        if self.forks:
            leave_behind(own_session=False)
            leave_behind(own_session=True)

    def phase(self, update, total):
        if self.waits and update == total // 2:
            tell("waiting", os.getpid())
            while not Path(os.environ["STABBENCH_STORM_PLACE"], "go").exists():
                time.sleep(0.02)
        if self.raises and update == total // 2:
            raise ValueError("as it was told to")
        if update == total - 1:
            tell("ended", getattr(self, "seed", "-"), os.getpid(), time.time())
        return None
'''


@dataclass(frozen=True)
class Process:
    """A living process."""

    parent: int
    state: str


def marked(mark: str) -> dict[int, Process]:
    """Return every living process that bears a mark in its environment, by its number."""
    found = {}
    wanted = f"{MARK}={mark}".encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            if wanted not in (place / "environ").read_bytes():
                continue
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
        if state not in "ZX":
            found[int(place.name)] = Process(int(parent), state)
    return found


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so; whoever waits in vain fails, a busy machine only takes longer."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.03)


@dataclass
class Session:
    """A session of pytest in processes of its own."""

    process: subprocess.Popen[bytes]
    printed: Path
    mark: str

    def end(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Wait for the end of the session and return its exit code; it may not hang, nor leave anybody."""
        deadline = time.monotonic() + LIMIT
        while self.running:
            assert time.monotonic() < deadline, f"the session hangs with {self.alive()}:\n{self.output}"
            meanwhile()
            time.sleep(0.03)
        deadline = time.monotonic() + PATIENCE
        while left := self.alive():
            assert time.monotonic() < deadline, f"outlived their session: {left}\n{self.output}"
            time.sleep(0.03)
        return self.process.returncode

    @property
    def running(self) -> bool:
        """Whether the controller has not ended."""
        return self.process.poll() is None

    @property
    def output(self) -> str:
        """What the session printed so far."""
        return self.printed.read_text(errors="replace")

    def alive(self) -> dict[int, Process]:
        """Return the living processes of the session and of all that they started.

        Trainers that were forked from a zygote of somebody else do not bear the mark.
        """
        return marked(self.mark)

    def family(self) -> tuple[list[int], list[int], list[int]]:
        """Return the session's workers, their trainers, and whatever these started."""
        alive = self.alive()

        def below(parents: list[int]) -> list[int]:
            return sorted(pid for pid, process in alive.items() if process.parent in parents)

        zygotes = self.zygotes()
        workers = [pid for pid in below([self.process.pid]) if pid not in zygotes]
        trainers = below([*workers, *zygotes])
        return workers, trainers, below(trainers)

    def zygotes(self) -> list[int]:
        """Return the process that the trainers are forked from, if there is one."""
        found = []
        for pid, process in self.alive().items():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if process.parent == self.process.pid and b"stabbench.training.zygote" in command:
                    found.append(pid)
        return found

    def kill_all(self) -> None:
        """End every process of the session, stopped ones too."""
        for pid in (self.process.pid, *self.alive()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Storm:
    """A project in a folder of its own.

    Attributes:
        place: where its strategies tell what they do.
        own_zygote: whether each session has one: all its processes can be found then, after seconds of
            imports. Without, trainers are forked from the zygote of the session that runs these tests.
    """

    folder: Path
    toy: Toy
    own_zygote: bool = True
    sessions: list[Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = self.folder / "told"
        self.place.mkdir(parents=True)
        (self.folder / "pyproject.toml").write_text("")
        (self.folder / "stormy.py").write_text(STRATEGY)
        self.write_suite(seeds=6)

    def write_suite(self, seeds: int) -> None:
        """Write the suite file, with a gate that these runs pass."""
        gate = "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.9)\n"
        place = self.folder / "suites" / "test_toy.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(self.toy.suite_file(seeds=seeds, gates=gate))

    @property
    def store(self) -> Store:
        """The project's own store."""
        return Store(self.folder / ".stabbench")

    def start(
        self, *arguments: str, strategy: str = "", terminal: int | None = None, **variables: str
    ) -> Session:
        """Start a session.

        Args:
            arguments: options of pytest.
            strategy: parameters of the strategy, ``k=v,...``.
            terminal: a terminal's descriptor, to print there.
            variables: more of the environment.
        """
        mark = uuid.uuid4().hex
        printed = self.folder / f"printed-{len(self.sessions)}"
        words = ["suites", *LEAN, "-p", "no:cacheprovider", "--stab-set", "learning_rate=0.01"]
        words += ["--strategy", f"stormy.py:Stormy{':' if strategy else ''}{strategy}", *arguments]
        inherited = dict(os.environ)
        if self.own_zygote:
            inherited.pop(VARIABLE, None)
        with printed.open("wb") as file:
            output = file if terminal is None else terminal
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**inherited, MARK: mark, "STABBENCH_STORM_PLACE": str(self.place), **variables},
            )
        self.sessions.append(Session(process, printed, mark))
        return self.sessions[-1]

    def run(self, *arguments: str, **kwargs: object) -> Session:
        """Run a session to its end."""
        session = self.start(*arguments, **kwargs)  # type: ignore[arg-type]  # handed on
        session.end()
        return session

    def told(self, name: str) -> list[list[str]]:
        """Return what the strategies told under a name, by line and word."""
        place = self.place / name
        return [line.split() for line in place.read_text().splitlines()] if place.exists() else []

    def go(self) -> None:
        """Let the strategies that wait go on, now and later."""
        (self.place / "go").touch()

    def wait_until_it_waits(self, session: Session, runs: int = 1) -> None:
        """Wait until some runs are half done and wait."""
        wait_for(lambda: len(self.told("waiting")) >= runs or not session.running, "no run began")
        assert session.running, session.output


def contents(store: Store) -> dict[int, dict[str, bytes]]:
    """Return every array of a store with one group by seed and name, as bytes."""
    assert store.problems() == []
    return {
        record.seed: {name: array.tobytes() for name, array in store.arrays(record).items()}
        for record in store.records()
    }


@contextlib.contextmanager
def mounted(*arguments: str, place: Path) -> Iterator[None]:
    """Mount something at a folder for a while.

    Raises:
        PermissionError: where that is not allowed.
    """
    done = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(done.stderr)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
