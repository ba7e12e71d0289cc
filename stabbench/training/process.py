"""The trainer process: ``python -m stabbench.training.process STORE``, or forked from a zygote.

It reads one JSON message a line from its standard input and answers likewise on its standard output: requests
one way, what becomes of them the other. It loads what a run needs and keeps it; the run itself happens in a
child that is forked for it and ends with it, so that whatever a strategy does to its process reaches no
other run. No user's code runs here, no second thread, and nothing on a GPU: a fork of such a process is safe.
Therefore only a run imports what lies in the current folder.

A run never outlives its supervisor, nor the zygote: end of input, or the death of one of them, ends the
child, what the child has started, and this process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from stabbench.errors import StabbenchError
from stabbench.requests import Outcome, Request
from stabbench.runs import Store
from stabbench.training import children
from stabbench.training.messages import Lines, Message, ready, send
from stabbench.training.progress import ProgressFile, progress_file

PARENT_CHECK_SECONDS = 0.5


def main() -> None:
    """Serve requests until the input ends."""
    children.on_parents_death(signal.SIGKILL)  # before anything that takes long
    supervisor, *arguments = sys.argv[1:]
    if os.getppid() == int(supervisor):
        begin(arguments)


def begin(arguments: Sequence[str], *supervisor: int) -> NoReturn:
    """Serve requests until the input ends.

    Args:
        arguments: of the command line.
        supervisor: a descriptor that becomes readable when the supervisor ends, unless it is the parent.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--here-first", action="store_true", help="a run imports from here first, not last")
    parser.add_argument("--once", action="store_true", help="compute one run, in this process, and end")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    lifeline, answers = Lines(os.dup(0)), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # whoever asks a question gets no answer
    os.close(nothing)
    os.dup2(2, 1)  # what is printed must not mix with the answers
    Trainer(options, lifeline, answers, supervisor).serve()


