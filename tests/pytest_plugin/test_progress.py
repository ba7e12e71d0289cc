"""The live line, on a real (pseudo) terminal and elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from stabbench.pytest_plugin import progress
from tests.pytest_plugin.conftest import SHORT, Project

ERASED = "\r\x1b[2K"


def on_a_terminal(project: Project, *arguments: str, expected: str | None = None) -> str:
    """Return all that a session writes to a terminal of its own; make a file ``seen`` at an expected text."""
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "pytest", *SHORT, *arguments, "suites/toy"]
    session = subprocess.Popen(
        command, cwd=project.folder, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    written = bytearray()
    try:
        while chunk := os.read(controller, 4096):
            written += chunk
            if expected is not None and expected in written.decode(errors="replace"):
                (project.folder / "seen").touch()
    except OSError:  # Linux: the other end was closed
        pass
    os.close(controller)
    session.wait(timeout=60)
    return written.decode()


UNTIL_SEEN = """
import time
from pathlib import Path

def test_slow(stability):
    for _ in range(200):  # until the live line was seen; if it never is, the test fails
        if Path("seen").exists():
            return
        time.sleep(0.1)
"""


@pytest.mark.parametrize("workers", ["2", "0"])
def test_a_terminal_shows_a_live_line_and_erases_it(project: Project, trained: Path, workers: str) -> None:
    shutil.copytree(trained, project.folder / ".stabbench")
    project.write_suite(gates=UNTIL_SEEN)
    line = f"{ERASED}stabbench: 3/3 runs, 3 failed"
    shown = on_a_terminal(project, "-n", workers, expected=line)
    assert line in shown, shown
    summary = shown.index("fine-tuning stability")
    assert "stabbench: " not in shown[shown.rindex(ERASED) : summary]
    assert ERASED not in shown[summary:]


def test_a_breakpoint_ends_the_live_line(project: Project, trained: Path) -> None:
    """Whoever types at pdb's prompt would see it overwritten every second."""
    shutil.copytree(trained, project.folder / ".stabbench")
    project.write_suite(gates="def test_std(stability):\n    breakpoint()\n    assert stability.std < 99\n")
    # the prompt itself ends at once, since nobody types
    (project.folder / "conftest.py").write_text(
        "import time\n\ndef pytest_enter_pdb():\n    time.sleep(2.5)\n"
    )
    shown = on_a_terminal(project, "-n", "0")
    assert "stabbench: " not in shown[shown.index("PDB set_trace") : shown.index("fine-tuning stability")]


@pytest.fixture
def line(tmp_path: Path) -> progress.Progress:
    config = SimpleNamespace(option=SimpleNamespace(verbose=0))
    return progress.Progress(config, SimpleNamespace(store=tmp_path))  # type: ignore[arg-type]


def report(name: str, seconds: float, failed: bool = False) -> pytest.TestReport:
    summary = f'{{"failed": {str(failed).lower()}, "computed": true}}'
    return pytest.TestReport(
        name,
        ("", 0, ""),
        {},
        "passed",
        None,
        "call",
        user_properties=[("stabbench_run", summary)],
        duration=seconds,
    )


def test_the_line_counts_and_estimates(line: progress.Progress, tmp_path: Path) -> None:
    fast, slow = (f"suites/x.py::suite::run[{name}-rte-bert" for name in ("ours", "mixout"))
    runs = [f"{group}-{seed}]" for group in (fast, slow) for seed in range(4)]
    line.config.pluginmanager = SimpleNamespace(get_plugin=lambda name: None)
    line.plan([*runs, "suites/x.py::test_gate"])
    assert line.line() == "stabbench: 0/8 runs, 0 failed, starting the trainers"
    line.pytest_runtest_logreport(report(runs[0], 10.0))
    line.pytest_runtest_logreport(report(runs[4], 30.0, failed=True))
    line.pytest_runtest_logreport(report("suites/x.py::test_gate", 1.0))
    # three more of each group, one at a time
    assert line.line() == "stabbench: 2/8 runs, 1 failed, about 2 min left"
    (tmp_path / "progress").mkdir()
    for trainer in "ab":
        state = '{"step": 50, "total": 100, "steps_per_second": 10}'
        (tmp_path / "progress" / f"{trainer}.json").write_text(state)
    # (3 x 10 s + 3 x 30 s - 2 x 5 s) on two trainers
    assert line.line() == "stabbench: 2/8 runs, 1 failed, 20 steps/s, about 55 s left"


def test_what_a_killed_trainer_left_counts_for_nothing_until_it_changes(
    line: progress.Progress, tmp_path: Path
) -> None:
    (tmp_path / "progress").mkdir()
    file = tmp_path / "progress" / "1.json"
    state = '{"step": 50, "total": 100, "steps_per_second": 10, "time": 99999999999}'
    file.write_text(state)
    line.config.pluginmanager = SimpleNamespace(get_plugin=lambda name: None)
    line.plan(["suites/x.py::suite::run[ours-rte-bert-0]"])
    assert line.live() == []
    file.write_text(state.replace("50", "60"))
    assert [live["step"] for live in line.live()] == [60]


def test_a_log_gets_whole_lines(
    line: progress.Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = threading.Semaphore(0)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    monkeypatch.setattr(line, "line", lambda: drawn.release() or "stabbench: 1/2 runs")
    with (tmp_path / "log").open("w") as log:
        reporter = SimpleNamespace(_tw=SimpleNamespace(_file=log))
        line.config.pluginmanager = SimpleNamespace(get_plugin=lambda name: reporter)
        line.plan(["suites/x.py::suite::run[ours-rte-bert-0]"])
        for _ in range(2):
            assert drawn.acquire(timeout=30)
        line.finish()
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0] == ""  # pytest's own line ends first
    assert len(lines) >= 3
    assert set(lines[1:]) == {"stabbench: 1/2 runs"}
