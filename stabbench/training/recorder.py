"""What a captured step would do, on any machine: its operators are recorded and called again by themselves.

A CUDA graph repeats the operators of one step with the same memory and the same Python numbers. A recording
does that without a GPU: operators are noted as they are called, backward pass included, and a replay calls
them with what they were called with, but for the memory that a step itself makes. Two recordings of steps
with one key must be alike; the first operator that is not says what the strategy does wrong.

It cannot see what is a GPU's own: streams, the allocator, copies from the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only

from stabbench.training.step import Key, Training, train_step

WARM_UP = 1
"""Steps with a key that are made eagerly before two are recorded: the first one of a run lays out buffers."""

aten = torch.ops.aten


class NotCapturableError(Exception):
    """A step that a GPU could not capture, or not replay as the next one."""


@dataclass(frozen=True)
class Call:
    """An operator as it was called.

    Attributes:
        operator: the operator.
        arguments: positional and named arguments.
        result: what it returned.
    """

    operator: Any
    arguments: tuple[Any, Any]
    result: Any

    @property
    def name(self) -> str:
        """The operator's name: ``aten::mul.Tensor``."""
        return str(self.operator.name())


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without types
    """Records the operators that are called inside.

    Raises:
        NotCapturableError: for an operator that reads a value on the host.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.calls: list[Call] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator and note it."""
        if reads_host(func, args):
            raise NotCapturableError(f"{func.name()} reads a tensor's value on the host.")
        result = func(*args, **(kwargs or {}))
        self.calls.append(Call(func, (args, kwargs or {}), result))
        return result

    def replay(self) -> None:
        """Call the operators again, on the memory of others as it is now and on new memory of their own."""
        own: dict[int, torch.UntypedStorage] = {}
        outside = {_memory(tensor) for call in self.calls for tensor in _tensors(call.arguments)}
        outside -= {_memory(tensor) for call in self.calls for tensor in _made(call)}

        def now(tensor: torch.Tensor) -> torch.Tensor:
            storage = own.get(_memory(tensor))
            if storage is None:
                return tensor
            place = (tensor.storage_offset(), tensor.size(), tensor.stride())
            return torch.empty(0, dtype=tensor.dtype).set_(storage, *place)

        with torch.no_grad():
            for call in self.calls:
                args, kwargs = tree_map_only(torch.Tensor, now, call.arguments)
                result = call.operator(*args, **kwargs)
                for then, tensor in zip(_tensors(call.result), _tensors(result), strict=True):
                    if _memory(then) not in outside:
                        own.setdefault(_memory(then), tensor.untyped_storage())


class Recorded:
    """Makes steps as ``Captured`` does, by recordings: for tests, and for ``stabbench check-strategy``.

    Raises:
        NotCapturableError: when two steps with one key are not alike, or one reads a value on the host.
    """

    name = "recorded"

    def __init__(self, run: Training) -> None:
        self._run = run
        self._seen: dict[Key, int] = defaultdict(int)
        self._tapes: dict[Key, Tape] = {}
        self.replayed = 0

    def step(self, update: int) -> None:
        """Make an update."""
        key = self._run.key(update)
        seen, self._seen[key] = self._seen[key], self._seen[key] + 1
        if seen < WARM_UP:
            train_step(self._run, key)
        elif seen < WARM_UP + 2:
            with Tape() as tape:
                train_step(self._run, key)
            if seen == WARM_UP:
                self._tapes[key] = tape
            else:
                check_alike(self._tapes[key], tape)
        else:
            self._tapes[key].replay()
            self.replayed += 1


def check_alike(one: Tape, other: Tape) -> None:
    """Compare two recordings of steps with one key.

    Raises:
        NotCapturableError: for the first operator that differs, by name.
    """
    known: dict[int, int] = {}
    for number, (first, second) in enumerate(zip_longest(one.calls, other.calls)):
        if first is None or second is None or first.operator is not second.operator:
            names = [call.name if call else "nothing" for call in (first, second)]
            raise NotCapturableError(
                f"operator {number} is {names[0]} in one update and {names[1]} in another: "
                "the hooks do not call the same operators."
            )
        for here, there in zip(_leaves(first), _leaves(second), strict=True):
            if isinstance(here, torch.Tensor):
                if not _same_place(here, there, known) and not _same_constant(first, here, there):
                    raise NotCapturableError(
                        f"{first.name} (operator {number}) takes a tensor {list(here.shape)} that was made "
                        "before the step and is another one in every update: change one tensor in place."
                    )
            elif here is not there and here != there and repr(here) != repr(there):
                raise NotCapturableError(
                    f"{first.name} (operator {number}) is called with {here!r} in one update and {there!r} "
                    "in another: a captured step repeats the first; use a tensor made from step.index."
                )
        for here, there in zip(_made(first), _made(second), strict=True):
            known.setdefault(_memory(here), _memory(there))


def reads_host(operator: Any, arguments: Any) -> bool:
    """Return whether an operator waits for a value on the host: a number, or the shape of its result."""
    if operator is aten.index.Tensor:  # only with a mask
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in _tensors(arguments[1]))
    return not {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}.isdisjoint(operator.tags)


def _same_place(here: torch.Tensor, there: torch.Tensor, known: dict[int, int]) -> bool:
    """Return whether two tensors are the same: of the step's own making, or one and the same memory."""
    memory = known.get(_memory(here), _memory(here))
    return memory == _memory(there) and here.storage_offset() == there.storage_offset()


def _same_constant(call: Call, here: torch.Tensor, there: torch.Tensor) -> bool:
    """Return whether both are a number that Python has made a tensor of, and the same one."""
    return call.operator is aten.lift_fresh.default and torch.equal(here, there)


def _made(call: Call) -> Iterator[torch.Tensor]:
    """Yield the tensors that a call has made: in memory that none of its arguments has."""
    given = {_memory(tensor) for tensor in _tensors(call.arguments)}
    return (tensor for tensor in _tensors(call.result) if _memory(tensor) not in given)


def _leaves(call: Call) -> list[Any]:
    leaves, form = tree_flatten(call.arguments)
    return [*leaves, form]


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _memory(tensor: torch.Tensor) -> int:
    """Return what names a tensor's memory, as long as the tensor lives."""
    memory: int = tensor.untyped_storage()._cdata
    return memory
