"""The debug executor: runs in this very process, so that breakpoints and print work.

A method of somebody's own may change the process (patch a layer, say) and so every run after it, without a
word in their records. So after the first run of one nothing more is computed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from stabbench.errors import StabbenchError
from stabbench.executors.base import ExecutorOptions, Job, NoJob, first_free
from stabbench.requests import Outcome, Request
from stabbench.runs import Store
from stabbench.strategies.catalog import is_ours

HAS_RUN: list[str] = []
"""The method of somebody's own that has run in this process, if one has."""


class DebugExecutor:
    """Computes runs in the calling process; no time-out, no protection from crashes."""

    def __init__(self, store: Path, options: ExecutorOptions) -> None:
        from stabbench.training.cache import Cache
        from stabbench.training.devices import lease_device

        self.store = Store(store)
        self._threads = options.threads
        self._cache = Cache()
        self._device, self._lease = lease_device(options.devices)

    def submit(self, requests: Iterable[Request]) -> Job:
        """Take the first run that nobody computes."""
        request = first_free(requests, self.store)
        return NoJob() if request is None else DebugJob(self, request)

    def compute(self, request: Request) -> Outcome:
        """Compute a run here and now.

        Raises:
            StabbenchError: when a method of somebody's own has run in this process.
        """
        if HAS_RUN:
            raise StabbenchError(
                f"{HAS_RUN[0]} has run in this process and may have changed it for every run after it.",
                "debug one run at a time (--stab-seeds 0, one --strategy); the default executor trains many.",
            )
        if not is_ours(request.strategy):
            HAS_RUN.append(request.work.strategy.label)
        from stabbench.training.compute import compute
        from stabbench.training.environment import prepare
        from stabbench.training.progress import ProgressFile

        prepare(self._threads)
        progress = ProgressFile(self.store, request.spec.key, os.getpid())
        try:
            return compute(request, self.store, self._cache, self._device, progress)
        finally:
            progress.close()

    def close(self) -> None:
        """Give the device slot back."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DebugJob:
    """One run, computed when its outcome is asked for."""

    def __init__(self, executor: DebugExecutor, request: Request) -> None:
        self.requests = (request,)
        self.done = False
        self._executor = executor

    def wait(self, timeout: float | None = None) -> tuple[Request, Outcome] | None:
        """Compute the run, however long it takes, and return it with what came of it."""
        if self.done:
            return None
        self.done = True
        return self.requests[0], self._executor.compute(self.requests[0])

    def cancel(self) -> None:
        """Do not compute it."""
        self.done = True
