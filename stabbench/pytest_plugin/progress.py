"""The live line: runs done, failed so far, steps per second, time left; also under xdist."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, TextIO

import pytest

from stabbench.pytest_plugin.ledger import RUN, is_run
from stabbench.pytest_plugin.options import Settings
from stabbench.runs.files import read_json
from stabbench.text import duration

TTY_SECONDS = 1.0
PLAIN_SECONDS = 30.0
STALE_SECONDS = 20.0
ERASE = "\r\x1b[2K"


class Progress:
    """Draws a line once a second on a terminal, every 30 s elsewhere.

    What the trainers do is read from files in the store, since workers cannot tell of a test before it ends.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.terminal: TextIO | None = None
        self.waiting: Counter[str] = Counter()
        self.total = self.done = self.failed = 0
        self.took: dict[str, list[float]] = defaultdict(list)
        self.seen: dict[Path, tuple[dict[str, Any], float]] = {}
        self.drawn = False
        self.dirty = True
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None

    def plan(self, ids: list[str]) -> None:
        """Learn which runs there are to do, from their node ids, and start to draw."""
        runs = [name for name in ids if is_run(name)]
        with self.lock:
            self.look(-math.inf)  # what lies there from before
            self.waiting = Counter(map(_group, runs))
            self.total = len(runs)
        # only now: pytest registers its reporter after it has configured the plugins
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if runs and self.thread is None and reporter is not None and self.config.option.verbose >= -1:
            self.terminal = _second_way_to(reporter._tw._file)
            if self.terminal is not None:
                self.thread = threading.Thread(target=self._draw_forever, args=(self.terminal,), daemon=True)
                self.thread.start()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a run; make room for what pytest prints about it."""
        with self.lock:
            self.clear()
            self.dirty = self.dirty or not (is_run(report.nodeid) and report.passed)
            if report.when != "call" or not is_run(report.nodeid):
                return
            self.done += 1
            self.waiting[_group(report.nodeid)] -= 1
            summary = json.loads(dict(report.user_properties).get(RUN, "{}"))  # type: ignore[arg-type]  # our own value is text
            self.failed += bool(summary.get("failed"))
            if summary.get("computed"):
                self.took[_group(report.nodeid)].append(report.duration)

    @pytest.hookimpl(tryfirst=True)
    def pytest_enter_pdb(self) -> None:
        """Leave the terminal to somebody who types."""
        self.finish()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Stop drawing."""
        self.finish()

    def finish(self) -> None:
        """Draw nothing any more."""
        self.stop.set()
        if self.thread is not None:
            self.thread.join()
        with self.lock:
            self.clear()
            if self.terminal is not None:
                self.terminal.close()
                self.terminal = None

    def _draw_forever(self, terminal: TextIO) -> None:
        tty = terminal.isatty()
        while not self.stop.wait(TTY_SECONDS if tty else PLAIN_SECONDS):
            with self.lock:
                own_line = "\n" if self.dirty else ""
                self._write(own_line + (f"{ERASE}{self.line()}" if tty else f"{self.line()}\n"))
                self.drawn, self.dirty = tty, False

    def clear(self) -> None:
        """Erase the line."""
        if self.drawn:
            self._write(ERASE)
            self.drawn = False

    def _write(self, text: str) -> None:
        if self.terminal is not None:
            self.terminal.write(text)
            self.terminal.flush()

    def line(self) -> str:
        """Return the line as it stands."""
        live = self.live()
        speed = sum(state["steps_per_second"] for state in live)
        parts = [f"stabbench: {self.done}/{self.total} runs", f"{self.failed} failed"]
        if live:
            parts.append(f"{speed:.0f} steps/s")
        elif self.done == 0:
            parts.append("starting the trainers")
        left = self.seconds_left(live)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def live(self) -> list[dict[str, Any]]:
        """Return what the trainers do whose files were seen to change within the last seconds."""
        self.look(time.monotonic())
        since = time.monotonic() - STALE_SECONDS
        return [state for state, changed in self.seen.values() if changed > since]

    def look(self, now: float) -> None:
        """Read the trainers' files; one that is not what it was has changed by now, by our own clock."""
        found = {}
        for path in _files(self.settings.store / "progress"):
            state = read_json(path)
            if _is_sound(state):
                known, changed = self.seen.get(path, (None, now))
                found[path] = (state, changed if state == known else now)
        self.seen = found

    def seconds_left(self, live: list[dict[str, Any]]) -> float | None:
        """Return about how long the rest takes: each group by its own mean, unknown ones by all."""
        everything = [seconds for found in self.took.values() for seconds in found]
        if not everything:
            everything = [state["total"] / state["steps_per_second"] for state in live if state["step"]]
        if not everything:
            return None
        mean = sum(everything) / len(everything)
        work: float = sum(
            count * (sum(self.took[group]) / len(self.took[group]) if self.took.get(group) else mean)
            for group, count in self.waiting.items()
        )
        in_flight: float = sum(state["step"] / state["steps_per_second"] for state in live)
        return max(0.0, work - in_flight) / max(1, len(live))


def _files(folder: Path) -> list[Path]:
    """Return the trainers' files; none where there is no such folder."""
    try:
        return [path for path in folder.iterdir() if path.suffix == ".json"]
    except OSError:  # a glob of a folder that cannot be looked at raises, too
        return []


def _is_sound(state: Any) -> bool:
    """Return whether a trainer's file says what the line needs: it may be half-written, or anything."""
    if not isinstance(state, dict):
        return False
    step, total, speed = (state.get(name, math.nan) for name in ("step", "total", "steps_per_second"))
    numbers = all(isinstance(n, int | float) and math.isfinite(n) for n in (step, total, speed))
    return numbers and 0 <= step <= total and speed > 0


def _second_way_to(terminal: TextIO) -> TextIO | None:
    """Return another file on the terminal; ``None`` where it has no descriptor (as in a notebook).

    Without xdist a test runs in this process, and pytest catches what goes to the terminal's own file then.
    """
    try:
        return os.fdopen(os.dup(terminal.fileno()), "w", encoding=terminal.encoding)
    except OSError:
        return None


def _group(nodeid: str) -> str:
    return nodeid.rpartition("-")[0]
