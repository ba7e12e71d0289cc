"""The named environment of a run: what, besides its specification, its result may depend on."""

from __future__ import annotations

import contextlib
import os
import platform
import random
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np
import torch

from stabbench.recipe import Precision

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts


def prepare(threads: int) -> None:
    """Set whatever torch keeps for the whole process as every run finds it, and seed what may be drawn from.

    Args:
        threads: CPU threads of the run.
    """
    torch.set_num_threads(threads)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_flush_denormal(False)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.enabled = True
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # set by name: the attribute has no type; without it every new tensor is filled with NaN first
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - see above
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def describe(device: torch.device, attention: str) -> dict[str, str | int | float | bool | None]:
    """Return the environment of a run on a device, as its record names it."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "attention": attention,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cuda": torch.version.cuda,
        **{name: version(name) for name in ("stabbench", "torch", "transformers", "numpy")},
    }


def processor() -> str:
    """Return the name of the CPU and the widest vector instructions that torch uses on it."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as info:
        name = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


@contextlib.contextmanager
def precision(kind: Precision, device: torch.device) -> Iterator[None]:
    """Run what stands inside in a precision; outside, the process is as it was."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind == "tf32"
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=kind == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
