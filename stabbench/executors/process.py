"""The default executor: one warm trainer process, whose children compute one run each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from stabbench.errors import RecordError
from stabbench.executors.base import ExecutorOptions, Job, NoJob, first_free
from stabbench.executors.trainer import Trainer
from stabbench.requests import Outcome, Request
from stabbench.runs import ErrorNote, Store
from stabbench.training.messages import Message

PATIENCE_SECONDS = 5.0
"""How long a trainer process may take to end a run."""


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
            self._trainer = Trainer(self.store, self.options)
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
        self._restarted = False
        self._start()

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

    def _start(self) -> None:
        """Hand the request to a trainer process, as soon as there is one that listens."""
        self._training = False
        self._limit = self._executor.options.start_timeout
        self._deadline = _moment(self._limit)
        self._trainer = self._executor.trainer()
        self._log_start = self._trainer.log_end
        if self._trainer.state == "idle":
            with contextlib.suppress(BrokenPipeError):  # `receive` says that it has ended
                self._trainer.submit(self.requests[0])

    def _outcome(self, until: float | None) -> Outcome | None:
        """Return what came of the run, or ``None`` when it goes on after ``until``."""
        while True:
            try:
                message = self._trainer.receive(_earlier(until, self._deadline))
                if message is not None and "ready" in message:
                    self._trainer.submit(self.requests[0])
            except (BrokenPipeError, EOFError):
                how = self._trainer.kill()
                lost = self._training and not self._trainer.orphaned  # else the run has no part in it
                if lost or self._restarted:
                    return self._errored("crash", f"the trainer process ended with {how}.")
                self._restarted = True  # it may have ended before it had the request
                self._start()
                continue
            if message is None:
                is_late = self._deadline is not None and time.monotonic() >= self._deadline
                return self._late() if is_late else None
            if "training" in message:
                self._training = True
                self._limit = self._executor.options.timeout
                self._deadline = _moment(self._limit)
            elif "ready" not in message:
                return self._answered(message)

    def _late(self) -> Outcome:
        """End the run, or all of a process that does not listen."""
        if not self._training:
            self._trainer.kill()
            return self._errored(
                "time-out",
                f"a trainer process did not start, or not load model and data, within {self._limit:g} s.\n"
                "  -> see whether the machine is overloaded or its disk hangs; "
                "--stab-start-timeout allows more.",
            )
        try:
            self._trainer.stop()
            message = self._trainer.receive(time.monotonic() + PATIENCE_SECONDS)
        except (BrokenPipeError, EOFError):
            message = None
        if message is None:
            self._trainer.kill()
        elif "outcome" in message:  # it had just ended
            return self._answered(message)
        return self._errored("time-out", f"the run took longer than {self._limit:g} s and was stopped.")

    def _answered(self, message: Message) -> Outcome:
        if "ended" in message:
            return self._errored("crash", _ended(message["ended"]))
        note = message["note"]
        return Outcome(message["outcome"], None if note is None else ErrorNote.model_validate(note))

    def _errored(self, kind: str, message: str) -> Outcome:
        """Note an error of which the process could not tell, being dead, unless it had finished its work."""
        request, store = self.requests[0], self._executor.store
        with contextlib.suppress(RecordError):
            if store.read(request.spec.key) is not None:
                return Outcome("done")
        note = request.errored(kind, message, self._trainer.tail(self._log_start))
        store.note_error(note)
        return Outcome("errored", note)


def _ended(how: str) -> str:
    if how != "signal SIGKILL":
        return f"the run ended with {how}."
    return (
        f"the run ended with {how}, as it does when the machine's memory is full.\n"
        "  -> use fewer workers (-n), or a smaller batch (--stab-set batch_size=8)."
    )


def _moment(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _earlier(one: float | None, other: float | None) -> float | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
