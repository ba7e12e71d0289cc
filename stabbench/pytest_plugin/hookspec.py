"""Hooks for a project's ``conftest.py`` or a plugin of its own; ``docs/hooks.md`` tells them apart.

With xdist the hooks that see groups, runs and verdicts are called in the workers, where these are; the one
that sees the table is called in the controller, which alone has a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stabbench.requests import Group, Outcome, Request
    from stabbench.runs import RunRecord
    from stabbench.samples.stability import Stability
    from stabbench.samples.verdict import Verdict


def pytest_stab_planned(config: pytest.Config, groups: Sequence[Group]) -> None:
    """See the groups of the session, planned, before the first run of this process.

    A group that cannot be planned is not among them: its runs and gates report why. ::

        def pytest_stab_planned(config, groups):
            updates = sum(r.work.total_updates for group in groups for r in group.requests)
            print(f"{len(groups)} groups, {updates} updates at most")
    """


def pytest_stab_run_started(config: pytest.Config, request: Request) -> None:
    """See a run that an executor has taken.

    One that is in the store already is not announced. ::

        def pytest_stab_run_started(config, request):
            print("started", request.spec.key[:12], request.strategy, request.spec.seeds)
    """


def pytest_stab_run_finished(
    config: pytest.Config, request: Request, outcome: Outcome, record: RunRecord | None
) -> None:
    """See what came of a run that was started.

    ``outcome.kind`` is ``done``; or ``cached``, when another process was quicker; or ``errored``, with a note
    and no record. A run that goes on in another process is told of there. ::

        def pytest_stab_run_finished(config, request, outcome, record):
            if outcome.kind == "done":
                wandb.log({"seed": record.seed, record.metric: record.last.value})
    """


def pytest_stab_verdict(config: pytest.Config, stability: Stability, verdict: Verdict) -> None:
    """See a verdict.

    A gate's are told in the order in which it asked for them, when its test function has ended. ::

        def pytest_stab_verdict(config, stability, verdict):
            if not verdict:
                post_to_chat(f"{stability}: {verdict.summary}")
    """


def pytest_stab_table(config: pytest.Config, headers: list[str], rows: list[list[str]]) -> None:
    """Change the table at the end of the session in place: rows and columns, all of them text.

    The job summary of GitHub Actions shows the same table. ::

        def pytest_stab_table(config, headers, rows):
            headers.append("owner")
            for row in rows:
                row.append(OWNERS[row[0]])
    """
