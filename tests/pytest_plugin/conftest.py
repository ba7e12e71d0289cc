"""Sessions of the plugin in a project of their own, over a store that is trained once for all tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import stabbench.pytest_plugin.gates
import stabbench.pytest_plugin.items
import stabbench.samples.stability  # noqa: F401 - with SciPy: pytester forgets what a session imports
from stabbench import tasks
from tests.conftest import LEAN, Toy

IN_ORDER = ("--stab-max-steps", "6", *LEAN)
SHORT = (*IN_ORDER, "-p", "no:cacheprovider")


JUDGED = """
from stabbench.statistics import Evidence, Outcome

def test_scores(stability):
    assert stability.judge(lambda sample, alpha: Evidence("own", Outcome.PASS, "complete", "share"))
"""
"""A gate that passes on whatever is complete."""


@dataclass
class Project:
    """A folder with one suite, in which sessions run.

    Attributes:
        options: what every session is given.
    """

    folder: Path
    toy: Toy
    pytester: pytest.Pytester | None = None
    options: tuple[str, ...] = ()

    def write_suite(self, **kwargs: object) -> None:
        """Write the suite file."""
        place = self.folder / "suites" / "toy" / "test_toy.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.toy.suite_file(**kwargs))

    def run(self, *arguments: str, own_process: bool = False, cache: bool = False) -> Session:
        """Run a session to its end: in this process, which imports nothing anew, where that is possible.

        Its workers, if it has any, are processes.
        """
        options = IN_ORDER if cache else SHORT
        words = [*options, *self.options, *arguments]
        if self.pytester is None or own_process:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *words],
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            return Session(done.returncode, done.stdout + done.stderr)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(sys, "dont_write_bytecode", True)
            patch.setattr(tasks.REGISTRY, "_registered", {})
            result = self.pytester.runpytest_inprocess(*words)
        return Session(int(result.ret), result.stdout.str() + result.stderr.str())


@dataclass
class Session:
    """What a session printed and its exit code."""

    code: int
    output: str

    def outcomes(self) -> dict[str, int]:
        """Return the counts of pytest's last line."""
        last = next(line for line in reversed(self.output.splitlines()) if " in " in line and "s" in line)
        words = last.strip("= ").split(" in ")[0].split(", ")
        return {name.rstrip("s"): int(count) for count, name in (word.split(" ")[:2] for word in words)}


@pytest.fixture(scope="session")
def trained(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with three seeds of `ours` and `devlin`."""
    project = Project(tmp_path_factory.mktemp("trained"), toy)
    (project.folder / "pyproject.toml").write_text("")
    project.write_suite()
    strategies = ("--strategy", "ours", "--strategy", "devlin")
    found = project.run(*strategies, "suites/toy", own_process=True)
    assert "test_few_runs_fail" in found.output, found.output
    store = project.folder / ".stabbench"
    assert len(list((store / "runs").iterdir())) == 6, found.output
    return store


@pytest.fixture
def project(toy: Toy, tmp_path: Path, pytester: pytest.Pytester) -> Project:
    """Return a project with an empty store."""
    made = Project(tmp_path / "a project", toy, pytester)
    made.folder.mkdir()
    (made.folder / "pyproject.toml").write_text("")
    made.write_suite()
    return made


@pytest.fixture
def instant(project: Project) -> Project:
    """Return a project whose runs are made up at once by an executor of its own."""
    shutil.copy(Path(__file__).with_name("instant.py"), project.folder)
    project.options = ("--stab-executor", "instant.py:Instant")
    return project


@pytest.fixture
def replay(project: Project, trained: Path) -> Callable[..., Session]:
    """Return how to run a session over a copy of the trained store."""
    shutil.copytree(trained, project.folder / ".stabbench")
    return project.run
