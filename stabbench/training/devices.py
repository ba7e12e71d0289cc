"""Which device a trainer uses: the first free slot of a machine-wide set of locks.

A worker's name is no device index (a crashed one comes back under another name), so a slot is whatever
lock is free. Slot 0 of every device is tried before slot 1 of any: processes spread over the devices
first, and share them only when there are more processes than devices. A GPU has few slots: captured steps
keep it at work, so that a second run only fills what loading and evaluating leave; eager steps leave it idle
for more than half of the time. Neither gains by more runs than that, and all of them lose memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from stabbench.errors import StabbenchError
from stabbench.runs import Lease

RUN_BYTES = 10 * 10**9
"""Memory that a run of BERT-large takes on a GPU: a device is shared only while so much of it is free."""

PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.25


def available() -> tuple[str, ...]:
    """Return the devices of this machine: all visible GPUs, or the CPU."""
    count = torch.cuda.device_count()
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)


class NoSlotError(StabbenchError):
    """Every slot of every device is taken."""


def slots(captured: bool) -> int:
    """Return how many runs a GPU takes at a time, by whether their steps are captured."""
    return 2 if captured else 4


def lease_device(devices: tuple[str, ...], slots: int = 4) -> tuple[torch.device, Lease | None]:
    """Return a device and the lease on a slot of it, held until the process ends.

    Args:
        devices: names as torch spells them; empty for all of this machine.
        slots: how many runs a GPU takes, and fewer where its memory is full.

    Raises:
        StabbenchError: for a name that torch does not know or a device that is not there.
        NoSlotError: when all slots are taken, and stay so for some seconds.
    """
    names = devices or available()
    for name in names:
        _check(name)
    if all(torch.device(name).type == "cpu" for name in names):
        return torch.device("cpu"), None
    folder = Path(tempfile.gettempdir()) / f"stabbench-{os.getuid()}"  # not every user has a name
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        for slot in range(slots):
            for name in names:
                if slot and not has_room(name):
                    continue
                lease = Lease.acquire(folder / f"device-{name.replace(':', '-')}-{slot}.lock")
                if lease is not None:
                    return torch.device(name), lease
        if time.monotonic() >= until:
            raise NoSlotError(
                f"{', '.join(names)} has as many runs as it takes.",
                "wait for one to end, or use fewer (-n).",
            )
        time.sleep(POLL_SECONDS)


def has_room(name: str) -> bool:
    """Return whether a device has memory for one more run; only a GPU is asked."""
    return torch.device(name).type != "cuda" or torch.cuda.mem_get_info(name)[0] >= RUN_BYTES


def _check(name: str) -> None:
    action = f"use --stab-devices {','.join(available())}."
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "xpu": torch.xpu.device_count(),
    }
    kind = name.partition(":")[0]
    if kind not in counts:
        raise StabbenchError(f"{name!r} is no device to train on: {', '.join(counts)} are.", action)
    try:
        index = torch.device(name).index or 0
    except RuntimeError as error:
        raise StabbenchError(f"{name!r} is not a device.", action) from error
    if index >= counts[kind]:
        raise StabbenchError(f"the device {name} is not there.", action)


def main(names: Sequence[str]) -> int:
    """Check devices by name: ``python -m stabbench.training.devices cuda:0``; the error is printed."""
    try:
        for name in names:
            _check(name)
    except StabbenchError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
