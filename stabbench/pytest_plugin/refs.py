"""Groups before they are planned, and where a session keeps its settings: what all of the plugin shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from stabbench.pytest_plugin.options import Settings
from stabbench.strategies.catalog import label_of, parse_strategy
from stabbench.suite import Suite

SETTINGS = pytest.StashKey[Settings]()
RUN_MARK = "::run["


@dataclass(frozen=True)
class GroupRef:
    """A group before it is planned: what the session and the suite call it."""

    suite: Suite
    task: str
    model: str
    strategy: str

    @property
    def id(self) -> str:
        """How node ids name the group."""
        strategy, reference = parse_strategy(self.strategy)
        label = label_of(strategy, reference, {})
        return f"{label}-{self.task}-{Path(self.model).name}"

    def against(self, strategy: str) -> GroupRef:
        """Return the group of another strategy on the same task and model."""
        return GroupRef(self.suite, self.task, self.model, strategy)
