"""Whatever a strategy does to its process, the next run in the same warm trainer is that of a fresh one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stabbench.executors import ExecutorOptions, Request, compute_one
from stabbench.executors.process import ProcessExecutor

SPOIL = """
import atexit, builtins, gc, logging, os, random, resource, signal, socket, sys, threading, time, warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from transformers import activations

from stabbench.strategies import Strategy


def gelu():
    activations.GELUActivation.forward = lambda self, value: torch.relu(value)

def cross_entropy():
    functional.cross_entropy = lambda *args, **kwargs: args[0].square().mean()

def linear():
    old = torch.nn.Linear.forward
    torch.nn.Linear.forward = lambda self, value: old(self, value) * 1.01

def softmax():
    functional.softmax = torch.softmax = lambda value, *args, **kwargs: value.sigmoid()

def threads():
    torch.set_num_threads(2)

def no_grad():
    torch.set_grad_enabled(False)

def device():
    torch.set_default_device("meta")

def dtype():
    torch.set_default_dtype(torch.float64)

def autocast():
    torch.set_autocast_enabled("cpu", True)

def mode():
    class Doubled(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            return found * 2 if function is torch.nn.functional.linear else found
    Doubled().__enter__()

def seeds():
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    torch.rand(3), random.random(), np.random.rand()

def environ():
    os.environ.clear()
    os.environ["STABBENCH_TASK"] = "none"

def folder():
    os.chdir("/")
    os.umask(0o777)

def modules():
    for name in [name for name in sys.modules if name.startswith("stabbench.")]:
        sys.modules[name] = None

def path():
    sys.path[:] = []
    sys.meta_path[:] = []

def signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))

def fork():
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(600)

def thread():
    threading.Thread(target=lambda: [torch.manual_seed(9) for _ in iter(int, 1)], daemon=True).start()
    threading.Thread(target=time.sleep, args=(600,)).start()

def deterministic():
    torch.use_deterministic_algorithms(False)
    torch.backends.mkldnn.enabled = False

def garbage():
    gc.disable()
    gc.set_threshold(1)

def hooks():
    torch.nn.modules.module.register_module_forward_hook(lambda module, given, found: None)
    torch.nn.modules.module.register_module_forward_pre_hook(lambda module, given: (given[0] * 1,))
    torch.nn.modules.module.register_module_full_backward_hook(lambda module, given, found: None)

def loggers():
    logging.disable(logging.CRITICAL)
    logging.getLogger().handlers[:] = []
    warnings.simplefilter("error")

def close():
    os.closerange(0, 64)

def close_streams():
    os.close(0)
    os.close(1)

def no_exit():
    sys.exit = os._exit = lambda code=0: None

def at_exit():
    atexit.register(time.sleep, 600)

def names():
    builtins.sum = builtins.sorted = builtins.zip = lambda *args, **kwargs: []

def limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

def anomaly():
    torch.autograd.set_detect_anomaly(True)
    torch.set_flush_denormal(True)
    torch.set_printoptions(precision=1)

def group():
    os.killpg(0, signal.SIGTERM)

def leave():
    sys.exit(0)


@dataclass
class Spoil(Strategy):
    deed: str = "gelu"

    def prepare(self, model, generator):
        globals()[self.deed]()
"""
DEEDS = sorted(set(re.findall(r"^def (\w+)\(\):", SPOIL, re.MULTILINE)))


def computed(executor: ProcessExecutor, request: Request) -> dict[str, Any]:
    """Compute a run anew and return what it left, but for when and how long it ran."""
    store, key = executor.store, request.spec.key
    shutil.rmtree(store.folder(key), ignore_errors=True)
    outcome = compute_one(executor, request)
    assert outcome.kind == "done", outcome
    record = store.read(key)
    assert record is not None
    return {
        **record.model_dump(exclude={"seconds", "created"}),
        "bytes": (store.folder(key) / "arrays.npz").read_bytes(),
    }


class World:
    """A warm trainer, a file of strategies that spoil it, and what the first run in it gave."""

    def __init__(self, toy, executor: ProcessExecutor, file: Path) -> None:
        self.executor = executor
        self.file = file
        self.request = toy.request("ours", 3)
        self.first = computed(executor, self.request)
        self.pid = executor.trainer().pid


@pytest.fixture(scope="module")
def world(toy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("spoilt")
    (folder / "spoil.py").write_text(SPOIL)
    with (
        pytest.MonkeyPatch.context() as patch,
        ProcessExecutor(folder / "store", ExecutorOptions(timeout=100)) as executor,
    ):
        from stabbench import tasks

        patch.setattr(tasks.REGISTRY, "_registered", {})
        yield World(toy, executor, folder / "spoil.py")


@pytest.mark.parametrize("deed", DEEDS)
def test_the_next_run_is_as_if_nothing_had_been(toy, world: World, deed: str) -> None:
    spoilt = toy.request(f"{world.file}:Spoil:deed={deed}", max_steps=2)
    assert compute_one(world.executor, spoilt).kind in ("done", "errored")
    assert computed(world.executor, world.request) == world.first
    assert world.executor.trainer().pid == world.pid


def test_there_are_enough_deeds() -> None:
    assert len(DEEDS) >= 20
