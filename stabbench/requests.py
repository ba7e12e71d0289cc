"""What an executor is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from stabbench.runs import ErrorNote
from stabbench.spec import FineTuning, RunSpec
from stabbench.stored import Frozen
from stabbench.tasks import Task


class Request(Frozen):
    """A run to compute: its specification, and where this machine finds what it names.

    Attributes:
        spec: what to compute; its key names the result.
        task: the task, by value, so that the trainer needs no registry.
        data_dir: local folder with the task's files, if not from the hub.
        model: local path or hub id that the spec's model stands for.
        strategy: the strategy as typed, ``name:k=v`` or ``path.py:Name``.
        start: the intermediate run that this one starts from.
        save_model: whether the trained weights are kept in the store.
        session: the session that asks; empty when none does.
    """

    spec: RunSpec
    task: Task
    data_dir: str | None = None
    model: str
    strategy: str
    start: Request | None = None
    save_model: bool = False
    session: str = ""

    @property
    def work(self) -> FineTuning:
        """What the run does."""
        return self.spec.fine_tuning

    def asked_by(self, session: str) -> Request:
        """Return the request, and that for what it starts from, as a session asks for it."""
        start = None if self.start is None else self.start.asked_by(session)
        return self.model_copy(update={"session": session, "start": start})

    def errored(self, kind: str, message: str, log: str) -> ErrorNote:
        """Return the note that a store keeps when this run ends without a record."""
        return ErrorNote(
            key=self.spec.key, kind=kind, message=message, log=log, spec=self.spec, session=self.session
        )


RunId = tuple[int, int]
"""The planned seed of a run and the number of its replicate, 0 for the first."""


@dataclass(frozen=True)
class Group:
    """The runs of a task, a model and a strategy that differ in their seeds and replicates only.

    Attributes:
        runs: every planned run, in the order in which they run. The planned seed is that of the streams
            that vary: a run's specification may hold the others at one seed.
    """

    task: str
    model: str
    strategy: str
    runs: Mapping[RunId, Request] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """What the records of all these runs bear as their group."""
        return next(iter(self.runs.values())).spec.group

    @property
    def requests(self) -> tuple[Request, ...]:
        """All runs, same-seed replicates included."""
        return tuple(self.runs.values())

    @property
    def sample(self) -> dict[int, Request]:
        """The runs that gates judge, by planned seed: the first replicate of each."""
        return {seed: request for (seed, replicate), request in self.runs.items() if replicate == 0}

    @property
    def seeds(self) -> tuple[int, ...]:
        """The planned seeds, in the order in which they run."""
        return tuple(self.sample)


@dataclass(frozen=True)
class Outcome:
    """What came of asking for a run.

    Attributes:
        kind: ``done``: computed now; ``cached``: it was in the store; ``busy``: another process
            computes it now; ``errored``: it ended without a record.
        note: why it errored.
    """

    kind: Literal["done", "cached", "busy", "errored"]
    note: ErrorNote | None = None
