"""A session fails closed: a planned item that never reports makes it red, whatever the reason."""

from __future__ import annotations

from typing import Any

import pytest

from stabbench.pytest_plugin.refs import RUN_MARK
from stabbench.text import shown

REFUSED_DIST = ("loadgroup", "loadscope", "loadfile", "each")


class FailClosed:
    """Lives in the controller, or in the only process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.dist: str = config.getoption("dist", "no")
        self.planned: set[str] | None = None
        self.reported: set[str] = set()
        self.internal_error = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember what was collected in this process (under xdist the controller collects nothing)."""
        if self.dist == "no":
            self.planned = {item.nodeid for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Remember what the workers collected; refuse schedulers that hang when a worker is killed."""
        self.planned = set(ids)
        if self.dist in REFUSED_DIST and any(RUN_MARK in name for name in ids):
            pytest.exit(
                f"stabbench: --dist {self.dist} hangs or restarts without end when a worker dies.\n"
                "  -> use --dist load (what -n chooses) or worksteal.",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who reported."""
        self.reported.add(report.nodeid)

    def pytest_internalerror(self) -> None:
        """Remember that something broke (xdist may still end with exit code 0)."""
        self.internal_error = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Turn a green session red when items are missing."""
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return
        if self.internal_error or (self.dist != "no" and self.planned is None):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        elif self.missing() and not self.config.option.collectonly:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def missing(self) -> list[str]:
        """Return the planned items that never reported, if stabbench's are among the planned."""
        planned = self.planned or set()
        if not any(RUN_MARK in name for name in planned):
            return []
        return sorted(planned - self.reported)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what never reported."""
        missing = [] if self.config.option.collectonly else self.missing()
        if missing:
            terminalreporter.write_line(
                f"stabbench: {len(missing)} planned items never reported, the session fails: "
                + ", ".join(map(shown, missing[:3]))
                + (" ..." if len(missing) > 3 else ""),
                red=True,
            )
