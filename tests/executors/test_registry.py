"""An executor of a user's own: found by name or file; tests/pytest_plugin runs whole sessions with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench import executors
from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.executors import ExecutorOptions, NoJob, compute_one
from stabbench.runs import Store
from tests.pytest_plugin.instant import Instant

FILE = Path(__file__).parents[1] / "pytest_plugin" / "instant.py"


def test_the_projects_own_are_announced_as_any_package_would() -> None:
    assert executors.REGISTRY.is_announced("process")
    assert executors.REGISTRY.is_announced("debug")


def test_names_and_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'process'"):
        executors.create("proces", tmp_path)
    with executors.create(f"{FILE}:Instant", tmp_path) as made:
        assert type(made).__name__ == "Instant"
    with pytest.raises(UnknownNameError, match="did you mean 'Instant'"):
        executors.create(f"{FILE}:Instand", tmp_path)


def test_a_registered_executor(toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors.REGISTRY, "_registered", {})
    executors.REGISTRY.register("instant")(Instant)
    with pytest.raises(StabbenchError, match="already a executor called 'process'"):
        executors.REGISTRY.register("process")(Instant)
    with executors.create("instant", tmp_path, ExecutorOptions(threads=3)) as made:
        job = made.submit(toy.group(seeds=4).requests)
        assert len(job.requests) == 4
        ended = [job.wait() for _ in job.requests]
        assert job.done
        assert job.wait() is None
        assert [outcome.kind for _, outcome in filter(None, ended)] == ["done"] * 4
        assert compute_one(made, job.requests[0]).kind == "cached"
    assert "3 threads" in (tmp_path / "made").read_text()
    assert Store(tmp_path).keys() == sorted(request.spec.key for request in job.requests)


def test_nothing_is_a_job_too() -> None:
    job = NoJob()
    assert job.done
    assert job.wait(5.0) is None
