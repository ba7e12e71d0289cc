"""A session with an executor of a user's own, which takes all that is missing at once."""

from __future__ import annotations

import pytest

from stabbench.runs import Store
from tests.pytest_plugin.conftest import Project

COUNTING = """
def pytest_stab_run_started(config, request):
    print("STARTED")

def pytest_stab_run_finished(config, request, outcome, record):
    print("FINISHED")
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_session_end_to_end(instant: Project, workers: list[str]) -> None:
    found = instant.run("--stab-threads", "2", *workers, "suites/toy")
    assert found.outcomes()["passed"] == 4, found.output
    store = Store(instant.folder / ".stabbench")
    assert [record.created[:4] for record in store.records()] == ["2025"] * 3
    assert "2 threads" in (store.root / "made").read_text()


def test_it_is_handed_all_that_the_session_lacks_with_the_first_run(instant: Project) -> None:
    (instant.folder / "conftest.py").write_text(COUNTING)
    found = instant.run("-s", "--strategy", "ours", "--strategy", "devlin", "suites/toy")
    told = [word for word in found.output.split() if word in ("STARTED", "FINISHED")]
    assert told == ["STARTED"] * 6 + ["FINISHED"] * 6


def test_a_group_that_cannot_be_planned_spoils_no_other(instant: Project) -> None:
    models = ("--stab-model", str(instant.toy.model), "--stab-model", "./nowhere")
    found = instant.run(*models, "suites/toy")
    assert found.outcomes()["passed"] == 4, found.output
    assert "./nowhere is no folder" in found.output


def test_its_error_is_told_before_anything_runs(instant: Project) -> None:
    found = instant.run("--stab-executor", "instant.py:Instand", "suites/toy")
    assert found.code == 4
    assert "did you mean 'Instant'" in found.output
