"""Pulling: whoever needs a run takes it from the store, computes it, or waits for who computes it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from stabbench import executors
from stabbench.errors import RecordError
from stabbench.planning import plan_group
from stabbench.pytest_plugin.options import Settings
from stabbench.pytest_plugin.refs import SETTINGS, GroupRef
from stabbench.requests import Group, Request
from stabbench.runs import ErrorNote, RunRecord, Store

if TYPE_CHECKING:
    from stabbench.samples.collection import Collection
    from stabbench.samples.stability import Stability

WAIT_SECONDS = 0.2


class PullSession:
    """The runs of one pytest process (an xdist worker, or the only process).

    Args:
        settings: the session's.
        refs: every group of the session, in order; while it waits it computes what they lack.
    """

    def __init__(self, settings: Settings, refs: Iterable[GroupRef] = ()) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.refs = tuple(dict.fromkeys(refs))
        self.problems: dict[str, str] = {}
        self._groups: dict[tuple[GroupRef, bool], Group] = {}
        self._records: dict[str, RunRecord] = {}
        self._stopped: set[GroupRef] = set()

    @cached_property
    def executor(self) -> executors.Executor:
        """The executor, started when the first run must be computed."""
        self.store.check_writable()
        return executors.create(
            self.settings.executor,
            self.store.root,
            threads=self.settings.threads,
            devices=self.settings.devices,
            timeout=self.settings.timeout,
            supervisor=self.settings.supervisor,
        )

    def close(self) -> None:
        """Stop the executor, if it was started."""
        if "executor" in self.__dict__:
            self.executor.close()
            del self.executor

    @cached_property
    def baseline(self) -> Collection | None:
        """The runs of ``--stab-baseline``."""
        from stabbench.samples.baselines import read_baseline  # SciPy takes a second to import

        return read_baseline(self.settings.baseline) if self.settings.baseline else None

    def group(self, ref: GroupRef, larger: bool = False) -> Group:
        """Return a group, planned once; ``larger`` is that of the second look (``--stab-more-seeds``)."""
        if (ref, larger) not in self._groups:
            plan = self.settings.plan
            if larger:
                plan = replace(plan, seeds=more_seeds(self.group(ref).seeds, self.settings.more_seeds or 0))
            self._groups[ref, larger] = plan_group(ref.suite, ref.task, ref.model, ref.strategy, plan)
        return self._groups[ref, larger]

    def record(self, request: Request) -> RunRecord | None:
        """Return what the store has; an unreadable record is reported and counts as missing."""
        key = request.spec.key
        if key not in self._records:
            try:
                found = self.store.read(key)
            except RecordError as error:
                self.problems[key] = str(error)
                return None
            if found is None:
                return None
            self._records[key] = found
        return self._records[key]

    def error(self, request: Request) -> ErrorNote | None:
        """Return why a run errored in this session, if it did: it is not tried twice."""
        return self.store.error(request.spec.key, since=self.settings.started)

    def is_settled(self, request: Request) -> bool:
        """Return whether nothing is left to do for a run in this session."""
        return self.record(request) is not None or self.error(request) is not None

    def is_stopped(self, ref: GroupRef) -> bool:
        """Return whether no more seeds of a group need to run: its failures already exceed the allowance."""
        limit = ref.suite.failures_at_most
        if not self.settings.early_stop or limit is None:
            return False
        if ref not in self._stopped and self._sample(ref).is_certain_to_fail(limit):
            self._stopped.add(ref)
        return ref in self._stopped

    def pull(self, ref: GroupRef, requests: Iterable[Request]) -> None:
        """Settle some runs of a group: compute what nobody computes, wait for the rest, help meanwhile.

        Nothing is computed for a group that is stopped early.
        """
        if self.settings.replay:
            return
        wanted = list(requests)
        while pending := self._pending(ref, wanted):
            if not self._compute_one(pending):
                others = (r for other in self.refs for r in self._pending(other, self.group(other).requests))
                if not self._compute_one(others):
                    self._wait()

    def _pending(self, ref: GroupRef, requests: Iterable[Request]) -> list[Request]:
        unsettled = [request for request in requests if not self.is_settled(request)]
        return unsettled if unsettled and not self.is_stopped(ref) else []

    def _compute_one(self, requests: Iterable[Request]) -> bool:
        """Compute the first run that nobody else computes; return whether there was one."""
        return any(
            self.executor.run(request).kind != "busy"
            for request in requests
            if not self.store.is_leased(request.spec.key)
        )

    def _wait(self) -> None:
        if self.settings.supervisor not in (None, os.getppid()):  # the controller was killed
            self.close()
            os._exit(1)
        time.sleep(WAIT_SECONDS)

    def stability(self, ref: GroupRef, larger: bool = False) -> Stability:
        """Return the sample of a group, pulled: complete, or stopped early.

        Args:
            ref: the group.
            larger: whether with the seeds of the second look.

        Raises:
            Incomplete: when a run errored or, with ``--stab-replay``, is not in the store.
        """
        self.pull(ref, self.group(ref, larger).requests)
        stability = self._sample(ref, larger)
        if not stability.errored and not stability.complete and self.is_stopped(ref):
            stability.stopped_early = True
            self.store.note_stopped(self.group(ref).requests[0].spec.group, stability.planned_seeds)
        else:
            stability.check_complete()
        return stability

    def _sample(self, ref: GroupRef, larger: bool = False) -> Stability:
        """Return what a group has so far."""
        from stabbench.samples.stability import Stability  # SciPy takes a second to import

        group = self.group(ref, larger)
        cap = self.settings.more_seeds
        two_looks = cap is not None and cap > len(self.group(ref).seeds)
        records = {r.spec.seed: record for r in group.requests if (record := self.record(r)) is not None}
        errored = {
            r.spec.seed: note
            for r in group.requests
            if r.spec.seed not in records and (note := self.error(r)) is not None
        }
        return Stability(
            ref.task,
            group.requests[0].work.model.name,
            group.strategy,
            group.seeds,
            records,
            errored,
            self.settings.checkpoint,
            more=(lambda: self.stability(ref, larger=True)) if two_looks and not larger else None,
            looks=2 if two_looks else 1,
        )


def more_seeds(planned: Sequence[int], cap: int) -> tuple[int, ...]:
    """Return the planned seeds and, up to ``cap`` in all, the whole numbers after the largest."""
    fresh = itertools.count(max(planned) + 1)
    return (*planned, *itertools.islice(fresh, max(0, cap - len(planned))))


SESSION = pytest.StashKey[PullSession]()


def session_of(config: pytest.Config) -> PullSession:
    """Return the pulling session of a pytest process."""
    if SESSION not in config.stash:
        config.stash[SESSION] = PullSession(config.stash[SETTINGS])
    return config.stash[SESSION]
