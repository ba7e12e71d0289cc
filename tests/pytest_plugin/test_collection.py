"""Collection is instant: it imports no torch and reads no store; and sessions fail closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LEAN
from tests.pytest_plugin.conftest import JUDGED, Project

SPY = """
import sys
def pytest_unconfigure():
    names = ("torch", "transformers", "scipy", "datasets", "sklearn")
    heavy = [name for name in names if name in sys.modules]
    print("HEAVY", heavy)
"""


def test_collect_only_imports_nothing_heavy(project: Project) -> None:
    (project.folder / "spy.py").write_text(SPY)
    found = project.run("-p", "spy", "--collect-only", "-q", "suites/toy", own_process=True)
    assert "HEAVY []" in found.output, found.output
    assert "suites/toy/test_toy.py::suite::run[ours-toy-tiny-bert-2]" in found.output
    assert "suites/toy/test_toy.py::test_scores[ours-toy-tiny-bert]" in found.output


def test_importing_the_package_imports_no_torch() -> None:
    program = (
        "import sys, stabbench, stabbench.cli, stabbench.planning, stabbench.samples.stability, "
        "stabbench.pytest_plugin, stabbench.leaderboard; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_default_suites_collect() -> None:
    root = Path(__file__).parents[2]
    suites = ("rte", "mrpc", "cola", "qnli", "scitail")
    command = [sys.executable, "-m", "pytest", *LEAN, "-p", "no:cacheprovider", "--collect-only", "-q"]
    command += [f"suites/{suite}" for suite in suites]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for suite in suites:
        assert f"run[ours-{suite}-bert-large-uncased-24]" in done.stdout
        assert f"test_few_runs_fail[ours-{suite}-bert-large-uncased]" in done.stdout


SILENT = """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return True if "test_scores" in item.nodeid else None  # as if it had run
"""


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_invariant_6_an_item_that_never_reports_fails_the_session(
    project: Project, trained: Path, workers: list[str]
) -> None:
    import shutil

    shutil.copytree(trained, project.folder / ".stabbench")
    project.write_suite(gates=JUDGED + "\ndef test_mean(stability):\n    assert stability.mean > 0\n")
    assert project.run(*workers, "suites/toy").code == 0
    (project.folder / "conftest.py").write_text(SILENT)
    found = project.run(*workers, "suites/toy")
    assert "1 planned item never reported" in found.output, found.output
    assert found.code == 1


UNPICKLABLE = """
import pathlib
def pytest_runtest_logreport(report):
    pass
def pytest_runtest_call(item):
    item.user_properties.append(("path", pathlib.Path("x")))
"""


def test_invariant_6_an_internal_error_under_xdist_is_not_green(project: Project, trained: Path) -> None:
    import shutil

    shutil.copytree(trained, project.folder / ".stabbench")
    (project.folder / "conftest.py").write_text(UNPICKLABLE)
    assert project.run("-n", "1", "suites/toy").code not in (0, 5)


BROKEN_WORKER = """
import pytest
def pytest_configure(config):
    if hasattr(config, "workerinput"):
        raise pytest.UsageError("a worker that cannot start")
"""


def test_invariant_6_workers_that_cannot_start_are_not_green(project: Project) -> None:
    (project.folder / "conftest.py").write_text(BROKEN_WORKER)
    assert project.run("-n", "1", "suites/toy").code not in (0, 5)
