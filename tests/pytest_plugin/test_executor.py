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


FORGETTING = """
from instant import Instant, InstantJob
from stabbench.executors import Outcome

class Forgetting(Instant):
    asked = 0

    def submit(self, requests):
        Forgetting.asked += 1
        assert Forgetting.asked < 9, "asked for ever"
        return Job(self.store, tuple(requests))

class Job(InstantJob):
    def wait(self, timeout=None):
        return self._left.popleft(), Outcome("done")
"""

CANCELLED = """
from instant import Instant, InstantJob

class Cancelled(Instant):
    jobs = 0

    def submit(self, requests):
        Cancelled.jobs += 1
        return (InstantJob if Cancelled.jobs > 1 else Job)(self.store, tuple(requests))

class Job(InstantJob):
    looks = 0

    def wait(self, timeout=None):
        self.looks += 1
        assert self.looks < 9, "waited for ever"
        self.cancel()
"""


def test_an_executor_that_keeps_nothing_is_named(instant: Project) -> None:
    (instant.folder / "own.py").write_text(FORGETTING)
    found = instant.run("--stab-executor", "own.py:Forgetting", "suites/toy")
    assert "own.py:Forgetting says that the run" in found.output
    assert "for ever" not in found.output
    assert found.code == 1


def test_what_a_cancelled_job_leaves_is_asked_for_again(instant: Project) -> None:
    (instant.folder / "own.py").write_text(CANCELLED)
    found = instant.run("--stab-executor", "own.py:Cancelled", "suites/toy")
    assert found.outcomes()["passed"] == 4, found.output


def test_its_error_is_told_before_anything_runs(instant: Project) -> None:
    found = instant.run("--stab-executor", "instant.py:Instand", "suites/toy")
    assert found.code == 4
    assert "did you mean 'Instant'" in found.output


BUSY = """
from instant import Instant, InstantJob
from stabbench.executors import Outcome

class Busy(Instant):
    asked = 0

    def submit(self, requests):
        Busy.asked += 1
        return (Job if Busy.asked == 1 else InstantJob)(self.store, tuple(requests))

class Job(InstantJob):
    def wait(self, timeout=None):
        return self._left.popleft(), Outcome("busy")
"""

RECORDS_ONLY = """
def pytest_stab_run_finished(config, request, outcome, record):
    print("FINISHED", outcome.kind, record.last.step)
"""


def test_a_run_that_goes_on_elsewhere_has_not_finished(instant: Project) -> None:
    (instant.folder / "busy.py").write_text(BUSY)
    (instant.folder / "conftest.py").write_text(RECORDS_ONLY)
    found = instant.run("-s", "--stab-executor", "busy.py:Busy", "suites/toy")
    assert found.outcomes()["passed"] == 4, found.output
    assert found.output.count("FINISHED done 6") == found.output.count("FINISHED") == 3
