"""What sessions leave in the folder for temporary files: nothing, whatever their end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.storms.world import Storm


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def left_in(folder: Path) -> list[Path]:
    """Return what lies in a folder, besides what pytest keeps there of its last sessions."""
    return [place for place in folder.iterdir() if not place.name.startswith("pytest-of-")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "raises"),
    [((), "true"), (("-n", "2"), "false"), (("-n", "2", "--stab-save-models"), "false")],
)
def test_a_session_leaves_nothing(
    storm: Storm, temporary: Path, arguments: tuple[str, ...], raises: str
) -> None:
    session = storm.run(*arguments, strategy=f"raises={raises}", TMPDIR=str(temporary))
    assert session.process.returncode == (1 if raises == "true" else 0), session.output
    assert left_in(temporary) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "number"),
    [
        ("controller", signal.SIGKILL),
        ("controller", signal.SIGTERM),
        ("controller", signal.SIGINT),
        ("worker", signal.SIGKILL),
        ("trainer", signal.SIGKILL),
    ],
)
def test_nor_does_one_that_is_killed_in_the_middle_of_a_run(
    storm: Storm, temporary: Path, who: str, number: signal.Signals
) -> None:
    """Only a run killed while it saves its model leaves that, in a folder of its own."""
    session = storm.start("-n", "2", strategy="waits=true", TMPDIR=str(temporary))
    storm.wait_until_it_waits(session, runs=2)
    workers, trainers, _ = session.family()
    os.kill({"controller": session.process.pid, "worker": workers[0], "trainer": trainers[0]}[who], number)
    storm.go()
    assert session.end() != 0 or len(storm.store.keys()) == 6, session.output
    assert left_in(temporary) == []
