"""When a session starts its zygote: before it collects, if it was asked for runs that it may train."""

from __future__ import annotations

import sys

import pytest

from stabbench.zygote import VARIABLE
from tests.pytest_plugin.conftest import Project

SPY = """
import os
from pathlib import Path
import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        found = 0
        for place in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
                command = (place / "cmdline").read_bytes()
                found += parent == os.getpid() and b"stabbench.training.zygote" in command
            except OSError:
                pass
        print("ZYGOTES", found)
        pytest.exit("seen", 0)  # before anybody waits for workers, and a zygote imports for nothing
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("--strategy", "ours"), 1),
        (("--strategy", "ours", "-n", "2"), 1),
        (("--strategy", "ours", "--stab-replay"), 0),
        (("--strategy", "ours", "--collect-only"), 0),
        (("--strategy", "ours", "--stab-executor", "debug"), 0),
    ],
)
def test_it_starts_early_where_something_may_be_trained(
    project: Project, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], number: int
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    (project.folder / "conftest.py").write_text(SPY)
    (project.folder / "test_plain.py").write_text("def test_it():\n    pass\n")
    found = project.run("test_plain.py", "-s", *words, own_process=True)
    assert f"ZYGOTES {number}" in found.output, found.output


def test_a_session_within_another_uses_its_zygote(project: Project) -> None:
    (project.folder / "conftest.py").write_text(SPY)
    (project.folder / "test_plain.py").write_text("def test_it():\n    pass\n")
    found = project.run("test_plain.py", "-s", "--strategy", "ours", own_process=True)
    assert "ZYGOTES 0" in found.output, found.output
