"""JSON messages, one a line, between a supervisor, its trainer process and the child that computes a run."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Iterable
from typing import Any

Message = dict[str, Any]


def send(descriptor: int, message: Message) -> None:
    """Write a message whole; raise ``BrokenPipeError`` when nobody reads any more."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def ready(descriptors: Iterable[int], seconds: float | None) -> set[int]:
    """Wait until something can be read, or for some seconds; return the descriptors of which it can."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return {found for found, _ in poll.poll(None if seconds is None else max(0.0, seconds) * 1000)}


class Lines:
    """The messages that come from a descriptor; one that is half-written keeps nobody waiting."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._bytes = b""

    def read(self, seconds: float | None = 0.0) -> Message | None:
        """Return the next message, or ``None`` when there is none within some seconds (``None``: ever).

        Raises:
            EOFError: when there will be no more.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._bytes:
            if not ready([self.descriptor], None if end is None else end - time.monotonic()):
                return None
            found = os.read(self.descriptor, 65_536)
            if not found:
                raise EOFError
            self._bytes += found
        line, _, self._bytes = self._bytes.partition(b"\n")
        message: Message = json.loads(line)
        return message
