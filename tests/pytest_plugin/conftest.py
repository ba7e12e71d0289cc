"""Sessions of the plugin in a project of their own, over a store that is trained once for all tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import stabbench.samples.stability  # with SciPy: pytester forgets what is imported while it runs
from stabbench import tasks
from tests.conftest import Toy

SHORT = ("--stab-max-steps", "6", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")


@dataclass
class Project:
    """A folder with one suite, in which sessions run as processes of their own."""

    folder: Path
    toy: Toy

    def write_suite(self, **kwargs: object) -> None:
        """Write the suite file."""
        place = self.folder / "suites" / "toy" / "test_toy.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.toy.suite_file(**kwargs))

    def run(self, *arguments: str, cache: bool = False, **kwargs: object) -> Session:
        """Run a session to its end."""
        options = [word for word in SHORT if not (cache and word in ("-p", "no:cacheprovider"))]
        if cache:
            options = ["--stab-max-steps", "6"]
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False, **kwargs
        )
        return Session(done.returncode, done.stdout + done.stderr)


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
    found = project.run("-n", "2", "--strategy", "ours", "--strategy", "devlin", "suites/toy")
    assert "test_few_runs_fail" in found.output, found.output
    store = project.folder / ".stabbench"
    assert len(list((store / "runs").iterdir())) == 6, found.output
    return store


@pytest.fixture
def project(toy: Toy, tmp_path: Path) -> Project:
    """Return a project with an empty store."""
    made = Project(tmp_path / "a project", toy)
    made.folder.mkdir()
    (made.folder / "pyproject.toml").write_text("")
    made.write_suite()
    return made


@dataclass
class InstantProject(Project):
    """A project whose runs are made up at once by an executor of its own, most sessions in this process."""

    pytester: pytest.Pytester | None = None

    def run(self, *arguments: str, cache: bool = False, **kwargs: object) -> Session:
        """Run a session to its end: here, unless it needs workers."""
        mine = ("--stab-executor", "instant.py:Instant", *arguments)
        if "-n" in arguments:
            return super().run(*mine, cache=cache, **kwargs)
        assert self.pytester is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr(tasks.REGISTRY, "_registered", {})
            done = self.pytester.runpytest_inprocess(*SHORT, *mine)
        return Session(int(done.ret), done.stdout.str() + done.stderr.str())


@pytest.fixture
def instant(project: Project, pytester: pytest.Pytester) -> InstantProject:
    """Return a project whose sessions need no trainer."""
    shutil.copy(Path(__file__).with_name("instant.py"), project.folder)
    return InstantProject(project.folder, project.toy, pytester)


@pytest.fixture
def replay(project: Project, trained: Path) -> Callable[..., Session]:
    """Return how to run a session over a copy of the trained store."""
    shutil.copytree(trained, project.folder / ".stabbench")
    return project.run
