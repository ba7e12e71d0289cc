"""What a session must end with: exit code 0 means that a gate passed on all that was trained or read.

This is the one place that decides; ``docs/sessions.md`` is its promise. It knows the session from the ledger
alone. In a session without runs and gates it does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

from stabbench.pytest_plugin import judged
from stabbench.pytest_plugin.ledger import Ledger, Selected, is_run
from stabbench.pytest_plugin.options import are_given, settings_of
from stabbench.pytest_plugin.ours import our_items
from stabbench.pytest_plugin.presence import mention_suites
from stabbench.text import terminal_line

SAFE_DIST = ("load", "worksteal")
NOT_JUDGING = (
    *("collectonly", "setuponly", "setupplan"),
    *("showfixtures", "show_fixtures_per_test", "cacheshow"),
)
"""Options (by the name of their values) of sessions that call no test."""
PLANNED = "stabbench_planned"
COLLECTED = "stabbench_collected"
GROUPS = pytest.StashKey[dict[str, str]]()
"""The groups of the suites that a process collected, as in ``Ledger.groups``; absent without suites."""


class FailClosed:
    """Lives in the controller, or in the only process.

    Attributes:
        ledger: what the session has planned and reported.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.ledger = Ledger()
        self.session: pytest.Session | None = None
        self.said = False
        config.add_cleanup(self.settle)  # after every hook of everybody, and before the exit code is read

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Know whose exit code it is."""
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what was collected in this process (under xdist the controller collects nothing)."""
        if self.config.getoption("dist", "no") == "no":
            self.ledger.collected = {item.nodeid for item in session.items}
            self.ledger.select(our_items(session))
            groups: dict[str, str] = self.config.stash.get(GROUPS, {})
            self.ledger.groups |= groups

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Note what the workers collected; refuse schedulers that hang when a worker is killed."""
        self.ledger.collected = set(ids)
        dist: str = self.config.getoption("dist")
        if dist not in SAFE_DIST and any(map(is_run, ids)):
            pytest.exit(
                f"stabbench: --dist {dist} hangs or restarts without end when a worker dies.\n"
                "  -> use --dist load (what -n chooses) or worksteal.",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Learn from a worker which of its items were runs and gates, and of which groups it knew."""
        told = getattr(node, "workeroutput", {}).get(PLANNED)
        if told is not None:
            self.ledger.select(Selected(*item) for item in told)
            self.ledger.groups |= node.workeroutput[COLLECTED]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a report."""
        self.ledger.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that something could not be collected."""
        self.ledger.broken |= report.failed

    def pytest_internalerror(self) -> None:
        """Note that something broke (xdist may still end with exit code 0)."""
        self.ledger.broken = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Decide, after everybody else did."""
        try:
            return (yield)
        finally:
            self.settle()

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say below the table what the session ends with and why."""
        if not self.is_green():
            missing = judged.never_reported(self.ledger) if self.is_ours() else []
            lines = [(line, True) for line in missing]
        else:
            lines = [*((line, True) for line in self.reasons()), *((line, False) for line in self.remarks())]
            self.said = True
        for line, is_red in lines:
            terminalreporter.write_line(terminal_line(f"stabbench: {line}"), red=is_red, yellow=not is_red)

    def settle(self) -> None:
        """Turn a green session red if there is a reason; say it, if the summary was not written."""
        if self.session is None or not self.is_green():
            return
        reasons = self.reasons()
        if reasons:
            self.session.exitstatus = (
                pytest.ExitCode.TESTS_FAILED if self.is_whole() else pytest.ExitCode.INTERNAL_ERROR
            )
        if not self.said:
            self.said = True
            sys.stderr.writelines(
                terminal_line(f"stabbench: {line}") + "\n" for line in (*reasons, *self.remarks())
            )

    @property
    def marks(self) -> str:
        """The session's mark expression."""
        return getattr(self.config.option, "markexpr", "")

    def is_whole(self) -> bool:
        """Return whether the session was collected and nothing broke."""
        return self.ledger.collected is not None and not self.ledger.broken

    def is_green(self) -> bool:
        """Return whether the session would end well: with 0, or with nothing to do because it broke."""
        status = None if self.session is None else self.session.exitstatus
        empty = status == pytest.ExitCode.NO_TESTS_COLLECTED and not self.is_whole()
        return status == pytest.ExitCode.OK or empty

    def is_ours(self) -> bool:
        """Return whether the session has runs or gates, or was to have some."""
        option = self.config.option
        if any(getattr(option, name, False) for name in NOT_JUDGING):
            return False
        if self.ledger.planned or self.ledger.ours or (option.stab_shard and self.ledger.groups):
            return True
        if self.ledger.selected is not None:
            return not self.ledger.collected and GROUPS in self.config.stash
        # not even a worker could tell
        return (
            any(map(is_run, self.ledger.collected or ())) or are_given(option) or mention_suites(self.config)
        )

    def reasons(self) -> list[str]:
        """Return why the session must not end with exit code 0, a line each."""
        if not self.is_ours():
            return []
        if self.ledger.broken:
            return [
                "something broke that is no test's, so nothing here is a verdict; mend what is shown above"
            ]
        if not self.ledger.collected:
            return [
                "the session ended before its items were collected, so nothing was judged; "
                "look for a pytest.exit in a conftest or a worker that could not start"
            ]
        return judged.reasons(self.ledger, settings_of(self.config), self.marks)

    def remarks(self) -> list[str]:
        """Return what the session leaves unjudged because it was asked to, a line each."""
        if not self.is_ours() or not self.ledger.collected:
            return []
        return judged.remarks(self.ledger, settings_of(self.config), self.marks)
