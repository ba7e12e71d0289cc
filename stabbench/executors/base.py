"""How a run gets computed: the interface that the plugin and the command line call."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from stabbench.requests import Outcome, Request


class Executor(Protocol):
    """Computes runs one by one. Use as a context manager, so that nothing is left behind."""

    def run(self, request: Request) -> Outcome:
        """Compute a run unless it is in the store or somebody else computes it; never raises for it."""

    def close(self) -> None:
        """Stop whatever still runs."""

    def __enter__(self) -> Executor:
        """Return the executor."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
