"""What a trainer is doing, told to whoever draws the live line."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from stabbench.runs import Store

PROGRESS_SECONDS = 1.0


def progress_file(store: Store, trainer: int) -> Path:
    """Return the file in which the trainer process of a number tells what it does."""
    return store.root / "progress" / f"{trainer}.json"


class ProgressFile:
    """Tells of a run's updates about once a second; a full disk is no reason to end the run.

    Args:
        store: where the file lies.
        key: the run's key.
        trainer: number of the trainer process.
    """

    def __init__(self, store: Store, key: str, trainer: int) -> None:
        self.place = progress_file(store, trainer)
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
        }
        with contextlib.suppress(OSError):
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self.place.write_text(json.dumps(state), encoding="utf-8")

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):
            self.place.unlink()
