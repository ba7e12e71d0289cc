"""May a strategy's steps be captured? Asked on the mini world, without a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.strategies.catalog import parse_strategy
from stabbench.training.cache import Cache
from stabbench.training.graphs import Eager
from stabbench.training.loop import Trained, train
from stabbench.training.recorder import Recorded
from stabbench.training.setup import set_up
from stabbench.training.step import train_step
from stabbench.training.validation import Check

UPDATES = 24
"""Long enough that most of the steps are replays."""

META_UPDATES = 3


class WithoutValues(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without types
    """Lets AdamW pass on tensors without values, for which torch has no such kernel."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator."""
        if func in (torch.ops.aten._fused_adamw_.default, torch.ops.aten._fused_adamw_.tensor_lr):
            return None
        return func(*args, **(kwargs or {}))


def step_without_values(request: Request, cache: Cache) -> None:
    """Make a few steps on tensors without values: whatever asks for one raises.

    Tensors on another device than the model's are found, too.

    Raises:
        RunError: by the hook that asks.
    """
    run = set_up(request, cache, torch.device("meta"), like_gpu=True)
    run.model.train()
    for update in range(min(META_UPDATES, run.updates)):
        with WithoutValues():  # type: ignore[no-untyped-call]  # likewise
            train_step(run, run.key(update))


def replayed(request: Request, cache: Cache) -> tuple[Trained, Trained]:
    """Train a run eagerly and by replayed recordings.

    Raises:
        StabbenchError: when the steps cannot be recorded.
    """
    cpu = torch.device("cpu")
    eager = train(request, cache, cpu, stepper=Eager, like_gpu=True)
    return eager, train(request, cache, cpu, stepper=Recorded, like_gpu=True)


def checks(text: str, plan: Callable[[str, int], Request]) -> Iterator[Check]:
    """Yield the checks of a strategy.

    Args:
        text: the strategy as typed.
        plan: makes a request of a strategy and a number of updates.
    """
    question = "it can be read, and its recipe is a recipe"
    try:
        strategy, _ = parse_strategy(text)
        request, cache = plan(text, UPDATES), Cache()
    except StabbenchError as error:
        yield Check(question, str(error))
        return
    yield Check(question, None)
    if not strategy.capturable:
        yield Check("note: it says capturable = False, so its steps are not captured", None)
        return
    yield Check("no hook in a step asks for a tensor's value, or for another device", _meta(request, cache))
    question = "its steps are the same operators with the same numbers, and replayed give the same bits"
    try:
        eager, recorded = replayed(request, cache)
    except Exception as error:
        yield Check(question, str(error))
        return
    yield Check(question, first_difference(eager, recorded))


def first_difference(eager: Trained, other: Trained) -> str | None:
    """Return where two runs differ, by name, or ``None`` when they are the same bits."""
    for name, values in eager.arrays.items():
        there = other.arrays[name]
        if values.tobytes() != there.tobytes():
            unlike = (values != there).reshape(len(values), -1).any(axis=1)
            return (
                f"{name} differs from row {int(unlike.argmax())} on: a step goes on with what Python has "
                "kept of the one before. Keep it in a tensor that is changed in place."
            )
    mine, theirs = eager.model.state_dict(), other.model.state_dict()
    unequal = [name for name in mine if not torch.equal(mine[name], theirs[name])]
    return f"the weights {unequal[0]} differ in the end." if unequal else None


def _meta(request: Request, cache: Cache) -> str | None:
    try:
        step_without_values(request, cache)
    except Exception as error:
        return str(error)
    return None
