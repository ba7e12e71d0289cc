"""Several strategies at once: their hooks chained in the order in which they are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.strategies.base import Batch, Intermediate, Step, Strategy
from stabbench.strategies.hooks import HOOKS

if TYPE_CHECKING:
    import torch

_ONCE = ("initial_weights", "parameter_groups", "loss", "evaluated")
"""Hooks that return one thing: two strategies that both have one contradict each other."""


def hooks_of(strategy: Strategy) -> list[str]:
    """Return the hooks that a strategy overrides; a combination has those of its members."""
    if isinstance(strategy, Combined):
        return [hook for hook in HOOKS if any(hook in hooks_of(member) for member in strategy.members)]
    return [hook for hook in HOOKS if getattr(type(strategy), hook) is not getattr(Strategy, hook)]


def combine(names: Sequence[str], members: Sequence[Strategy], explicit: Sequence[bool]) -> Combined:
    """Return the combination of several strategies.

    They stand on one base. A base that was asked for (``explicit``) holds for all; otherwise it is
    the first one that a member has by default, so ``mixout+llrd`` stands on Mixout's.

    Raises:
        StabbenchError: when a strategy stands there twice, two have a hook that only one can have,
            two were given different bases, or the order makes no sense.
    """
    if len(set(names)) != len(names):
        raise StabbenchError(f"{'+'.join(names)} names a strategy twice.", "name each once.")
    for hook in _ONCE:
        having = [name for name, member in zip(names, members, strict=True) if hook in hooks_of(member)]
        if len(having) > 1:
            raise StabbenchError(
                f"{having[0]} and {having[1]} cannot be combined: each has its own {hook}.",
                "choose one of them, or write the two methods into one strategy.",
            )
    _check_order(names, members)
    return Combined(_base(names, members, explicit), tuple(names), tuple(members)).on_one_base()


def _base(names: Sequence[str], members: Sequence[Strategy], explicit: Sequence[bool]) -> str | None:
    asked = [(name, member.base) for name, member, x in zip(names, members, explicit, strict=True) if x]
    for name, base in asked[1:]:
        if base != asked[0][1]:
            raise StabbenchError(
                f"{asked[0][0]} is to stand on {asked[0][1]}, but {name} on {base}.",
                "give one base, to any of them.",
            )
    if asked:
        return asked[0][1]
    return next((member.base for member in members if member.base is not None), None)


def _check_order(names: Sequence[str], members: Sequence[Strategy]) -> None:
    """Refuse what would undo or defeat what stands before it.

    A strategy that remembers the weights at which training starts must come after those that change
    them; one that freezes the weights cannot be joined with either; one that averages the weights
    takes them as all others leave them. What no order mends is told first.
    """
    for i, later in enumerate(members):
        for j, earlier in enumerate(members[:i]):
            kinds = (earlier.prepares, later.prepares)
            if kinds == ("memory", "values"):
                raise StabbenchError(
                    f"{names[i]} would change the weights that {names[j]} has already remembered.",
                    f"write {names[i]}+{names[j]}.",
                )
            if "frozen" in kinds and kinds != ("frozen", None) and kinds != (None, "frozen"):
                raise StabbenchError(
                    f"{names[j]} and {names[i]} cannot be combined: one freezes the weights that the other "
                    "changes or holds on to.",
                    "choose one of them.",
                )
    averaging = [i for i, member in enumerate(members) if "evaluated" in hooks_of(member)]
    if averaging and averaging[0] != len(members) - 1:
        name = names[averaging[0]]
        raise StabbenchError(
            f"{name} must come last: what it evaluates is made of the weights that the others leave.",
            f"write {'+'.join([*(other for other in names if other != name), name])}.",
        )


@dataclass
class Combined(Strategy):
    """Strategies that are applied together.

    Attributes:
        names: what they are called.
        members: the strategies, in the order in which their hooks run.
    """

    names: tuple[str, ...] = ()
    members: tuple[Strategy, ...] = ()

    def on_one_base(self) -> Combined:
        """Return the same with every member that has a base standing on the common one."""
        members = tuple(
            member if member.base is None else dataclasses.replace(member, base=self.base)
            for member in self.members
        )
        return Combined(self.base, self.names, members)

    def recipe(self, base: Recipe) -> Recipe:
        """Change the recipe by each member in turn."""
        for member in self.members:
            base = member.recipe(base)
        return base

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Return the first member's reason."""
        reasons = (member.unsupported(config) for member in self.members)
        return next((reason for reason in reasons if reason is not None), None)

    def amended(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Return what was mended in any member."""
        return tuple(text for member in self.members for text in member.amended(config))

    @property
    def lengthens(self) -> bool:  # type: ignore[override]  # what is the class's own is the members' here
        """Whether one of the members is to train longer than the base."""
        return any(member.lengthens for member in self.members)

    @property
    def capturable(self) -> bool:  # type: ignore[override]  # likewise
        """Whether the steps of all members may be captured."""
        return all(member.capturable for member in self.members)

    def initial_weights(self) -> Intermediate | None:
        """Return the intermediate training of the one member that has it."""
        return self._owner("initial_weights").initial_weights()

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Let each member change the model."""
        for member in self.members:
            member.prepare(model, generator)

    def parameter_groups(self, model: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
        """Return the groups of the one member that has its own, else the default."""
        return self._owner("parameter_groups").parameter_groups(model, recipe)

    def phase(self, update: int, total: int) -> Hashable:
        """Return the phases of all members."""
        return tuple(member.phase(update, total) for member in self.members)

    def loss(self, model: torch.nn.Module, batch: Batch, step: Step) -> torch.Tensor:
        """Return the loss of the one member that has its own, else the model's."""
        owner = self._owner("loss")
        index = next(i for i, member in enumerate(self.members) if member is owner)
        return owner.loss(model, batch, self._step(step, index))

    def penalty(self, model: torch.nn.Module, step: Step) -> torch.Tensor | None:
        """Return the sum of the members' penalties."""
        total = None
        for i, member in enumerate(self.members):
            penalty = member.penalty(model, self._step(step, i))
            if penalty is not None:
                total = penalty if total is None else total + penalty
        return total

    def before_step(self, model: torch.nn.Module, step: Step) -> None:
        """Run each member's hook."""
        for i, member in enumerate(self.members):
            member.before_step(model, self._step(step, i))

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Run each member's hook."""
        for i, member in enumerate(self.members):
            member.after_step(model, self._step(step, i))

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model of the one member that has its own, else the trained one."""
        return self._owner("evaluated").evaluated(model)

    def _owner(self, hook: str) -> Strategy:
        return next((member for member in self.members if hook in hooks_of(member)), self.members[0])

    def _step(self, step: Step, index: int) -> Step:
        assert isinstance(step.phase, tuple)
        return dataclasses.replace(step, phase=step.phase[index])
