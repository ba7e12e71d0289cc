"""Pulling: whoever needs a run takes it from the store, computes it, or waits for who computes it."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from stabbench import executors
from stabbench.errors import RecordError, StabbenchError, StoreError
from stabbench.executors import Executor, Job
from stabbench.pytest_plugin.options import settings_of
from stabbench.pytest_plugin.planned import PlannedGroups
from stabbench.pytest_plugin.refs import GroupRef
from stabbench.requests import Request
from stabbench.runs import ErrorNote, RunRecord, Store

if TYPE_CHECKING:
    from stabbench.samples.collection import Collection
    from stabbench.samples.stability import Stability

WAIT_SECONDS = 0.2


class PullSession:
    """The runs of one pytest process (an xdist worker, or the only process).

    Args:
        config: the session's.
        refs: every group of the session, in order; while it waits it computes what they lack.
    """

    def __init__(self, config: pytest.Config, refs: Iterable[GroupRef] = ()) -> None:
        self.settings = settings_of(config)
        self.config = config
        self.store = Store(self.settings.store)
        self.planned = PlannedGroups(self.settings)
        self.refs = tuple(dict.fromkeys(refs))
        self.problems: dict[str, str] = {}
        self._stopped: set[GroupRef] = set()
        self._jobs: list[Job] = []
        self._errors: dict[str, ErrorNote] = {}

    @cached_property
    def executor(self) -> Executor:
        """The executor, started when the first run must be computed."""
        self.store.check_writable()
        return executors.create(self.settings.executor, self.store.root, self.settings.executor_options)

    def close(self) -> None:
        """Stop the executor, if it was started."""
        self._jobs = []
        if "executor" in self.__dict__:
            self.executor.close()
            del self.executor

    @cached_property
    def _records(self) -> dict[str, RunRecord]:
        """Records by key, as far as they were read; a replay reads all there is at once."""
        if not self.settings.replay:
            return {}
        records, self.problems = self.store.read_all()
        return records

    @cached_property
    def baseline(self) -> Collection | None:
        """The runs of ``--stab-baseline``."""
        from stabbench.samples.baselines import read_baseline  # with SciPy: not before it is needed

        return read_baseline(self.settings.baseline) if self.settings.baseline else None

    def record(self, request: Request) -> RunRecord | None:
        """Return what the store has; an unreadable record is reported and counts as missing."""
        key = request.spec.key
        if key not in self._records:
            if self.settings.replay:  # all there is was read
                return None
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
        key = request.spec.key
        if key not in self._errors:
            note = self.store.error(key)
            if note is None or note.session != self.settings.session:
                return None
            self._errors[key] = note  # another session's may take its place in the store
        return self._errors[key]

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
            self._submit(pending)
            self._wait()

    def _pending(self, ref: GroupRef, requests: Iterable[Request]) -> list[Request]:
        unsettled = [request for request in requests if not self.is_settled(request)]
        return unsettled if unsettled and not self.is_stopped(ref) else []

    def _submit(self, pending: Iterable[Request]) -> None:
        """Offer the executor all that is missing, and tell of what it takes."""
        job = self.executor.submit(self._missing(pending))
        for request in job.requests:
            self.config.hook.pytest_stab_run_started(config=self.config, request=request)
        self._jobs.append(job)

    def _missing(self, pending: Iterable[Request]) -> Iterator[Request]:
        """Yield some runs, then whatever else the session lacks, each once and none that is in the works."""
        seen = {request.spec.key for job in self._jobs for request in job.requests}
        others = (
            request
            for other in self.refs
            for group in self.planned.plannable([other])
            for request in self._pending(other, group.requests)
        )
        for request in itertools.chain(pending, others):
            if request.spec.key not in seen:
                seen.add(request.spec.key)
                yield request

    def _wait(self) -> None:
        """Wait until a run of ours ends; when none is in the works, a moment."""
        self._jobs = [job for job in self._jobs if not job.done]
        if not self._jobs:
            time.sleep(WAIT_SECONDS)
            self._check_supervisor()
        while self._jobs and not any(self._has_ended(job) for job in self._jobs):
            self._jobs = [job for job in self._jobs if not job.done]  # one may have been cancelled
            self._check_supervisor()

    def _check_supervisor(self) -> None:
        """End this process, and its trainer, when the controller was killed: nobody wants the results."""
        if self.settings.supervisor not in (None, os.getppid()):
            self.close()
            os._exit(1)

    def _has_ended(self, job: Job) -> bool:
        """Wait a moment for a run of a job to end; tell of it.

        Raises:
            StabbenchError: when the store has nothing of what came of it: the run would be tried for ever.
        """
        try:
            found = job.wait(WAIT_SECONDS / len(self._jobs))
        except StoreError:
            self.close()  # the next run is trained only if the store can be written again
            raise
        if found is None:
            return False
        request, outcome = found
        if outcome.kind == "busy":  # it goes on elsewhere: whoever computes it tells
            return True
        if not self.is_settled(request):
            self.store.read(request.spec.key)  # a record that cannot be read says so itself
            raise StabbenchError(
                f"the executor {self.settings.executor} says that the run {request.spec.key[:12]} is "
                f"{outcome.kind}, but the store has neither its record nor a note of its error.",
                "mend the executor: what came of a run is in the store before `wait` returns it.",
            )
        self.config.hook.pytest_stab_run_finished(
            config=self.config, request=request, outcome=outcome, record=self.record(request)
        )
        return True

    def stability(self, ref: GroupRef, larger: bool = False) -> Stability:
        """Return the sample of a group, pulled: complete, or stopped early.

        Args:
            ref: the group.
            larger: whether with the seeds of the second look.

        Raises:
            Incomplete: when a run errored or, with ``--stab-replay``, is not in the store.
        """
        self.pull(ref, self.planned.group(ref, larger).sample.values())
        stability = self._sample(ref, larger)
        if not stability.errored and not stability.complete and self.is_stopped(ref):
            stability.stopped_early = True
            if not self.settings.plan.held:  # the note is read with the runs that vary every stream
                self.store.note_stopped(self.planned.group(ref).digest, stability.planned_seeds)
        else:
            stability.check_complete()
        return stability

    def _sample(self, ref: GroupRef, larger: bool = False) -> Stability:
        """Return what a group has so far."""
        from stabbench.samples.stability import Stability  # with SciPy: not before it is needed

        group = self.planned.group(ref, larger)
        cap = self.settings.more_seeds
        two_looks = cap is not None and cap > len(self.planned.group(ref).seeds)
        sample = group.sample
        records = {seed: record for seed, r in sample.items() if (record := self.record(r)) is not None}
        errored = {
            seed: note
            for seed, r in sample.items()
            if seed not in records and (note := self.error(r)) is not None
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


SESSION = pytest.StashKey[PullSession]()


def session_of(config: pytest.Config) -> PullSession:
    """Return the pulling session of a pytest process."""
    if SESSION not in config.stash:
        config.stash[SESSION] = PullSession(config)
    return config.stash[SESSION]
