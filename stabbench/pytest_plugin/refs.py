"""Groups before they are planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from stabbench import models
from stabbench.errors import StabbenchError
from stabbench.stored import digest
from stabbench.strategies.catalog import label_of, parse_strategy
from stabbench.suite import Suite, parse_seeds
from stabbench.text import terminal_line


@dataclass(frozen=True)
class GroupRef:
    """A group before it is planned: what the session and the suite call it.

    Attributes:
        suite: where it stands.
        task: name of its task.
        model: name, hub id or folder of its model.
        strategy: its strategy as typed.
        model_id: how node ids name the model.
    """

    suite: Suite
    task: str
    model: str
    strategy: str
    model_id: str

    @cached_property
    def id(self) -> str:
        """How node ids name the group."""
        strategy, reference = parse_strategy(self.strategy)
        return terminal_line(f"{label_of(strategy, reference, {})}-{self.task}-{self.model_id}")

    @cached_property
    def name(self) -> str:
        """How messages call the group."""
        strategy, reference = parse_strategy(self.strategy)
        return f"{label_of(strategy, reference, {})} on {self.task} with {self.model_id}"

    @cached_property
    def key(self) -> str:
        """What tells the group from the session's others, in every process and before it is planned."""
        suite = self.suite
        sample = [suite.train_size, suite.stratified, suite.sample_seed]
        return digest([self.id, self.model, list(parse_seeds(suite.seeds)), *sample])

    def against(self, strategy: str) -> GroupRef:
        """Return the group of another strategy on the same task and model."""
        return GroupRef(self.suite, self.task, self.model, strategy, self.model_id)


def named_by(mark: pytest.Mark) -> str:
    """Return the strategy that ``@pytest.mark.against`` names.

    Raises:
        StabbenchError: when it does not name one.
    """
    words = [*mark.args, *mark.kwargs.values()]
    if len(words) != 1 or not isinstance(words[0], str) or set(mark.kwargs) - {"strategy"}:
        raise StabbenchError(
            f"the mark against({', '.join(map(repr, words))}) does not name one strategy.",
            'write @pytest.mark.against("devlin").',
        )
    return words[0]


def judged_by(item: pytest.Item) -> GroupRef | None:
    """Return the group that a gate judges; ``None`` for any other item."""
    ref = getattr(getattr(item, "callspec", None), "params", {}).get("stability")
    return ref if isinstance(ref, GroupRef) else None


def short_names(references: Iterable[str]) -> dict[str, str]:
    """Return a short name for each model: the last part of its folder or hub id.

    Where models share it, as ``runA/checkpoint-500`` and ``runB/checkpoint-500`` do, as many parts before it
    are kept as tell them apart. Two references to one folder have one name.
    """
    known = set(models.REGISTRY.names())
    parts = {reference: _parts(reference, known) for reference in references}
    return {reference: _shortest(own, set(parts.values())) for reference, own in parts.items()}


def _parts(reference: str, known: set[str]) -> tuple[str, ...]:
    path = Path(reference).expanduser()
    return path.resolve().parts if reference not in known and path.is_dir() else path.parts


def _shortest(own: tuple[str, ...], everyone: set[tuple[str, ...]]) -> str:
    for count in range(1, len(own)):
        if sum(parts[-count:] == own[-count:] for parts in everyone) == 1:
            return str(Path(*own[-count:]))
    return str(Path(*own))
