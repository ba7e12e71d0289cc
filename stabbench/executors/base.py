"""How runs get computed: what the plugin and the commands ask of an executor, and the registry of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from stabbench import zygote
from stabbench.registry import Registry
from stabbench.requests import Outcome, Request
from stabbench.runs import Store

RUN_SECONDS = 24 * 3600.0
START_SECONDS = 600.0


@dataclass(frozen=True)
class ExecutorOptions:
    """What a session chooses for all its runs; an executor takes of it what means something to it.

    Attributes:
        threads: CPU threads of a run.
        devices: device names; empty for all of the machine.
        timeout: seconds that one run may train; ``None`` for no limit.
        start_timeout: seconds until it trains: a process to start, model and data to load; likewise.
        zygote: name of the process from which trainers are forked; ``None`` for none.
    """

    threads: int = 1
    devices: tuple[str, ...] = ()
    timeout: float | None = RUN_SECONDS
    start_timeout: float | None = START_SECONDS
    zygote: str | None = field(default_factory=lambda: os.environ.get(zygote.VARIABLE))


class Job(Protocol):
    """Some runs that an executor has taken."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """The runs, in the order in which they were asked for; none when there was no room."""

    @property
    def done(self) -> bool:
        """Whether every run was handed out by ``wait``, or the job was cancelled."""

    def wait(self, timeout: float | None = None) -> tuple[Request, Outcome] | None:
        """Wait for the next run to end and return it with what came of it; each run is returned once.

        What came of it is in the store by then: its record, or the note of its error.

        Args:
            timeout: seconds to wait, after which the answer is ``None``; without it as long as it takes.

        Raises:
            StabbenchError: when no run can be computed at all, whatever it is (a device that is not there).
        """

    def cancel(self) -> None:
        """Stop the runs that have not ended. They leave no note: they are missing, not errored."""


class Executor(Protocol):
    """Computes runs. Use as a context manager, so that nothing is left behind."""

    def submit(self, requests: Iterable[Request]) -> Job:
        """Take as many runs as there is room for, and return at once.

        Args:
            requests: all that is missing, the most wanted first. A machine takes the first that nobody
                computes and reads no further; a cluster may take thousands, a trainer of several seeds at a
                time those of one group.
        """

    def close(self) -> None:
        """Stop whatever still runs."""

    def __enter__(self) -> Self:
        """Return the executor."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


REGISTRY: Registry[Callable[[Path, ExecutorOptions], Executor]] = Registry("executor", "stabbench.executors")
"""Executors, made from the folder of the store and the options."""


@dataclass
class NoJob:
    """The job of an executor that took nothing."""

    requests: tuple[Request, ...] = ()
    done: bool = True

    def wait(self, timeout: float | None = None) -> tuple[Request, Outcome] | None:
        """Return at once: no run ends."""
        return None

    def cancel(self) -> None:
        """Stop nothing."""


def create(name: str, store: Path, options: ExecutorOptions | None = None) -> Executor:
    """Return the executor of a registered name, or of ``path.py:Name``.

    Args:
        name: ``process``, ``debug``, or what a package or a file adds.
        store: folder of the store where records go.
        options: default: see ``ExecutorOptions``.

    Raises:
        UnknownNameError: when there is none of this name.
    """
    return REGISTRY.get(name)(store, options or ExecutorOptions())


def first_free(requests: Iterable[Request], store: Store) -> Request | None:
    """Return the first run that nobody computes now, nor what it starts from."""
    return next((request for request in requests if _is_free(request, store)), None)


def _is_free(request: Request, store: Store) -> bool:
    return not store.is_leased(request.spec.key) and (request.start is None or _is_free(request.start, store))


def compute_one(executor: Executor, request: Request) -> Outcome:
    """Compute a run, wait for its end and return what came of it; ``busy`` when the executor leaves it."""
    ended = executor.submit([request]).wait()
    return Outcome("busy") if ended is None else ended[1]
