"""Stores that cannot be written, that vanish, that are something else, and in odd places."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stabbench.errors import StoreError
from stabbench.runs import Store
from tests.storms.world import Storm, contents, mounted

SLOW = pytest.mark.slow


@pytest.fixture
def read_only(replayed: Storm) -> Iterator[Storm]:
    """Return a project with a complete store that nobody can write; modes do not bind root, a mount does."""
    place = replayed.folder / ".stabbench"
    (place / "index.json").unlink(missing_ok=True)
    with ExitStack() as stack:
        if os.getuid() == 0:
            try:
                stack.enter_context(mounted("--bind", str(place), place=place))
            except PermissionError as error:
                pytest.skip(f"cannot make a folder read-only here: {error}")
            subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)
        else:
            folders = [place, *(path for path in place.rglob("*") if path.is_dir())]
            for folder in folders:
                folder.chmod(0o555)
                stack.callback(folder.chmod, 0o755)
        yield replayed


@pytest.mark.parametrize(
    "replay", [("--stab-replay",), pytest.param((), marks=SLOW), pytest.param(("-n", "2"), marks=SLOW)]
)
def test_a_complete_store_that_cannot_be_written_is_judged(
    read_only: Storm, calm: Storm, replay: tuple[str, ...]
) -> None:
    session = read_only.run(*replay)
    assert session.process.returncode == 0, session.output
    assert read_only.told("began") == []
    assert contents(read_only.store) == contents(calm.store)


def test_a_store_that_cannot_be_written_is_no_place_to_train(read_only: Storm) -> None:
    session = read_only.run("--stab-seeds", "8")
    assert session.process.returncode == 1
    assert f"the store {read_only.store.root} cannot be written" in session.output
    assert "-> free the disk or its permissions" in session.output
    assert "Traceback" not in session.output
    assert "OSError" not in session.output
    assert read_only.told("began") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "successor"),
    [((), "nothing"), ((), "a file"), ((), "a circle"), (("-n", "2"), "nothing")],
)
def test_a_store_deleted_while_a_session_trains(
    storm: Storm, calm: Storm, workers: tuple[str, ...], successor: str
) -> None:
    session = storm.start(*workers, strategy="waits=true")
    storm.wait_until_it_waits(session)
    place = storm.folder / ".stabbench"
    shutil.rmtree(place)
    if successor == "a file":
        place.write_text("")
    if successor == "a circle":
        place.symlink_to(place)
    storm.go()
    code = session.end()
    assert "Traceback" not in session.output
    assert "INTERNALERROR" not in session.output
    assert "OSError" not in session.output
    if successor != "nothing":
        assert code == 1
        assert "cannot be" in session.output
        place.unlink()
    elif code == 0:
        assert len(storm.store.keys()) == 6
    again = storm.run(*workers, strategy="waits=true")
    assert again.process.returncode == 0, again.output
    assert contents(storm.store) == contents(calm.store)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b", "ünï ço 漢 🌩", "new\nline", "-n", "'quoted\" $HOME", "x" * 250])
def test_a_store_in_an_odd_place(storm: Storm, calm: Storm, name: str) -> None:
    shutil.copytree(calm.folder / ".stabbench", storm.folder / name)
    session = storm.run(f"--stab-store={name}", "--stab-seeds", "7")
    assert session.process.returncode == 0, session.output
    assert len(storm.told("began")) == 1
    assert len(Store(storm.folder / name).keys()) == 7
    assert not (storm.folder / ".stabbench").exists()


@pytest.mark.parametrize(
    ("name", "replay"),
    [("x" * 300, ()), ("/".join(["deep"] * 1000), ("--stab-replay",))],
    ids=["a name to train in", "a path to judge from"],
)
def test_a_place_that_cannot_be_is_refused(storm: Storm, name: str, replay: tuple[str, ...]) -> None:
    session = storm.run(f"--stab-store={name}", *replay)
    assert session.process.returncode == 1
    assert "File name too long" in session.output
    assert "-> " in session.output
    assert "Traceback" not in session.output
    assert "OSError" not in session.output
    with pytest.raises(StoreError, match="File name too long"):
        Store(storm.folder / name).keys()


@pytest.mark.parametrize(
    "part",
    [
        ".stabbench/runs",
        pytest.param(".stabbench", marks=SLOW),
        pytest.param(".stabbench/leases", marks=SLOW),
    ],
)
def test_a_link_to_another_disk(storm: Storm, calm: Storm, part: str, tmp_path: Path) -> None:
    """Who is short of space moves the store's largest folder and leaves a link."""
    elsewhere = Path("/dev/shm")
    if not os.access(elsewhere, os.W_OK) or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("has no second disk")
    shutil.copytree(calm.folder / ".stabbench", storm.folder / ".stabbench")
    moved = Path(tempfile.mkdtemp(dir=elsewhere)) / "moved"
    shutil.move(storm.folder / part, moved)
    (storm.folder / part).symlink_to(moved)
    try:
        session = storm.run("--stab-seeds", "7")
        assert session.process.returncode == 0, session.output
        assert len(storm.told("began")) == 1
        assert len(storm.store.keys()) == 7
        assert storm.store.problems() == []
    finally:
        shutil.rmtree(moved.parent)
