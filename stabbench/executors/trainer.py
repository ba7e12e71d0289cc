"""A trainer process as its supervisor sees it: its pipes, its log and its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stabbench.errors import StabbenchError
from stabbench.executors.base import ExecutorOptions

LOG_TAIL_BYTES = 16_384


class Trainer:
    """A process that computes one request after the other (see ``stabbench.training.process``).

    It starts at once; it is ``is_ready`` a few seconds later. Its log is readable until ``close``, also
    when the process has ended.
    """

    def __init__(self, store: Path, options: ExecutorOptions) -> None:
        self._ready = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        command = [sys.executable, "-m", "stabbench.training.process", str(store)]
        command += ["--threads", str(options.threads)]
        for device in options.devices:
            command += ["--device", device]
        threads = {name: str(options.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
            env={**os.environ, **threads, "TOKENIZERS_PARALLELISM": "false"},
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends its trainer itself
        )
        self._progress = store / "progress" / f"{self._process.pid}.json"

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
        return self._log.seek(0, os.SEEK_END)

    def is_ready(self, until: float | None) -> bool:
        """Wait for the process to have started, until a moment of the monotonic clock.

        Raises:
            StabbenchError: when it cannot work at all.
            EOFError: when it ended instead.
        """
        if not self._ready:
            hello = self.receive(until)
            if hello is not None and "fatal" in hello:
                self.close()
                cause, _, action = hello["fatal"].partition("\n  -> ")
                raise StabbenchError(cause, action)
            self._ready = hello is not None
        return self._ready

    def send(self, line: str) -> None:
        """Send a request; raise ``BrokenPipeError`` when the process has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def receive(self, until: float | None) -> dict[str, Any] | None:
        """Return the next answer, or ``None`` when there is none until a moment of the monotonic clock.

        Raises:
            EOFError: when the process ended without one.
        """
        assert self._process.stdout is not None
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([self._process.stdout], [], [], left)[0]:
            return None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def tail(self, start: int) -> str:
        """Return the end of what was printed since ``log_end`` was ``start``."""
        self._log.seek(max(start, self.log_end - LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace")

    def kill(self) -> str:
        """End the process and return how it ended, in words."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # bytes that the dead process never read
                    pipe.close()
        self._progress.unlink(missing_ok=True)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End the process and forget its log."""
        self.kill()
        self._log.close()
