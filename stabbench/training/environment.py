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
    # or else every new tensor is filled with NaN first
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010 - torch gives it no type
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def describe(
    device: torch.device, attention: str, layers: str, step: str = "eager"
) -> dict[str, str | int | float | bool | None]:
    """Return the environment of a run on a device, as its record names it.

    Args:
        device: where it ran.
        attention: name of the attention implementation.
        layers: how its layers ran; said of a CPU only, where there is a choice.
        step: how its steps were made, ``eager`` or ``captured``; said of a GPU only, where there is a choice.
    """
    return {
        **({"step": step} if device.type == "cuda" else {}),
        **({"layers": layers} if device.type == "cpu" else {}),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "attention": attention,
        "deterministic": _deterministic(device),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cuda": torch.version.cuda,
        **{name: version(name) for name in ("stabbench", "torch", "transformers", "numpy")},
    }


def _deterministic(device: torch.device) -> bool | str:
    """Return whether a run repeats bit for bit; ``warn only`` where an operator may fall short of it.

    On a CPU all that we run is deterministic. On a GPU some backward passes are not, and are allowed.
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    if enabled and device.type != "cpu" and torch.is_deterministic_algorithms_warn_only_enabled():
        return "warn only"
    return enabled


def processor() -> str:
    """Return the name of the CPU and the widest vector instructions that torch uses on it."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as info:
        name = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), name)
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


@contextlib.contextmanager
def matrix_products(kind: Precision) -> Iterator[None]:
    """Compute float32 matrix products inside as a precision says; outside, the process is as it was.

    A kernel looks when it runs, so the backward pass, the optimizer and an evaluation belong inside, too.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@contextlib.contextmanager
def precision(kind: Precision, device: torch.device) -> Iterator[None]:
    """Run a forward pass inside in a precision; what autocast chose holds for its backward pass, too."""
    place = "cpu" if device.type == "meta" else device.type  # tensors without values have no autocast
    with matrix_products(kind), torch.autocast(place, dtype=torch.bfloat16, enabled=kind == "bf16"):
        yield
