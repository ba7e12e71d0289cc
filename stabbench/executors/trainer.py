"""A trainer process as its supervisor sees it: its messages, its log and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Literal

from stabbench.errors import StabbenchError
from stabbench.executors.base import ExecutorOptions
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.training.children import end_marked, ending
from stabbench.training.messages import Lines, Message, send
from stabbench.training.progress import progress_file

LOG_TAIL_BYTES = 16_384
POLITE_SECONDS = 5.0
MARK = "STABBENCH_TRAINER"

ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",  # a process that forks has one thread
    "OPENBLAS_NUM_THREADS": "1",  # likewise
    "HF_DEACTIVATE_ASYNC_LOAD": "1",  # likewise
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # a thread, and the network
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONHASHSEED": "0",  # a strategy may draw numbers in the order of a set
}
"""What the results, or the safety of a fork, depend on."""


def _imports_from_here() -> bool:
    """Return whether this process imports what lies in the current folder, as under ``python -m pytest``."""
    try:
        return not {"", str(Path.cwd())}.isdisjoint(sys.path)
    except OSError:  # the folder is gone
        return False


class Trainer:
    """A process that computes one run after the other (see ``stabbench.training.process``).

    It starts at once. Its log is readable until ``close``, also when the process has ended.

    Attributes:
        state: what it does, by what it said last: it starts, waits for a request, loads, or trains.
    """

    def __init__(self, store: Store, options: ExecutorOptions) -> None:
        self.state: Literal["starting", "idle", "loading", "training"] = "starting"
        self._log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the process
        self._mark = uuid.uuid4().hex
        # -P: a queue.py in the current folder is not the process's own
        command = [sys.executable, "-P", "-m", "stabbench.training.process", str(store.root)]
        command += ["--supervisor", str(os.getpid()), "--threads", str(options.threads)]
        command += [word for device in options.devices for word in ("--device", device)]
        if _imports_from_here():
            command += ["--here-first"]
        if sys.platform != "linux":  # a fork is not safe there, or cannot be watched
            command += ["--once"]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(options.threads))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            env={**os.environ, **threads, **ENVIRONMENT, MARK: self._mark},
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends its trainer itself
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._answers = Lines(self._output.fileno())
        self._progress = progress_file(store, self._process.pid)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def log_end(self) -> int:
        """How many bytes were printed so far."""
        return os.fstat(self._log.fileno()).st_size

    def submit(self, request: Request) -> None:
        """Send a request to an idle process; raise ``BrokenPipeError`` when it has ended."""
        self.state = "loading"
        send(self._input.fileno(), {"request": request.model_dump(mode="json")})

    def stop(self) -> None:
        """Have it end its run; raise ``BrokenPipeError`` when it has ended."""
        send(self._input.fileno(), {"stop": True})

    def receive(self, until: float | None) -> Message | None:
        """Return the next message, or ``None`` when there is none until a moment of the monotonic clock.

        Raises:
            StabbenchError: when it cannot work at all.
            EOFError: when the process ended without one.
        """
        message = self._answers.read(None if until is None else until - time.monotonic())
        if message is None:
            return None
        if "fatal" in message:
            cause, _, action = message["fatal"].partition("\n  -> ")
            raise StabbenchError(cause, action)
        self.state = "training" if "training" in message else "idle"
        return message

    def tail(self, start: int) -> str:
        """Return the end of what was printed since ``log_end`` was ``start``."""
        start = max(start, self.log_end - LOG_TAIL_BYTES)
        # not by seeking: the place in the file is shared with who writes it
        return os.pread(self._log.fileno(), LOG_TAIL_BYTES, start).decode(errors="replace")

    def kill(self) -> str:
        """End the process with all that it has started, and return how it ended, in words."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        end_marked(MARK, self._mark)
        self._end()
        return ending(code)

    def close(self) -> None:
        """End the process and forget its log: let it end what it has started, or kill it."""
        if self.state in ("idle", "training"):
            self._input.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(POLITE_SECONDS)
        if self._process.returncode != 0:
            self.kill()
        self._end()
        self._log.close()

    def _end(self) -> None:
        self._input.close()
        self._output.close()
        with contextlib.suppress(OSError):  # the store may have become something else
            self._progress.unlink()
