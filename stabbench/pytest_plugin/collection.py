"""From a suite to pytest's items: a run item per seed, gates once per group.

Collection reads no store and plans nothing, so that it is instant and the same in every worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from stabbench.errors import StabbenchError
from stabbench.planning import PlanOptions, planned_runs
from stabbench.pytest_plugin.failclosed import GROUPS
from stabbench.pytest_plugin.items import RunItem
from stabbench.pytest_plugin.options import Settings, settings_of
from stabbench.pytest_plugin.refs import GroupRef, named_by, short_names
from stabbench.requests import RunId
from stabbench.suite import Suite


def groups(suite: Suite, settings: Settings, strategies: tuple[str, ...]) -> list[GroupRef]:
    """Return the groups of a suite for some strategies, each once whatever names it was given by."""
    model_ids = short_names(settings.models or suite.model_names)
    refs = [
        GroupRef(suite, task, model, strategy, model_id)
        for task in suite.tasks
        for model, model_id in model_ids.items()
        for strategy in strategies
    ]
    return list({ref.id: ref for ref in reversed(refs)}.values())[::-1]


def run_name(run: RunId, plan: PlanOptions) -> str:
    """Return how node ids name a run of a group: ``3``, or ``3.order+dropout.held0.replicate1``."""
    seed, replicate = run
    held = f".{'+'.join(plan.streams)}.held{plan.held_seed}" if plan.held else ""
    return f"{seed}{held}" + (f".replicate{replicate}" if replicate else "")


def suites_of(module: ModuleType) -> list[Suite]:
    """Return the suites of a test module."""
    return [thing for thing in vars(module).values() if isinstance(thing, Suite)]


def compared_with(module: ModuleType) -> tuple[str, ...]:
    """Return the strategies that the module's gates are ``against``."""
    found: list[str] = []
    for thing in vars(module).values():
        for mark in getattr(thing, "pytestmark", []):
            if mark.name == "against":
                found.append(named_by(mark))
    return tuple(found)


FEWEST = pytest.StashKey[int]()
"""How many seeds the smallest suite plans."""


class SuiteCollector(pytest.Collector):
    """Collects the run items of a suite, those that gates compare with included."""

    def __init__(self, *, suite: Suite, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.suite = suite

    def collect(self) -> Iterator[RunItem]:
        """Yield one item per task, model, strategy, seed and replicate."""
        module = self.getparent(pytest.Module)
        assert module is not None
        if len(suites_of(module.obj)) > 1:
            raise self.CollectError(f"{self.path}: more than one Suite; give each a file of its own")
        settings = settings_of(self.config)
        try:
            strategies = dict.fromkeys((*settings.strategies, *compared_with(module.obj)))
            runs = planned_runs(self.suite, settings.plan)
            seeds = len({seed for seed, _ in runs})
            self.config.stash[FEWEST] = min(seeds, self.config.stash.get(FEWEST, seeds))
            for ref in groups(self.suite, settings, tuple(strategies)):
                self.config.stash[GROUPS][ref.key] = ref.name
                for run in runs:
                    name = f"run[{ref.id}-{run_name(run, settings.plan)}]"
                    yield RunItem.from_parent(self, name=name, ref=ref, run=run)
        except StabbenchError as error:
            raise self.CollectError(str(error)) from error


def parametrize(metafunc: pytest.Metafunc, settings: Settings) -> None:
    """Make a gate of every test function that takes ``stability``, once per group."""
    found = suites_of(metafunc.module)
    if "stability" not in metafunc.fixturenames or not found:
        return
    refs = groups(found[0], settings, settings.strategies)
    mark = next(metafunc.definition.iter_markers("against"), None)
    if mark is not None:  # a strategy is not compared with itself
        try:
            other = named_by(mark)
        except StabbenchError as error:
            raise pytest.Collector.CollectError(str(error)) from error
        refs = [ref for ref in refs if ref.id != ref.against(other).id]
    metafunc.parametrize("stability", refs, ids=[ref.id for ref in refs], indirect=True)
