"""What a session has planned, and what its reports tell: plain data, which travels through pytest-xdist.

An item's story begins anew with each report of its set-up, so that of several attempts (pytest-rerunfailures)
the last one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

RUN, GATE, READ, BASELINE, RAISED = (
    f"stabbench_{name}" for name in ("run", "gate", "read", "baseline", "raised")
)
"""What the properties of a report are called: a run's result; a gate's verdicts; the runs that a gate was
given; the baseline that it was given; and that the item raised, whatever the report says."""

_RUN = re.compile(r"::\w+::run\[.+-.+-.+-\d+[].]")


def is_run(nodeid: str) -> bool:
    """Return whether a node id is that of a run: of a suite, with strategy, task, model and seed.

    Where nothing but ids is known, as of workers that have yet to tell, or died before they could.
    """
    return _RUN.search(nodeid) is not None


@dataclass(frozen=True)
class Plan:
    """Runs that belong together: those that a gate must judge as one.

    Attributes:
        group: what their records bear as their group.
        seeds: all that are planned.
        name: how messages call the group.
        ref: the key of the ``GroupRef`` that it was planned for.
    """

    group: str
    seeds: frozenset[int]
    name: str = field(compare=False)
    ref: str = field(compare=False)


@dataclass(frozen=True)
class Selected:
    """A run or gate that was collected and selected, as the process that collected it tells.

    Attributes:
        ref: the key of its group's ``GroupRef``.
        name: how messages call the group.
        is_gate: whether it judges the group.
    """

    nodeid: str
    ref: str
    name: str
    is_gate: bool


@dataclass
class Story:
    """What one item reported.

    Attributes:
        outcomes: of set-up, call and teardown, as far as they were reported.
        properties: what its latest report carries.
        expected: whether its failure was expected (``xfail``).
        mended: whether it raised and was then reported as passed.
    """

    nodeid: str
    outcomes: dict[str, str] = field(default_factory=dict)
    properties: list[tuple[str, object]] = field(default_factory=list)
    expected: bool = False
    mended: bool = False
    _values: dict[str, list[Any]] = field(default_factory=dict, repr=False)

    def carry(self, properties: list[tuple[str, object]]) -> None:
        """Note what the latest report carries."""
        self.properties = properties
        self._values = {}

    def values(self, name: str) -> list[Any]:
        """Return the properties of a name, each read once: a session asks for all of them many times."""
        if name not in self._values:
            self._values[name] = [json.loads(str(value)) for key, value in self.properties if key == name]
        return self._values[name]

    @property
    def is_ours(self) -> bool:
        """Whether it is a run or a gate, as far as its reports tell."""
        return any(name.startswith("stabbench_") for name, _ in self.properties)

    @property
    def ended(self) -> bool:
        """Whether the item reported its end, or that it crashed."""
        return "teardown" in self.outcomes or "???" in self.outcomes

    @property
    def failed(self) -> bool:
        """Whether any part of it failed."""
        return "failed" in self.outcomes.values()

    @property
    def passed(self) -> bool:
        """Whether all of it passed, neither against expectation nor because somebody changed its report."""
        parts = [self.outcomes.get(when) for when in ("setup", "call", "teardown")]
        return parts == ["passed"] * 3 and not self.expected and not self.mended

    @property
    def skipped(self) -> bool:
        """Whether it was skipped."""
        return "skipped" in self.outcomes.values() and not self.expected

    @property
    def plans(self) -> Iterator[tuple[Plan, bool]]:
        """What it trained or read, and whether that came along only to compare with."""
        for found in [*self.values(RUN), *self.values(READ)]:
            if "planned_seeds" not in found:  # told by another run of the group
                continue
            seeds = frozenset(found["planned_seeds"])
            yield Plan(found["group"], seeds, found["name"], found["ref"]), not found["asked"]

    @property
    def judged(self) -> dict[str, frozenset[int]]:
        """The seeds that its verdicts are about, by group."""
        return {gate["group"]: frozenset(gate["seeds"]) for gate in self.values(GATE) if gate["verdicts"]}

    @property
    def compared(self) -> dict[str, frozenset[int]]:
        """The seeds that it was given to compare with, by group."""
        return {
            read["group"]: frozenset(read["planned_seeds"])
            for read in self.values(READ)
            if read["as"] == "comparator"
        }

    @property
    def outcomes_of_verdicts(self) -> set[str]:
        """PASS, FAIL, INCONCLUSIVE: which of them it gave."""
        return {outcome for gate in self.values(GATE) for outcome, _ in gate["verdicts"]}


@dataclass
class Ledger:
    """What is known of a session.

    Attributes:
        collected: the node ids of everything that was collected; ``None`` before.
        selected: the runs and gates; ``None`` where no worker could tell.
        groups: the names of all groups of the suites, those included of which nothing was selected, by the
            key of their ``GroupRef``.
        stories: what each item reported.
        gave_fail: the items that ever gave the verdict FAIL.
        broken: whether something broke that is no item's.
    """

    collected: set[str] | None = None
    selected: set[Selected] | None = None
    groups: dict[str, str] = field(default_factory=dict)
    stories: dict[str, Story] = field(default_factory=dict)
    gave_fail: set[str] = field(default_factory=set)
    broken: bool = False

    def add(self, report: pytest.TestReport) -> None:
        """Note a report."""
        when = str(report.when)
        if when == "setup" or report.nodeid not in self.stories:
            self.stories[report.nodeid] = Story(report.nodeid)
        story = self.stories[report.nodeid]
        if story.outcomes.get(when) != "failed":  # a subtest reports beside its test
            story.outcomes[when] = report.outcome
        if report.user_properties:
            story.carry(report.user_properties)
        if "FAIL" in story.outcomes_of_verdicts:
            self.gave_fail.add(report.nodeid)
        story.expected |= hasattr(report, "wasxfail")
        story.mended |= report.passed and not story.expected and RAISED in dict(report.user_properties)

    def select(self, items: Iterable[Selected]) -> None:
        """Note which items are runs and gates."""
        self.selected = (self.selected or set()) | set(items)

    @property
    def planned(self) -> set[str]:
        """The node ids of runs and gates, as far as they were told."""
        return {item.nodeid for item in self.selected or ()}

    @property
    def ours(self) -> list[Story]:
        """The stories of runs and gates."""
        is_planned = is_run if self.selected is None else self.planned.__contains__
        return [story for name, story in self.stories.items() if is_planned(name) or story.is_ours]

    @property
    def missing(self) -> list[str]:
        """Runs and gates that never reported their end; all items where no worker told which these are."""
        planned = (self.collected or set()) if self.selected is None else self.planned
        return sorted(n for n in planned if n not in self.stories or not self.stories[n].ended)