class Trainer:
    """What the trainer process keeps.

    Args:
        options: see ``main``.
        lifeline: messages of the supervisor.
        answers: descriptor for the answers.
        supervisor: see ``begin``.
    """

    def __init__(
        self, options: argparse.Namespace, lifeline: Lines, answers: int, supervisor: tuple[int, ...]
    ) -> None:
        gc.disable()  # nothing that is imported here is garbage
        import torch

        from stabbench.training.cache import Cache

        gc.enable()

        torch.set_num_threads(1)
        self.store = Store(options.store)
        self.threads: int = options.threads
        self.devices: tuple[str, ...] = tuple(options.device)
        self.here_first: bool = options.here_first
        self.once: bool = options.once
        self.lifeline = lifeline
        self.answers = answers
        self.guards = supervisor
        """Descriptors that become readable when somebody ends without whom nobody wants the runs."""
        self.cache = Cache()
        self.number = os.getpid()

    def serve(self) -> NoReturn:
        """Answer one request after the other."""
        forks = not self.once and children.can_fork()
        if forks:
            self.guards += (os.pidfd_open(os.getppid()),)
            children.adopt_orphans()
        self.answer({"ready": self.number})
        while True:
            # while it listens it must end what it has started: it is woken should it have been stopped
            children.on_parents_death(signal.SIGCONT if forks else signal.SIGKILL)
            request = self.next_request()
            children.on_parents_death(signal.SIGKILL)
            if not forks:
                self.compute_here(request)
            self.load(request)
            if not children.can_fork():  # something has started a thread
                self.compute_here(request)
            children.on_parents_death(signal.SIGCONT)
            answer = self.compute_in_child(request)
            while answer.get("again"):  # its steps could not be captured, and are not captured now
                answer = self.compute_in_child(request)
            self.answer(answer)

    def answer(self, message: Message) -> None:
        """Tell the supervisor."""
        try:
            send(self.answers, message)
        except BrokenPipeError:
            self.leave()

    def next_request(self) -> Request:
        """Wait for a request."""
        while True:
            try:
                message = self.lifeline.read()
            except EOFError:
                self.leave()
            if message is None:
                if not ready((self.lifeline.descriptor, *self.guards), None).isdisjoint(self.guards):
                    self.leave()
            elif "request" in message:  # else it came too late to stop a run
                return Request.model_validate(message["request"])

    def load(self, request: Request) -> None:
        """Load what a run and what it starts from need, for the child to find; what fails is its to tell."""
        from stabbench.training.compute import pending

        try:
            if self.cache.keep(pending(request, self.store)):
                gc.unfreeze()
                gc.collect()
                gc.freeze()  # a child's collections leave the shared pages alone
        except Exception:
            traceback.print_exc()

    def compute_in_child(self, request: Request) -> Message:
        """Compute a run in a child, end all that is left of it, and return what came of it."""
        closed = (self.lifeline.descriptor, self.answers, *self.guards)
        child = children.fork(lambda tell: self.compute(request, tell), closed)
        answer: Message | None = None
        open_ends = {child.end, child.said.descriptor, self.lifeline.descriptor, *self.guards}
        while True:
            found = ready(open_ends, None)
            if not found.isdisjoint(self.guards):
                self.leave()
            try:
                while (message := self.lifeline.read()) is not None:
                    if "stop" in message:
                        child.kill()
            except EOFError:
                self.leave()
            try:
                while (message := child.said.read()) is not None:
                    if "training" in message:
                        self.answer(message)
                    else:
                        answer = message
            except (EOFError, ValueError):
                open_ends.discard(child.said.descriptor)
            if child.end in found:
                break
        how = child.reap()
        children.end_descendants()
        with contextlib.suppress(OSError):
            progress_file(self.store, self.number).unlink()
        return answer or {"ended": how}

    def compute_here(self, request: Request) -> NoReturn:
        """Compute a run in this process, which is good for no other then."""
        threading.Thread(target=self.wait_for_the_end, daemon=True).start()
        self.compute(request, self.answer)
        os._exit(0)

    def wait_for_the_end(self) -> None:
        """End this process when the supervisor says anything, closes the line, or has died."""
        parent, ends = os.getppid(), (self.lifeline.descriptor, *self.guards)
        while os.getppid() == parent and not ready(ends, PARENT_CHECK_SECONDS):
            pass
        self.leave()

    def compute(self, request: Request, tell: Callable[[Message], None]) -> None:
        """Compute a run in this very process and tell what came of it."""
        from stabbench.training.compute import compute, has_failed_to_capture
        from stabbench.training.devices import NoSlotError, lease_device, slots
        from stabbench.training.environment import prepare
        from stabbench.training.graphs import CaptureError

        prepare(self.threads)
        with contextlib.suppress(OSError):  # the folder may be gone
            sys.path.insert(0 if self.here_first else len(sys.path), str(Path.cwd()))
        try:
            room = slots(captured=not has_failed_to_capture(request, self.store))
            device, _lease = lease_device(self.devices, room)
        except NoSlotError:  # whoever asks, asks again
            tell({"outcome": "busy", "note": None})
            return
        except StabbenchError as error:
            tell({"fatal": str(error)})
            return
        progress = ProgressFile(self.store, request.spec.key, self.number)
        again = False
        try:
            outcome = compute(
                request, self.store, self.cache, device, progress, lambda key: tell({"training": key}), True
            )
        except CaptureError:
            outcome, again = Outcome("busy"), True
        progress.close()
        note = outcome.note and outcome.note.model_dump(mode="json")
        tell({"outcome": outcome.kind, "note": note, "again": again})

    def leave(self) -> NoReturn:
        """End this process, with all that it has started."""
        children.end_descendants()
        with contextlib.suppress(OSError):
            progress_file(self.store, self.number).unlink()
        os._exit(0)


if __name__ == "__main__":
    main()
