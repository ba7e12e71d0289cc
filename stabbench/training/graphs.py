"""How the steps of a run are made: one operator after the other, or captured once and replayed.

A step of a large encoder is some two thousand small operators, and Python takes longer to call them than a
GPU to compute them. A CUDA graph holds all that a step launches and is launched as one. It repeats what was
captured with the same addresses and the same Python numbers; ``train_step`` is written so that this is the
next step. Random numbers go on, too: a replay takes the next ones of every generator that it knows, those
that the eager step would have drawn.

The first steps with a key are made eagerly: training steps like any other, which load the kernels as they
go. Capturing computes nothing, so no weight, no moment and no random stream has to be put back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Protocol

import torch

from stabbench.errors import StabbenchError
from stabbench.training.step import Key, Training, train_step

WARM_UP = 2
"""How many steps with a key are made eagerly before one is captured."""

WORTH = 8
"""A key is captured if a run has this many steps with it: a capture takes as long as a few eager steps."""


class CaptureError(StabbenchError):
    """A step that cannot be captured. The process is left in a state in which nothing more may run."""


class Steps(Protocol):
    """Makes the steps of one run, in their order."""

    @property
    def name(self) -> str:
        """What the record calls it."""

    def step(self, update: int) -> None:
        """Make an update, by its 0-based number."""


Stepper = Callable[[Training], Steps]


class Eager:
    """Calls every operator of every step: the reference."""

    name = "eager"

    def __init__(self, run: Training) -> None:
        self._run = run

    def step(self, update: int) -> None:
        """Make an update."""
        train_step(self._run, self._run.key(update))


class Captured:
    """Captures a step with every key that comes often, and replays it from then on.

    The graphs share one pool of memory, which is safe since nothing in it outlives a replay: weights,
    moments, plan and traces lie outside. The largest batch of a phase is captured first, so that the smaller
    ones find room in what it has taken. Use it on a stream of its own (``own_stream``).

    Raises:
        CaptureError: when a step cannot be captured, or hooks change which weights have gradients.
    """

    name = "captured"

    def __init__(self, run: Training) -> None:
        self._run = run
        self._keys = [run.key(update) for update in range(run.updates)]
        self._often = {key for key, count in Counter(self._keys).items() if count >= WORTH}
        self._largest: dict[Hashable, tuple[int, int]] = {}
        for key in self._often:
            self._largest[key.phase] = max(self._largest.get(key.phase, (0, 0)), _size(key))
        self._seen: Counter[Key] = Counter()
        self._graphs: dict[Key, torch.cuda.CUDAGraph] = {}
        self._sized: set[Hashable] = set()
        self._pool = torch.cuda.graph_pool_handle()
        self._layouts = 0

    def step(self, update: int) -> None:
        """Make an update."""
        key = self._keys[update]
        if key not in self._graphs and self._is_ready(key):
            self._graphs[key] = self._capture(key)
            self._sized.add(key.phase)
        if key in self._graphs:
            self._graphs[key].replay()
            return
        train_step(self._run, key)
        self._seen[key] += 1
        if self._graphs and self._run.optimizer.layouts != self._layouts:
            raise CaptureError(
                "other weights have gradients than when the step was captured.",
                "set capturable = False in the strategy, or freeze weights in prepare.",
            )

    def _is_ready(self, key: Key) -> bool:
        """Return whether a step is to be captured now."""
        first = key.phase in self._sized or _size(key) == self._largest.get(key.phase)
        return key in self._often and self._seen[key] >= WARM_UP and first

    def _capture(self, key: Key) -> torch.cuda.CUDAGraph:
        """Return the graph of a step; nothing is computed."""
        graph = torch.cuda.CUDAGraph()
        layouts = self._run.optimizer.layouts
        try:
            graph.register_generator_state(self._run.generator)
            with torch.cuda.graph(graph, pool=self._pool, stream=torch.cuda.current_stream()):
                train_step(self._run, key)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            first: BaseException = error  # the end of a capture that has failed raises, too
            while (earlier := first.__cause__ or first.__context__) is not None:
                first = earlier
            raise CaptureError(
                f"a step cannot be captured: {type(first).__name__}: {first}",
                "`stabbench check-strategy` tells which operator; or set capturable = False in the strategy.",
            ) from error
        if self._run.optimizer.layouts != layouts:
            raise CaptureError(
                "weights that have gradients change within a step.",
                "set capturable = False in the strategy, or freeze weights in prepare.",
            )
        self._layouts = layouts
        return graph


def own_stream(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which a GPU works on a stream of its own: the default one cannot be captured."""
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]  # torch has no type


def _size(key: Key) -> tuple[int, int]:
    return key.shape.total or 0, key.shape.rows * key.shape.width
