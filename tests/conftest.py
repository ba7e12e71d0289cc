"""A toy world that every test of the pipeline can train in a second: a tiny encoder and a CSV task."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from stabbench import Suite
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Group, Request
from stabbench.zygote import VARIABLE, Zygote
from tests.toy import save_tiny_model, write_rows

# tensors as small as here are no work for two threads: on a busy machine they only wait for each other
os.environ["OMP_NUM_THREADS"] = "1"
# our modules are compiled once, not by each of the many sessions within tests; these leave no bytecode
# behind, since a suite that a test writes anew within a second would pass for the one before it
sys.dont_write_bytecode = False
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# the hub's files lie where they lie, also for sessions with a home of their own
os.environ.setdefault("HF_HOME", str(Path("~/.cache/huggingface").expanduser()))

READ_BY_SESSIONS = ("CI", "BUILD_NUMBER", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "PY_COLORS", "FORCE_COLOR")
"""What sessions read from the environment: it says how this machine runs our tests, not what they expect."""

LEAN = ("-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:anyio")
"""For sessions within tests: what these plugins import takes each process longer than pytest itself."""

# no test asserts a time: the machine may be busy with something else
settings.register_profile("stabbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stabbench")


def pytest_configure(config: pytest.Config) -> None:
    """Let the sessions within tests print the same everywhere, and have their trainers from one zygote."""
    for name in READ_BY_SESSIONS:
        os.environ.pop(name, None)
    if not hasattr(config, "workerinput"):
        started = Zygote.start(uuid.uuid4().hex, threads=1, now=False)
        if started is not None:
            config.add_cleanup(started.close)
            os.environ[VARIABLE] = started.name


@dataclass(frozen=True)
class Toy:
    """Where the toy world lies."""

    folder: Path
    model: Path
    train: Path
    dev: Path

    def register(self) -> str:
        """Register the task `toy` in this process and return its name."""
        from stabbench.tasks import local_task

        return local_task("toy", train=self.train, dev=self.dev, text="text").name

    def group(self, strategy: str = "ours", seeds: object = 2, **options: object) -> Group:
        """Return a planned group of short runs."""
        self.register()
        suite = Suite(task="toy", models=[str(self.model)], seeds=seeds)
        plan = PlanOptions(**{"max_steps": 8, **options})
        return plan_group(suite, "toy", str(self.model), strategy, plan)

    def request(self, strategy: str = "ours", seed: int = 0, **options: object) -> Request:
        """Return one planned short run."""
        return self.group(strategy, [seed], **options).requests[0]

    def suite_file(self, seeds: object = 3, gates: str = "") -> str:
        """Return the text of a suite file."""
        default = (
            "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.5)\n\n"
            "def test_scores(stability):\n    assert stability.std < 1\n"
        )
        return (
            "import pytest\nfrom stabbench import Suite\nfrom stabbench.tasks import local_task\n\n"
            f"local_task('toy', train={str(self.train)!r}, dev={str(self.dev)!r}, text='text')\n"
            f"suite = Suite(task='toy', models=[{str(self.model)!r}], seeds={seeds!r})\n\n"
            + (gates or default)
        )


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Return the toy world."""
    folder = tmp_path_factory.mktemp("toy")
    write_rows(folder / "train.csv", 48, 1)
    write_rows(folder / "dev.csv", 30, 2)
    return Toy(folder, save_tiny_model(folder / "tiny-bert"), folder / "train.csv", folder / "dev.csv")


@pytest.fixture(autouse=True)
def _fresh_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget tasks that another test registered."""
    from stabbench import tasks

    monkeypatch.setattr(tasks.REGISTRY, "_registered", {})
