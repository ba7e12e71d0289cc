"""The groups of a session, each planned once: what cannot be planned is found, and told, once."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from stabbench import models
from stabbench.errors import StabbenchError
from stabbench.planning import plan_group
from stabbench.pytest_plugin.options import Settings
from stabbench.pytest_plugin.refs import GroupRef
from stabbench.requests import Group


class PlannedGroups:
    """The groups of one pytest process, planned when somebody asks for them.

    Args:
        settings: the session's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._groups: dict[tuple[GroupRef, bool], Group | StabbenchError] = {}
        self._models: dict[str, StabbenchError | None] = {}
        self._told: dict[str, str] = {}
        self._names: dict[GroupRef, dict[str, object]] = {}

    def group(self, ref: GroupRef, larger: bool = False) -> Group:
        """Return a group, planned once; ``larger`` is that of the second look (``--stab-more-seeds``)."""
        if (ref, larger) not in self._groups:
            self._groups[ref, larger] = self._plan(ref, larger)
        found = self._groups[ref, larger]
        if isinstance(found, StabbenchError):
            raise found
        return found

    def _plan(self, ref: GroupRef, larger: bool) -> Group | StabbenchError:
        """Plan a group, or return why that is impossible: nothing is looked up twice in a session."""
        plan = self._settings.plan
        if larger:
            seeds = _more_seeds(self.group(ref).seeds, self._settings.more_seeds or 0)
            plan = replace(plan, seeds=seeds, replicates=1)
        if ref.model not in self._models:
            self._models[ref.model] = _refusal(ref.model)
        refusal = self._models[ref.model]
        if refusal is not None:
            return refusal
        try:
            group = plan_group(ref.suite, ref.task, ref.model, ref.strategy, plan)
        except StabbenchError as error:
            return error
        session = self._settings.session
        return replace(group, runs={run: r.asked_by(session) for run, r in group.runs.items()})

    def is_first_to_tell(self, what: object, nodeid: str) -> bool:
        """Return whether an item is the first of this process to tell of something: an error, a plan."""
        return self._told.setdefault(str(what), nodeid) == nodeid

    def naming(self, ref: GroupRef) -> dict[str, object]:
        """Return what reports say of a group: its plan, and whether the session was asked for it."""
        if ref not in self._names:
            group = self.group(ref)
            asked = {ref.against(strategy).id for strategy in self._settings.strategies}
            self._names[ref] = {
                "group": group.digest,
                "ref": ref.key,
                "planned_seeds": group.seeds,
                "name": f"{group.strategy} on {ref.task} with {ref.model_id}",
                "asked": ref.id in asked,
            }
        return dict(self._names[ref])

    def plannable(self, refs: Iterable[GroupRef]) -> list[Group]:
        """Return those of some groups that can be planned; the others' items report why."""
        found = []
        for ref in refs:
            with contextlib.suppress(StabbenchError):
                found.append(self.group(ref))
        return found


def _more_seeds(planned: Sequence[int], cap: int) -> tuple[int, ...]:
    """Return the planned seeds and, up to ``cap`` in all, the whole numbers after the largest."""
    fresh = itertools.count(max(planned) + 1)
    return (*planned, *itertools.islice(fresh, max(0, cap - len(planned))))


def _refusal(model: str) -> StabbenchError | None:
    """Return why a model cannot be had, if it cannot: a hub that does not answer takes its time to say so."""
    try:
        models.resolve(model)
    except StabbenchError as error:
        return error
    return None
