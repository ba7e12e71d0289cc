"""The zygote of a session as its other processes see it: its start, its end, and how to ask it for a trainer.

A zygote (``stabbench.training.zygote``) has imported what trainers need and forks one in milliseconds for
whoever asks. It listens at an abstract socket of Linux, of which nothing stays in any folder. The socket's
name holds a digest of all that a process may read from its environment while it imports: who has another
environment finds nobody there, and starts a trainer the slow way.

This module is imported at the start of a session: it needs nothing but the standard library.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import Self

VARIABLE = "STABBENCH_ZYGOTE"
"""The environment variable that names the zygote of an outer session, for the sessions inside it."""

ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",  # a process that forks has one thread
    "OPENBLAS_NUM_THREADS": "1",  # likewise
    "HF_DEACTIVATE_ASYNC_LOAD": "1",  # likewise
    "DISABLE_SAFETENSORS_CONVERSION": "1",  # a thread, and the network
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONHASHSEED": "0",  # a strategy may draw numbers in the order of a set
}
"""What the results, or the safety of a fork, depend on."""

READ_LATE = ("COLUMNS", "LINES", "OLDPWD", "PWD", "PY_COLORS", "SHLVL", "TMPDIR", "USERPROFILE", "_")
READ_LATE_PREFIXES = ("PYTEST_", "STABBENCH_", "TORCHINDUCTOR_", "KMP_")
"""Variables that no import of ours reads (torch and scikit-learn set the last two kinds in who imports them).

A trainer has its asker's of all.
"""


def can_watch() -> bool:
    """Return whether processes can be watched and forked safely here: Linux 5.3 and later."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def environment_of(threads: int) -> dict[str, str]:
    """Return the environment of a trainer that this process starts, for runs of some CPU threads."""
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", **os.environ, **counts, **ENVIRONMENT}


def address_of(name: str, environment: Mapping[str, str]) -> str:
    """Return where the zygote of a name and an environment listens."""
    late = {*READ_LATE, *(["HOME"] if "HF_HOME" in environment else [])}  # read to find the hub's files
    read = {
        key: value
        for key, value in environment.items()
        if key not in late and not key.startswith(READ_LATE_PREFIXES)
    }
    told = repr((sys.executable, sys.flags.isolated, sorted(read.items()))).encode(errors="replace")
    return f"\0stabbench-{name}-{hashlib.sha256(told).hexdigest()[:32]}"


def is_ours(connection: socket.socket) -> bool:
    """Return whether a process of the same user is at the other end."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", found)[1] == os.getuid())


def connect(name: str | None, environment: Mapping[str, str]) -> socket.socket | None:
    """Return a connection to the zygote of a name, or ``None`` where there is none for this environment."""
    if name is None or not can_watch():
        return None
    connection = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(OSError):
        connection.connect(address_of(name, environment))
        if is_ours(connection):
            return connection
    connection.close()
    return None


def name_of(session: str, threads: int) -> str:
    """Return the name of a session's zygote: that of the session around it, or its own."""
    outer = os.environ.get(VARIABLE)
    connection = connect(outer, environment_of(threads))
    if outer is None or connection is None:
        return session
    connection.close()
    return outer


class Zygote:
    """A zygote that this process has started, and that ends with it.

    Args:
        name: what those who ask call it.
        listener: the socket on which it listens.
        now: whether it imports at once, instead of when it is first asked for a trainer.
        environment: of its trainers.
    """

    def __init__(self, name: str, listener: socket.socket, now: bool, environment: Mapping[str, str]) -> None:
        self.name = name
        # -P: a queue.py in the current folder is not the process's own
        command = [sys.executable, "-P", "-m", "stabbench.training.zygote", str(os.getpid())]
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [*command, *(["--now"] if now else [])],
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,  # what fails here is told by the trainer that is started instead
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,  # Ctrl-C is for its trainers' supervisors
        )

    @classmethod
    def start(cls, name: str, threads: int, now: bool) -> Self | None:
        """Start a zygote; return ``None`` where there can be none, or one of this name is there.

        Args:
            name: see the class.
            threads: CPU threads of its trainers' runs.
            now: see the class.
        """
        if not can_watch():
            return None
        environment = environment_of(threads)
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(address_of(name, environment))
            except OSError:
                return None
            listener.listen(64)
            return cls(name, listener, now, environment)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def close(self) -> None:
        """End it, and the trainers that it has forked."""
        self._process.kill()
        self._process.wait()
