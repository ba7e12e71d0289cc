"""The children of a trainer process: forked for one run each, and ended with all that they leave behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from stabbench.training.messages import Lines, Message, send
from stabbench.zygote import can_watch

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
PATIENCE_SECONDS = 5.0

_leave = os._exit  # a run may replace what the module calls so


def can_fork() -> bool:
    """Return whether this process may fork: from its only thread, where a child can be watched."""
    return can_watch() and len(list(Path("/proc/self/task").iterdir())) == 1


def on_parents_death(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends, however that ends (Linux)."""
    _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


@dataclass(frozen=True)
class Child:
    """A forked process.

    Attributes:
        pid: its number.
        end: a descriptor that becomes readable when it ends.
        said: its messages. Others may hold its end of the pipe open: do not wait for their end.
    """

    pid: int
    end: int
    said: Lines

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own

    def reap(self) -> str:
        """Forget it, now that it has ended, and return how it ended, in words."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.end)
        os.close(self.said.descriptor)
        return ending(os.waitstatus_to_exitcode(status))


def fork(work: Callable[[Callable[[Message], None]], None], closed: Iterable[int]) -> Child:
    """Run ``work`` in a child process, in a session of its own.

    Args:
        work: told how to send a message.
        closed: descriptors that are none of the child's business.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            on_parents_death(signal.SIGKILL)
            os.setsid()
            for descriptor in (reading, *closed):
                os.close(descriptor)
            if os.getppid() == parent:
                work(lambda message: send(writing, message))
                code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            _leave(code)
    os.close(writing)
    return Child(pid, os.pidfd_open(pid), Lines(reading))


def end_descendants() -> None:
    """End every child of this process, and the children that it gets as these end."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # mostly there are none
        end_children()


def end_children(spared: Collection[int] = ()) -> None:
    """End the children of this process and those that it gets as these end, but for some."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and (left := _children() - set(spared)):
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)  # its number is its own until it is waited for
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)


def _children() -> set[int]:
    """Return the children of this process, those that have ended included."""
    found = set()
    for place in _processes():
        with contextlib.suppress(OSError):
            if int((place / "stat").read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(place.name))
    return found


def end_marked(variable: str, value: str) -> None:
    """End every process that was started, by whomever, with a variable in its environment (Linux)."""
    wanted = f"{variable}={value}".encode()
    for place in _processes():
        with contextlib.suppress(OSError):
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                os.kill(int(place.name), signal.SIGKILL)


def _processes() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*"))


def ending(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"
