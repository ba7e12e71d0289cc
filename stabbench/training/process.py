"""The trainer process: ``python -m stabbench.training.process STORE``.

It reads one JSON request a line from its standard input and answers one JSON outcome a line on its
standard output; what a run prints goes to the log. It stays warm between runs. It holds the lease on its
run and on its device slot itself, so both are free the moment it ends. End of input, or the death of its
parent, ends it at once, also in the middle of a run: a run never outlives its supervisor.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.training.cache import Cache
from stabbench.training.compute import compute
from stabbench.training.devices import lease_device

PARENT_CHECK_SECONDS = 0.5
PROGRESS_SECONDS = 1.0


class ProgressFile:
    """``progress/<pid>.json`` in the store: what this trainer is doing, about once a second."""

    def __init__(self, store: Store, key: str) -> None:
        self.place = store.root / "progress" / f"{os.getpid()}.json"
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self.key = key
        self.began = self.written = time.monotonic()

    def __call__(self, step: int, total: int) -> None:
        """Tell of an update."""
        now = time.monotonic()
        if now - self.written < PROGRESS_SECONDS:
            return
        self.written = now
        state = {
            "key": self.key,
            "step": step,
            "total": total,
            "steps_per_second": step / (now - self.began),
            "time": time.time(),
        }
        self.place.write_text(json.dumps(state), encoding="utf-8")

    def close(self) -> None:
        """Remove the file."""
        self.place.unlink(missing_ok=True)


def _lifeline(requests: queue.SimpleQueue[str]) -> None:
    """Hand on the lines of standard input; end the process when there are no more."""
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _watch_parent(parent: int) -> None:
    """End the process when its parent has died (its pipes may be held open by others)."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve requests until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", action="append", default=[])
    options = parser.parse_args(arguments)
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a run prints must not mix with the answers
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_lifeline, args=(requests,), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()

    def answer(data: dict[str, Any]) -> None:
        answers.write(json.dumps(data) + "\n")
        answers.flush()

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # set by name: the attribute has no type; without it every new tensor is filled with NaN first
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - see above
    store, cache = Store(options.store), Cache()
    try:
        device, _lease = lease_device(tuple(options.device))
    except StabbenchError as error:
        answer({"fatal": str(error)})
        return
    answer({"ready": str(device)})
    while True:
        request = Request.model_validate_json(requests.get())
        progress = ProgressFile(store, request.spec.key)
        outcome = compute(request, store, cache, device, progress)
        progress.close()
        answer({"kind": outcome.kind, "note": outcome.note.model_dump(mode="json") if outcome.note else None})


if __name__ == "__main__":
    main()
