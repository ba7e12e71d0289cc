"""Are the devices that a session names there? Asked once, before anything is planned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from stabbench.errors import StabbenchError


def check_devices(names: Sequence[str]) -> None:
    """Ask torch whether devices are there, in a process of its own: a session's never imports torch.

    Raises:
        StabbenchError: for the first that is not.
    """
    if all(name == "cpu" for name in names):
        return
    command = [sys.executable, "-P", "-m", "stabbench.training.devices", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 1 and "\n  -> " in done.stdout:
        cause, _, action = done.stdout.strip().partition("\n  -> ")
        raise StabbenchError(cause, action)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise StabbenchError(
            f"the devices {','.join(names)} cannot be checked: {last}", "does torch work here?"
        )
