"""How a run gets computed: in a warm trainer process, or in this process for debugging."""

from collections.abc import Sequence
from pathlib import Path

from stabbench.errors import UnknownNameError
from stabbench.executors.base import Executor
from stabbench.registry import suggest
from stabbench.requests import Outcome

NAMES = ("process", "debug")

__all__ = ["NAMES", "Executor", "Outcome", "create"]


def create(
    name: str,
    store_root: Path,
    *,
    threads: int = 1,
    devices: Sequence[str] = (),
    timeout: float | None = None,
    supervisor: int | None = None,
) -> Executor:
    """Return an executor by name; the arguments are those of ``ProcessExecutor``.

    Raises:
        UnknownNameError: for a name other than ``process`` and ``debug``.
    """
    if name == "process":
        from stabbench.executors.process import ProcessExecutor

        return ProcessExecutor(
            store_root, threads=threads, devices=devices, timeout=timeout, supervisor=supervisor
        )
    if name == "debug":
        from stabbench.executors.debug import DebugExecutor

        return DebugExecutor(store_root, threads=threads, devices=devices)
    raise UnknownNameError(f"unknown executor {name!r}.", suggest(name, NAMES))
