"""Which device a trainer uses: the first free slot of a machine-wide set of locks.

A worker's name is no device index (a crashed one comes back under another name), so a slot is whatever
lock is free. Slot 0 of every device is tried before slot 1 of any: processes spread over the devices
first, and share them only when there are more processes than devices.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from stabbench.errors import StabbenchError
from stabbench.runs import Lease


def available() -> tuple[str, ...]:
    """Return the devices of this machine: all visible GPUs, or the CPU."""
    count = torch.cuda.device_count()
    return tuple(f"cuda:{index}" for index in range(count)) or ("cpu",)


def lease_device(devices: tuple[str, ...]) -> tuple[torch.device, Lease | None]:
    """Return a device and the lease on a slot of it, held until the process ends.

    Args:
        devices: names as torch spells them; empty for all of this machine.

    Raises:
        StabbenchError: for a name that torch does not know or a device that is not there.
    """
    names = devices or available()
    for name in names:
        _check(name)
    if all(torch.device(name).type == "cpu" for name in names):
        return torch.device("cpu"), None
    folder = Path(tempfile.gettempdir()) / f"stabbench-{os.getuid()}"  # not every user has a name
    for slot in itertools.count():
        for name in names:
            lease = Lease.acquire(folder / f"device-{name.replace(':', '-')}-{slot}.lock")
            if lease is not None:
                return torch.device(name), lease
    raise AssertionError("unreachable: slots are unlimited")


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
