"""The zygote: ``python -m stabbench.training.zygote OWNER``, from which the trainers of a session are forked.

It imports what every trainer needs and forks a trainer process for whoever asks. It has one thread, loads no
model, runs no user's code, computes nothing and touches no GPU: a fork of it is as good as a new process that
has imported the same. It ends with its owner, and its trainers with it.

Its standard input is the socket on which it listens. Who connects sends the descriptors of ``DESCRIPTORS``,
then one message: the trainer's arguments and its environment. The answers are the trainer's number and, when
it has ended, how. The only other message of the asker is that the trainer is to be killed.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import NoReturn

from stabbench.training import children
from stabbench.training.children import Child
from stabbench.training.messages import Lines, Message, ready, send
from stabbench.zygote import is_ours

DESCRIPTORS = ("input", "output", "log", "folder", "supervisor")
"""What a trainer gets: its standard streams, the current folder, and the process without which it ends."""

PATIENCE_SECONDS = 5.0


def main() -> None:
    """Fork trainers until the owner ends."""
    owner, *now = sys.argv[1:]
    children.on_parents_death(signal.SIGKILL)  # before anything that takes long
    if os.getppid() != int(owner):
        return
    listener = socket.socket(fileno=os.dup(0))
    if not now:
        ready([listener.fileno()], None)
    warm_up()
    if children.can_fork():
        children.adopt_orphans()
        Zygote(listener).serve()


def warm_up() -> None:
    """Import what every trainer needs, and load our compiled code."""
    gc.disable()  # nothing that is imported here is garbage
    import transformers.models.bert.modeling_bert

    import stabbench.training.compute
    import stabbench.training.process
    from stabbench.training import compiled

    compiled.library()
    del transformers, stabbench, compiled
    gc.enable()
    gc.collect()
    gc.freeze()  # a trainer's collections leave the shared pages alone


@dataclass(frozen=True)
class Asked:
    """A trainer that somebody has asked for.

    Attributes:
        connection: to who asked.
        messages: what comes from there.
        supervisor: a descriptor that becomes readable when who asked has ended.
        trainer: the process.
    """

    connection: socket.socket
    messages: Lines
    supervisor: int
    trainer: Child


class Zygote:
    """What the zygote keeps.

    Args:
        listener: the socket on which it listens.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.asked: dict[int, Asked] = {}
        self.deadlines: dict[int, float] = {}
        """By number, when a trainer that has lost its supervisor is killed."""

    def serve(self) -> NoReturn:
        """Fork a trainer for whoever asks, and see to their ends."""
        silent: set[int] = set()  # of these nothing more is awaited
        while True:
            watched = {self.listener.fileno()}
            for one in self.asked.values():
                watched |= {one.connection.fileno(), one.supervisor, one.trainer.end}
            soonest = min(self.deadlines.values(), default=None)
            silent &= watched
            found = ready(watched - silent, None if soonest is None else soonest - time.monotonic())
            for one in list(self.asked.values()):
                pid = one.trainer.pid
                if one.supervisor in found:
                    silent.add(one.supervisor)
                    # it ends by itself: it is woken should it have been stopped
                    os.kill(pid, signal.SIGCONT)
                    self.deadlines[pid] = time.monotonic() + PATIENCE_SECONDS
                if one.connection.fileno() in found:
                    try:
                        if one.messages.read() is not None:
                            one.trainer.kill()
                    except (EOFError, ValueError, OSError):
                        silent.add(one.connection.fileno())
                if self.deadlines.get(pid, float("inf")) <= time.monotonic():
                    one.trainer.kill()
                    self.deadlines[pid] = time.monotonic() + PATIENCE_SECONDS
                if one.trainer.end in found:
                    self.end(one)
            if self.listener.fileno() in found:
                self.accept()

    def accept(self) -> None:
        """Fork a trainer for who has connected."""
        connection, _ = self.listener.accept()
        received: list[int] = []
        messages = Lines(connection.fileno())
        try:
            connection.settimeout(PATIENCE_SECONDS)
            if is_ours(connection):
                _, received, _, _ = socket.recv_fds(connection, 1, len(DESCRIPTORS), socket.MSG_CMSG_CLOEXEC)
                message = messages.read(PATIENCE_SECONDS)
                if message is not None and len(received) == len(DESCRIPTORS):
                    self.fork(connection, messages, message, received)
                    return
        except (EOFError, ValueError, OSError):  # who asked has ended
            pass
        for descriptor in received:
            os.close(descriptor)
        connection.close()

    def fork(self, connection: socket.socket, messages: Lines, message: Message, received: list[int]) -> None:
        """Fork a trainer and tell its number."""
        trainer = children.fork(lambda _: self.become_trainer(message, connection, received), ())
        *streams, supervisor = received
        for descriptor in streams:
            os.close(descriptor)
        self.asked[trainer.pid] = Asked(connection, messages, supervisor, trainer)
        with contextlib.suppress(OSError):
            send(connection.fileno(), {"trainer": trainer.pid})

    def become_trainer(self, message: Message, connection: socket.socket, received: list[int]) -> NoReturn:
        """Be a trainer process, in a fork of the zygote."""
        from stabbench.training import process

        self.listener.close()
        connection.close()
        for one in self.asked.values():
            one.connection.close()
            for descriptor in (one.supervisor, one.trainer.end, one.trainer.said.descriptor):
                os.close(descriptor)
        *streams, folder, supervisor = received
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        with contextlib.suppress(OSError):  # the folder may be gone
            os.fchdir(folder)
        os.close(folder)
        os.environ.clear()
        os.environ.update(message["environment"])
        tempfile.tempdir = None
        process.begin(message["arguments"], supervisor)

    def end(self, one: Asked) -> None:
        """Forget a trainer that has ended, end what is left of it, and tell."""
        pid = one.trainer.pid
        how = one.trainer.reap()
        del self.asked[pid]
        self.deadlines.pop(pid, None)
        children.end_children(spared=self.asked)
        with contextlib.suppress(OSError):
            send(one.connection.fileno(), {"ended": how})
        one.connection.close()
        os.close(one.supervisor)


if __name__ == "__main__":
    main()
