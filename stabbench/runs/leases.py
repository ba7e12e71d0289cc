"""Leases: at most one live computation of a thing, across processes and sessions.

A lease is an exclusive ``flock`` on a file. The operating system frees it when the process that
holds it ends, however it ends, so it must be taken by the very process that does the work. A process
that it forks holds nothing: else a forgotten one would keep a run for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from weakref import WeakSet


class Lease:
    """An exclusive lock, held from ``Lease.acquire`` until ``release`` or the end of the process."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor: int | None = descriptor
        self.path = path
        _HELD.add(self)

    @classmethod
    def acquire(cls, path: Path) -> Lease | None:
        """Return the lease on ``path``, or ``None`` when another process (or caller) holds it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor, path)

    @classmethod
    def is_held(cls, path: Path) -> bool:
        """Return whether somebody holds the lease on ``path`` at this moment."""
        if not path.exists():
            return False
        lease = cls.acquire(path)
        if lease is None:
            return True
        lease.release()
        return False

    def release(self) -> None:
        """Give the lease back. The file stays: to delete it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_HELD: WeakSet[Lease] = WeakSet()


def _drop_all() -> None:
    for lease in list(_HELD):
        lease.release()  # of this copy only: the lock stays with the process that took it


os.register_at_fork(after_in_child=_drop_all)
