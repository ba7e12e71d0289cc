"""The default executor: one warm trainer process, replaced after a crash, an out-of-memory or a time-out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stabbench.executors.base import ExecutorOptions, Job, NoJob, first_free
from stabbench.executors.trainer import Trainer
from stabbench.requests import Outcome, Request
from stabbench.runs import ErrorNote, Store


class ProcessExecutor:
    """Computes one run at a time in a trainer process of its own.

    Args:
        store: folder of the store where records go.
        options: see ``ExecutorOptions``.
    """

    def __init__(self, store: Path, options: ExecutorOptions) -> None:
        self.store = Store(store)
        self.options = options
        self._trainer: Trainer | None = None
        self._job: ProcessJob | None = None

    def submit(self, requests: Iterable[Request]) -> Job:
        """Take the first run that nobody computes, unless one is in the works."""
        if self._job is not None and not self._job.done:
            return NoJob()
        request = first_free(requests, self.store)
        if request is None:
            return NoJob()
        self._job = ProcessJob(self, request)
        return self._job

    def trainer(self) -> Trainer:
        """Return the trainer process, started unless it runs."""
        if self._trainer is None or not self._trainer.alive:
            self.close()
            self._trainer = Trainer(self.store.root, self.options)
        return self._trainer

    def close(self) -> None:
        """End the trainer process."""
        if self._trainer is not None:
            self._trainer.close()
            self._trainer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ProcessJob:
    """One run in the trainer process, which gets the request when it is ready for it."""

    def __init__(self, executor: ProcessExecutor, request: Request) -> None:
        self.requests = (request,)
        self.done = False
        self._executor = executor
        self._timeout = executor.options.timeout
        self._deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._trainer = executor.trainer()
        self._log_start = self._trainer.log_end
        self._sent = False

    def wait(self, timeout: float | None = None) -> tuple[Request, Outcome] | None:
        """Return the run when it has ended (see ``Job.wait``)."""
        if self.done:
            return None
        try:
            outcome = self._outcome(None if timeout is None else time.monotonic() + timeout)
        except BaseException:
            self.cancel()
            raise
        if outcome is None:
            return None
        self.done = True
        return self.requests[0], outcome

    def cancel(self) -> None:
        """End the run with its process."""
        if not self.done:
            self.done = True
            self._executor.close()

    def _outcome(self, until: float | None) -> Outcome | None:
        """Return what came of the run, or ``None`` when it goes on after ``until``."""
        try:
            if not self._sent:
                if not self._trainer.is_ready(until):
                    return None
                self._trainer.send(self.requests[0].model_dump_json())
                self._sent = True
            moments = [moment for moment in (until, self._deadline) if moment is not None]
            answer = self._trainer.receive(min(moments, default=None))
        except (BrokenPipeError, EOFError):
            reason = self._trainer.kill()
            return self._errored("crash", f"the trainer process ended with {reason}.")
        if answer is not None:
            return self._answered(answer)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._trainer.kill()
            message = f"the run took longer than {self._timeout:g} s and was stopped."
            return self._errored("time-out", message)
        return None

    def _answered(self, answer: dict[str, Any]) -> Outcome:
        if answer["note"] is None:
            return Outcome(answer["kind"])
        note = ErrorNote.model_validate(answer["note"])
        if note.kind == "out of memory":
            self._executor.close()  # a device that ran full may stay so
        return Outcome("errored", note)

    def _errored(self, kind: str, message: str) -> Outcome:
        """Note an error of which the process could not tell, being dead."""
        log = self._trainer.tail(self._log_start)
        note = ErrorNote(key=self.requests[0].spec.key, kind=kind, message=message, log=log)
        self._executor.store.note_error(note)
        self._executor.close()
        return Outcome("errored", note)
