"""Is a strategy sound? Short runs on the mini world, before a GPU is spent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stabbench.errors import StabbenchError
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.strategies import Step
from stabbench.strategies.catalog import parse_strategy
from stabbench.strategies.mixout import silence_dropout
from stabbench.suite import Suite
from stabbench.training import streams
from stabbench.training.cache import Cache
from stabbench.training.loop import Trained, train
from stabbench.training.optimizer import Optimizer

TASK, MODEL = "mini-cola", "mini-bert"
BASE = "bias-correction"
UPDATES = 12
LEARNS = 0.97
"""A strategy trains if its training loss falls below this share of the label entropy at some point."""


@dataclass(frozen=True)
class Check:
    """One question about a strategy: its answer is ``None`` or what is wrong."""

    question: str
    problem: str | None


class HostReads(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without types
    """Counts how often a tensor's value is read on the host, which would stop a GPU in every step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator and count those that read a value."""
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class Validator:
    """Runs the checks of one strategy."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cache = Cache()

    def request(self, text: str, updates: int | None = UPDATES) -> Request:
        """Return a planned run, cut after some updates."""
        suite = Suite(task=TASK, models=[MODEL], seeds=1)
        return plan_group(suite, TASK, MODEL, text, PlanOptions(max_steps=updates)).requests[0]

    def run(self, text: str, updates: int | None = UPDATES) -> Trained:
        """Train a run; random numbers drawn by others before it must not matter."""
        torch.manual_seed(id(self) % 1000)
        return train(self.request(text, updates), self.cache, torch.device("cpu"))

    def checks(self) -> Iterator[Check]:
        """Yield the checks; after one that failed to run at all nothing more can be said."""
        try:
            parse_strategy(self.text)
            self.request(self.text)
        except StabbenchError as error:
            yield Check("it can be read, and its recipe is a recipe", str(error))
            return
        yield Check("it can be read, and its recipe is a recipe", None)
        try:
            first = self.run(self.text)
        except StabbenchError as error:
            yield Check("its hooks run and its parameter groups hold every parameter once", str(error))
            return
        yield Check("its hooks run and its parameter groups hold every parameter once", None)
        yield Check("a run is the same twice, bit for bit", _differences(first, self.run(self.text)))
        yield Check("it leaves the streams of others alone", self._streams())
        yield Check("no hook waits for the device in a step", self._host_reads())
        yield Check(f"it trains on {TASK}", self._learns())

    def _streams(self) -> str | None:
        """Call the hooks of a step without dropout: nothing may draw from torch's own generator then."""
        request = self.request(self.text)
        pretrained = self.cache.pretrained(request)
        rows, _ = self.cache.tokens(request, pretrained.tokenizer)
        model, recipe = pretrained.copy(0), request.work.recipe
        silence_dropout(model, model)
        strategy, _ = parse_strategy(self.text)
        stream = streams.generator(0, "strategy")
        strategy.prepare(model, stream)
        optimizer = Optimizer(model, strategy.parameter_groups(model, recipe), recipe, 0, 2)
        drawn = []
        for index in range(2):
            step = Step(torch.tensor(index), stream, strategy.phase(index, 2))

            def loss(step: Step = step) -> None:
                batch = rows.batch(torch.arange(recipe.batch_size))
                value, penalty = strategy.loss(model, batch, step), strategy.penalty(model, step)
                torch.autograd.backward(value if penalty is None else value + penalty)

            def before_step(step: Step = step) -> None:
                optimizer.clip()
                strategy.before_step(model, step)

            def after_step(step: Step = step) -> None:
                optimizer.step()
                strategy.after_step(model, step)

            for hook in (loss, before_step, after_step):
                before = torch.get_rng_state()
                hook()
                if not torch.equal(before, torch.get_rng_state()):
                    drawn.append(hook.__name__)
        if not drawn:
            return None
        return (
            f"{drawn[0]} draws from torch's own generator, which is dropout's: draw from the generator that "
            "the hook is given."
        )

    def _host_reads(self) -> str | None:
        """Compare a longer run with a shorter one: what is read in updates is the difference."""
        counts = {}
        for text in (BASE, self.text):
            for updates in (4, UPDATES):
                with HostReads() as reads:
                    self.run(text, updates)
                counts[text, updates] = reads.count
        extra = [counts[text, UPDATES] - counts[text, 4] for text in (BASE, self.text)]
        if extra[1] > extra[0]:
            return (
                f"values are read on the host {extra[1] - extra[0]} times in {UPDATES - 4} updates: no "
                ".item(), no float(tensor), no `if` on a tensor in loss, penalty, before_step and after_step."
            )
        return None

    def _learns(self) -> str | None:
        trained = self.run(self.text, None)
        record, losses = trained.record, trained.arrays["loss"]
        if record.status == "diverged":
            return f"{record.reason}: lower the learning rate, or look for a division by zero."
        lowest = min(losses[i : i + 20].mean() for i in range(max(1, len(losses) - 19)))
        assert record.label_entropy is not None
        if not lowest < LEARNS * record.label_entropy:
            return (
                f"its training loss stays at the label entropy ({lowest:.3f} of {record.label_entropy:.3f}): "
                "a failed run, which may be this seed's; `stabbench.suites.mini` tells."
            )
        return None


def _differences(one: Trained, other: Trained) -> str | None:
    for name, values in one.arrays.items():
        if values.tobytes() != other.arrays[name].tobytes():
            return (
                f"its {name} differs between two runs of one seed: draw from the generator that the hook is "
                "given (step.generator), and keep nothing in class attributes or modules."
            )
    return None


def report(checks: Iterator[Check], write: Callable[[str], object] = print) -> int:
    """Write a line for each check; return 1 if one failed."""
    failed = 0
    for check in checks:
        failed += check.problem is not None
        write(f"{'ok    ' if check.problem is None else 'FAILED'}  {check.question}")
        if check.problem is not None:
            write(f"        {check.problem}")
    return 1 if failed else 0
