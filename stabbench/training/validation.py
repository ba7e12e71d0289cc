"""Is a strategy sound? Short runs on the mini world, before a GPU is spent on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from stabbench import models
from stabbench.errors import StabbenchError
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.strategies import Step
from stabbench.strategies.catalog import base_recipe, parse_strategy
from stabbench.strategies.combine import hooks_of
from stabbench.strategies.mixout import silence_dropout
from stabbench.suite import Suite
from stabbench.training import streams
from stabbench.training.cache import Cache
from stabbench.training.loop import Trained, train
from stabbench.training.optimizer import Optimizer, as_groups

TASK, MODEL = "mini-cola", "mini-bert"
BASE = "bias-correction"
UPDATES = 12
LEARNS = 0.97
"""A strategy trains if its training loss falls below this share of the label entropy at some point."""


@dataclass(frozen=True)
class Check:
    """One question about a strategy: its answer is ``None`` or what is wrong.

    Attributes:
        warning: whether a problem may be meant so; the strategy is not refused for it.
    """

    question: str
    problem: str | None
    warning: bool = False


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
        self._moved: set[str] = set()

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
        sound = True
        asked: tuple[tuple[str, Callable[[], str | None]], ...] = (
            ("a run is the same twice, bit for bit", lambda: _differences(first, self.run(self.text))),
            ("it leaves the streams of others alone", self._streams),
            ("no hook waits for the device in a step", self._host_reads),
        )
        for question, ask in asked:
            problem = ask()
            sound = sound and problem is None
            yield Check(question, problem)
        if self._moved:
            yield Check("what has no gradient stays as it is", _still_moves(self._moved), warning=True)
        if sound:
            yield Check("it changes something", self._changes_nothing(first))
        yield Check(f"it trains on {TASK}", self._learns())

    def _changes_nothing(self, trained: Trained) -> str | None:
        """Compare its recipe with its base's, and its weights with those that its recipe alone gives."""
        request = self.request(self.text, None)
        if request.start is not None:  # it starts from weights of its own
            return None
        strategy, _ = parse_strategy(self.text)
        recipe, base = request.work.recipe, base_recipe(strategy, models.resolve(MODEL).recipe)
        hooks = set(hooks_of(strategy)) - {"recipe", "unsupported", "amended"}
        if not hooks:
            if recipe != base:
                return None
            return f"its recipe is that of {strategy.base or 'the model'}, and it has no other hook."
        plain = self.request(BASE)
        spec = plain.spec.change(recipe=self.request(self.text).work.recipe)
        other = train(plain.model_copy(update={"spec": spec}), self.cache, torch.device("cpu"))
        if _differences(trained, other) is not None or not _same_weights(trained, other):
            return None
        return (
            f"its weights are bit for bit those of its recipe alone: {', '.join(sorted(hooks))} "
            f"{'does' if len(hooks) == 1 else 'do'} nothing."
        )

    def _streams(self) -> str | None:
        """Call the hooks of a step without dropout: nothing may draw from torch's own generator then.

        What moves although its gradient is zero in every step is noted on the way.
        """
        request = self.request(self.text)
        pretrained = self.cache.pretrained(request)
        rows, _ = self.cache.tokens(request, pretrained.tokenizer)
        model, recipe = pretrained.copy(0), request.work.recipe
        silence_dropout(model, model)
        strategy, _ = parse_strategy(self.text)
        stream = streams.generator(0, "strategy")
        strategy.prepare(model, stream)
        groups = as_groups(strategy.parameter_groups(model, recipe))
        optimizer = Optimizer(model, groups, recipe, 0, 2)
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
                frozen = _without_gradient(model)
                optimizer.step()
                moved = {name for name, (p, before) in frozen.items() if not torch.equal(p, before)}
                self._moved = moved if step.index == 0 else self._moved & moved
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


def _without_gradient(model: nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the matrices whose gradient is zero throughout, by name, each with a copy of what it is now."""
    return {
        name: (weight, weight.detach().clone())
        for name, weight in model.named_parameters()
        if weight.dim() > 1 and weight.grad is not None and not weight.grad.any()
    }


def _still_moves(names: set[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (
        f"the gradient of {min(names)}{more} is zero, yet the weights move: weight decay and Adam's momentum "
        "do not ask for a gradient. To freeze, call requires_grad_(False) in prepare, or set grad to None in "
        "before_step."
    )


def _same_weights(one: Trained, other: Trained) -> bool:
    mine, theirs = one.model.state_dict(), other.model.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


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
        failed += check.problem is not None and not check.warning
        mark = "ok" if check.problem is None else "warning" if check.warning else "FAILED"
        write(f"{mark:<7} {check.question}")
        if check.problem is not None:
            write(f"        {check.problem}")
    return 1 if failed else 0
