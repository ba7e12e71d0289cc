"""A project for storms, which leaves no process behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Toy
from tests.storms.world import Storm


@pytest.fixture(autouse=True)
def _linux() -> None:
    """Skip where nobody can tell who is alive."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc")


@pytest.fixture
def storm(toy: Toy, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Storm]:
    """Return a project with an empty store; in slow tests its sessions share no process with others."""
    own_zygote = request.node.get_closest_marker("slow") is not None
    made = Storm(tmp_path / "project", toy, own_zygote)
    yield made
    for session in made.sessions:
        session.kill_all()


@pytest.fixture(scope="session")
def calm(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Storm:
    """Return a project whose runs were computed undisturbed."""
    made = Storm(tmp_path_factory.mktemp("calm") / "project", toy, own_zygote=False)
    session = made.run()
    assert session.process.returncode == 0, session.output
    return made


@pytest.fixture
def replayed(storm: Storm, calm: Storm) -> Storm:
    """Return a project with a copy of the undisturbed store."""
    shutil.copytree(calm.folder / ".stabbench", storm.folder / ".stabbench")
    return storm
