"""A trainer process as its supervisor sees it: its messages, its log and its end."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from stabbench.errors import StabbenchError
from stabbench.executors import processes
from stabbench.executors.base import ExecutorOptions
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.training.messages import Lines, Message, send
from stabbench.training.progress import progress_file

LOG_TAIL_BYTES = 16_384
POLITE_SECONDS = 5.0


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
        arguments = [str(store.root), "--threads", str(options.threads)]
        arguments += [word for device in options.devices for word in ("--device", device)]
        if _imports_from_here():
            arguments += ["--here-first"]
        theirs, self._input = os.pipe()
        self._output, writing = os.pipe()
        streams = theirs, writing, self._log.fileno()
        try:
            self._process = processes.start(arguments, options.zygote, options.threads, streams)
        finally:
            os.close(theirs)
            os.close(writing)
        self._answers = Lines(self._output)
        self._store = store
        self._progress: Path | None = None
        self._how: str | None = None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._how is None and self._process.wait(0) is None

    @property
    def orphaned(self) -> bool:
        """Whether the process ended because that which it was forked from did."""
        return self._process.orphaned

    @property
    def log_end(self) -> int:
        """How many bytes were printed so far."""
        return os.fstat(self._log.fileno()).st_size

    def submit(self, request: Request) -> None:
        """Send a request to an idle process; raise ``BrokenPipeError`` when it has ended."""
        self.state = "loading"
        send(self._input, {"request": request.model_dump(mode="json")})

    def stop(self) -> None:
        """Have it end its run; raise ``BrokenPipeError`` when it has ended."""
        send(self._input, {"stop": True})

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
        if "ready" in message:
            self._progress = progress_file(self._store, message["ready"])
        self.state = "training" if "training" in message else "idle"
        return message

    def tail(self, start: int) -> str:
        """Return the end of what was printed since ``log_end`` was ``start``."""
        start = max(start, self.log_end - LOG_TAIL_BYTES)
        # not by seeking: the place in the file is shared with who writes it
        return os.pread(self._log.fileno(), LOG_TAIL_BYTES, start).decode(errors="replace")

    def kill(self) -> str:
        """End the process with all that it has started, and return how it ended, in words."""
        if self._how is None:
            self._how = self._process.kill()
            self._end()
        return self._how

    def close(self) -> None:
        """End the process and forget its log: let it end what it has started, or kill it."""
        if self.state in ("idle", "training") and self._how is None:
            os.close(self._input)
            self._input = -1
            self._process.wait(POLITE_SECONDS)
        self.kill()
        self._log.close()

    def _end(self) -> None:
        for descriptor in (self._input, self._output):
            if descriptor >= 0:
                os.close(descriptor)
        if self._progress is not None:
            with contextlib.suppress(OSError):  # the store may have become something else
                self._progress.unlink()
