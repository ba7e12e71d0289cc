"""The default executor: one warm trainer process, replaced after a crash, an out-of-memory or a time-out."""

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
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from stabbench.errors import StabbenchError
from stabbench.requests import Outcome, Request
from stabbench.runs import ErrorNote, Store

POLL_SECONDS = 0.5
LOG_TAIL_BYTES = 16_384


class ProcessExecutor:
    """Computes runs in a trainer process of its own.

    Args:
        store: where records go.
        threads: CPU threads of a run.
        devices: device names; empty for all of the machine.
        timeout: seconds that one run may take, loading included; ``None`` for no limit.
        supervisor: the parent process without which nobody wants the result; ``None`` if there is none.
    """

    def __init__(
        self,
        store: Path,
        *,
        threads: int = 1,
        devices: Sequence[str] = (),
        timeout: float | None = None,
        supervisor: int | None = None,
    ) -> None:
        self.store = Store(store)
        self.threads = threads
        self.devices = tuple(devices)
        self.timeout = timeout
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self.supervisor = supervisor

    def run(self, request: Request) -> Outcome:
        """Compute a run in the trainer process (see ``Executor.run``)."""
        key = request.spec.key
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        log_start = 0
        try:
            self._ensure()
            assert self._log is not None
            log_start = self._log.seek(0, os.SEEK_END)
            self._send(request.model_dump_json())
            answer = self._receive(deadline)
        except TimeoutError:
            self._kill()
            return self._errored(
                key, "time-out", f"the run took longer than {self.timeout:g} s and was stopped.", log_start
            )
        except (BrokenPipeError, EOFError):
            code = self._kill()
            reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return self._errored(key, "crash", f"the trainer process ended with {reason}.", log_start)
        except BaseException:
            self._kill()
            raise
        if answer["note"] is None:
            return Outcome(answer["kind"])
        note = ErrorNote.model_validate(answer["note"])
        if note.kind == "out of memory":
            self._kill()  # a device that ran full may stay so
        return Outcome("errored", note)

    def _ensure(self) -> None:
        """Start the trainer process unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        command = [sys.executable, "-m", "stabbench.training.process", str(self.store.root)]
        command += ["--threads", str(self.threads)]
        for device in self.devices:
            command += ["--device", device]
        threads = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
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
        hello = self._receive(None)
        if "fatal" in hello:
            self._kill()
            cause, _, action = hello["fatal"].partition("\n  -> ")
            raise StabbenchError(cause, action)

    def _send(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _receive(self, deadline: float | None) -> dict[str, Any]:
        """Wait for an answer; raise TimeoutError, or EOFError when the process ends without one."""
        assert self._process is not None
        assert self._process.stdout is not None
        while not select.select([self._process.stdout], [], [], POLL_SECONDS)[0]:
            if self.supervisor not in (None, os.getppid()):  # it was killed
                self._kill()
                os._exit(1)
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
        line = self._process.stdout.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _errored(self, key: str, kind: str, message: str, log_start: int) -> Outcome:
        note = ErrorNote(key=key, kind=kind, message=message, log=self._tail(log_start))
        self.store.note_error(note)
        return Outcome("errored", note)

    def _tail(self, start: int) -> str:
        """Return the end of what the process printed since ``start``."""
        if self._log is None:
            return ""
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(start, end - LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace")

    def _kill(self) -> int:
        """End the process, if any, and return its exit code; the log stays readable."""
        if self._process is None:
            return 0
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # bytes that the dead process never read
                    pipe.close()
        (self.store.root / "progress" / f"{self._process.pid}.json").unlink(missing_ok=True)
        self._process = None
        return code

    def close(self) -> None:
        """End the trainer process."""
        self._kill()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
