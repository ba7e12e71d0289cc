"""The two ways to a trainer process: forked from a zygote, or a new Python that imports everything itself."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Protocol

from stabbench import zygote
from stabbench.training.children import end_marked, ending
from stabbench.training.messages import Lines, Message, send

MARK = "STABBENCH_TRAINER"
PATIENCE_SECONDS = 5.0


class Process(Protocol):
    """A trainer process.

    Attributes:
        orphaned: whether it ended because the zygote did, and so by nothing that it has done itself.
    """

    orphaned: bool

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self, seconds: float | None) -> str | None:
        """Return how it ended, in words, or ``None`` when it has not within some seconds."""

    def kill(self) -> str:
        """End it with all that it has started, and return how it ended, in words."""


def start(arguments: Sequence[str], name: str | None, threads: int, streams: tuple[int, int, int]) -> Process:
    """Start a trainer process.

    Args:
        arguments: see ``stabbench.training.process.begin``.
        name: of the zygote.
        threads: CPU threads of its runs.
        streams: descriptors of its standard input, output and error.
    """
    environment = zygote.environment_of(threads)
    connection = zygote.connect(name, environment)
    if connection is not None:
        return Forked(connection, arguments, environment, streams)
    return Started(arguments, environment, streams)


class Started:
    """A new process, a child of this one."""

    orphaned = False

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: tuple[int, int, int]
    ) -> None:
        self._mark = uuid.uuid4().hex
        # -P: a queue.py in the current folder is not the process's own
        command = [sys.executable, "-P", "-m", "stabbench.training.process", str(os.getpid()), *arguments]
        if sys.platform != "linux":  # a fork is not safe there, or cannot be watched
            command += ["--once"]
        stdin, stdout, stderr = streams
        self._process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env={**environment, MARK: self._mark},
            start_new_session=True,  # Ctrl-C is for the supervisor, which ends its trainer itself
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def wait(self, seconds: float | None) -> str | None:
        """See ``Process``."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return ending(self._process.wait(seconds))
        return None

    def kill(self) -> str:
        """See ``Process``."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        if code != 0:  # else it has done so itself
            end_marked(MARK, self._mark)
        return ending(code)


class Forked:
    """A fork of the zygote, which tells its number and how it ended."""

    def __init__(
        self,
        connection: socket.socket,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
    ) -> None:
        self.orphaned = False
        self._connection = connection
        self._messages = Lines(connection.fileno())
        self._told: Message = {}
        folder, supervisor = os.open(".", os.O_PATH), os.pidfd_open(os.getpid())
        try:
            with contextlib.suppress(
                OSError
            ):  # the zygote has ended: whoever waits for the trainer learns it
                socket.send_fds(connection, [b"\n"], [*streams, folder, supervisor])
                send(connection.fileno(), {"arguments": list(arguments), "environment": dict(environment)})
        finally:
            os.close(folder)
            os.close(supervisor)

    @property
    def pid(self) -> int:
        """Its number, which is known as soon as the zygote has imported what it imports.

        Raises:
            EOFError: when the zygote ended before.
        """
        while "trainer" not in self._told:
            if not self._listen(None):
                raise EOFError
        number: int = self._told["trainer"]
        return number

    def _listen(self, seconds: float | None) -> bool:
        """Wait for what the zygote tells; return whether it told something."""
        try:
            message = self._messages.read(seconds)
        except (EOFError, OSError):
            self.orphaned = "ended" not in self._told
            return False
        self._told |= message or {}
        return message is not None

    def wait(self, seconds: float | None) -> str | None:
        """See ``Process``."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self.orphaned and "ended" not in self._told:
            if not self._listen(None if until is None else until - time.monotonic()) and not self.orphaned:
                return None
        return str(self._told.get("ended", "the process that it was forked from"))

    def kill(self) -> str:
        """See ``Process``."""
        with contextlib.suppress(OSError):
            send(self._connection.fileno(), {"kill": True})
        how = self.wait(PATIENCE_SECONDS)
        if how is None and "trainer" in self._told:  # the zygote was stopped
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # nobody has waited for it, so the number is its own
        self._connection.close()
        return how or "signal SIGKILL"
