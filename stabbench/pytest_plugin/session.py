"""Pulling: whoever needs a run takes it from the store, computes it, or waits for who computes it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from stabbench import executors
from stabbench.errors import RecordError, RunError, StabbenchError
from stabbench.planning import Group, Request, plan_group
from stabbench.pytest_plugin.collection import SETTINGS, GroupRef, RunItem
from stabbench.pytest_plugin.options import Settings
from stabbench.runs import ErrorNote, RunRecord, Store

if TYPE_CHECKING:
    from stabbench.stability import Stability

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
        self._groups: dict[GroupRef, Group] = {}

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

    def group(self, ref: GroupRef) -> Group:
        """Return a group, planned once."""
        if ref not in self._groups:
            self._groups[ref] = plan_group(ref.suite, ref.task, ref.model, ref.strategy, self.settings.plan)
        return self._groups[ref]

    def record(self, request: Request) -> RunRecord | None:
        """Return what the store has; an unreadable record is reported and counts as missing."""
        key = request.spec.key
        try:
            return self.store.read(key)
        except RecordError as error:
            self.problems[key] = str(error)
            return None

    def error(self, request: Request) -> ErrorNote | None:
        """Return why a run errored in this session, if it did: it is not tried twice."""
        return self.store.error(request.spec.key, since=self.settings.started)

    def is_settled(self, request: Request) -> bool:
        """Return whether nothing is left to do for a run in this session."""
        return self.record(request) is not None or self.error(request) is not None

    def pull(self, requests: Iterable[Request]) -> None:
        """Settle some runs: compute what nobody computes, wait for the rest, help others meanwhile."""
        pending = [request for request in requests if not self.is_settled(request)]
        if self.settings.replay:
            return
        while pending:
            if not self._compute_one(pending):
                others = (r for ref in self.refs for r in self.group(ref).requests)
                if not self._compute_one(r for r in others if not self.is_settled(r)):
                    self._wait()
            pending = [request for request in pending if not self.is_settled(request)]

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

    def stability(self, ref: GroupRef) -> Stability:
        """Return the complete sample of a group, pulled.

        Raises:
            Incomplete: when a run errored or, with ``--stab-replay``, is not in the store.
        """
        from stabbench.stability import Stability  # SciPy takes a second to import

        group = self.group(ref)
        self.pull(group.requests)
        records = {r.spec.seed: record for r in group.requests if (record := self.record(r)) is not None}
        errored = {
            r.spec.seed: note
            for r in group.requests
            if r.spec.seed not in records and (note := self.error(r)) is not None
        }
        stability = Stability(
            ref.task,
            group.requests[0].spec.model.name,
            group.strategy,
            group.seeds,
            records,
            errored,
            self.settings.checkpoint,
        )
        stability.check_complete()
        return stability


SESSION = pytest.StashKey[PullSession]()


def session_of(config: pytest.Config) -> PullSession:
    """Return the pulling session of a pytest process."""
    if SESSION not in config.stash:
        config.stash[SESSION] = PullSession(config.stash[SETTINGS])
    return config.stash[SESSION]


def run_item(item: RunItem) -> None:
    """Settle the run of an item and note what came of it for the summary.

    Raises:
        RunError: when the run errored.
        StabbenchError: when it is not in the store and nothing may be trained.
    """
    session = session_of(item.config)
    group = session.group(item.ref)
    request = next(r for r in group.requests if r.spec.seed == item.seed)
    was_there = session.record(request) is not None
    session.pull([request])
    record, key = session.record(request), request.spec.key
    summary = {
        "strategy": group.strategy,
        "task": item.ref.task,
        "model": request.spec.model.name,
        "group": request.spec.group,
        "seed": item.seed,
        "computed": not was_there,
        "problem": session.problems.get(key),
    }
    if record is not None:
        from stabbench.stability import is_failed

        score = record.last if session.settings.checkpoint == "last" else record.best
        summary |= {"score": score.value, "failed": is_failed(record, session.settings.checkpoint)}
    item.user_properties.append(("stabbench_run", json.dumps(summary)))
    if record is not None:
        return
    note = session.error(request)
    if note is None:
        raise StabbenchError(
            f"seed {item.seed} of {group.strategy} on {item.ref.task} is not in the store, and "
            "--stab-replay trains nothing.",
            "leave --stab-replay away, or name the store that has it with --stab-store.",
        )
    cause, _, action = note.message.partition("\n  -> ")
    tail = "".join(f"\n  | {line}" for line in note.log.splitlines()[-12:])
    raise RunError(
        f"seed {item.seed} errored ({note.kind}): {cause}{tail}",
        (action or "mend the cause and run the same command again: finished runs are kept.")
        + f"\n     full log: stabbench show {key} --store {session.store.root}",
    )
