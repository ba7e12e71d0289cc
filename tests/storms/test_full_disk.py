"""A disk that is full: the session is red and says why, nothing false stays, the next session completes."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stabbench.errors import StoreError
from stabbench.runs import Store
from tests.storms.world import Storm, contents, mounted

PAGE = 4096


class Disk:
    """A small disk of its own at a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def fill(self, left: int = 0) -> None:
        """Use up all but some bytes."""
        with (self.place / "filler").open("ab", buffering=0) as file:
            while (free := self.free()) > left:
                file.write(b"\0" * min(free - left, 1 << 20))

    def free(self) -> int:
        """Return how many bytes are left."""
        state = os.statvfs(self.place)
        return state.f_bavail * state.f_frsize

    def make_room(self) -> None:
        """Give the bytes back."""
        (self.place / "filler").unlink()


@pytest.fixture
def disk(storm: Storm) -> Iterator[Disk]:
    """Return a disk of 1 MB on which the store lies."""
    place = storm.folder / ".stabbench"
    place.mkdir()
    try:
        with mounted("-t", "tmpfs", "-o", "size=1m", "none", place=place):
            yield Disk(place)
            for session in storm.sessions:
                session.kill_all()
    except PermissionError as error:
        pytest.skip(f"cannot mount a small disk here: {error}")


def says_what_to_do(output: str) -> bool:
    """Return whether a session names the full store and the way out, and shows no innards."""
    return (
        "cannot be written" in output
        and "No space left on device" in output
        and "-> free the disk" in output
        and "Traceback" not in output
        and "INTERNALERROR" not in output
        and "OSError" not in output
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "left", "raises"),
    [
        ((), 0, "false"),
        (("-n", "2"), 0, "false"),
        ((), 1, "false"),
        ((), 3, "false"),
        ((), 0, "true"),
        ((), 1, "true"),
    ],
)
def test_a_disk_that_fills_up_in_the_middle_of_a_run(
    storm: Storm, disk: Disk, calm: Storm, workers: tuple[str, ...], left: int, raises: str
) -> None:
    """With a page left a lease or a note may be written, with three the arrays but not the record."""
    session = storm.start(*workers, strategy=f"waits=true,raises={raises}")
    storm.wait_until_it_waits(session)
    disk.fill(left * PAGE)
    storm.go()
    assert session.end() == 1, session.output
    if left == 0:
        assert says_what_to_do(session.output), session.output
        assert len(storm.told("began")) <= max(1, len(workers)), "trained what cannot be kept"
    assert "Traceback" not in session.output
    assert storm.store.problems() == []
    assert len(storm.store.keys()) < 6
    assert [file for file in (disk.place / "runs").glob("*") if file.name.startswith(".")] == []
    disk.make_room()
    if raises == "false":
        again = storm.run(*workers, strategy="waits=true")
        assert again.process.returncode == 0, again.output
        assert contents(storm.store) == contents(calm.store)


def test_a_full_disk_is_refused_before_anything_is_trained(storm: Storm, disk: Disk) -> None:
    disk.fill()
    session = storm.run()
    assert session.process.returncode == 1
    assert says_what_to_do(session.output), session.output
    assert storm.told("began") == []


def test_a_complete_store_is_judged_on_a_full_disk(storm: Storm, disk: Disk, calm: Storm) -> None:
    shutil.copytree(calm.folder / ".stabbench", disk.place, dirs_exist_ok=True)
    (disk.place / "index.json").unlink(missing_ok=True)
    disk.fill()
    for replay in ([], ["--stab-replay"]):
        session = storm.run(*replay)
        assert session.process.returncode == 0, session.output
    assert not (disk.place / "index.json").exists()
    assert contents(storm.store) == contents(calm.store)


def test_a_report_on_a_full_disk_makes_the_session_red(storm: Storm, disk: Disk, calm: Storm) -> None:
    """The report is pytest's own, and so are its words."""
    shutil.copytree(calm.folder / ".stabbench", disk.place, dirs_exist_ok=True)
    disk.fill()
    session = storm.run("--stab-replay", "--junit-xml", str(disk.place / "junit.xml"))
    assert session.process.returncode != 0
    assert "No space left on device" in session.output


@pytest.fixture
def file_limit() -> Iterator[Callable[[int], None]]:
    """Return how to limit the size of every file that this process writes: a full disk for everybody."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_whatever_does_not_fit_is_a_store_error_and_leaves_nothing(
    calm: Storm, tmp_path: Path, file_limit: Callable[[int], None]
) -> None:
    source = next(calm.store.records())
    arrays = calm.store.arrays(source)
    folder = calm.store.folder(source.key)
    sizes = sorted(file.stat().st_size for file in folder.iterdir())
    store = Store(tmp_path / "store")
    for size in [0, 1, *(size - 1 for size in sizes)]:
        file_limit(size)
        for write in (lambda: store.write(source, arrays), lambda: store.adopt(folder)):
            with pytest.raises(StoreError, match="cannot be written"):
                write()
        file_limit(resource.RLIM_INFINITY)
        assert store.keys() == []
        assert list((store.root / "runs").iterdir()) == []
    file_limit(sizes[-1])
    assert store.read(store.write(source, arrays).key) == source


def test_notes_that_do_not_fit_are_store_errors(
    calm: Storm, tmp_path: Path, file_limit: Callable[[int], None], toy
) -> None:
    store = Store(tmp_path / "store")
    note = toy.request().errored("crash", "it ended", "its log")
    file_limit(8)
    with pytest.raises(StoreError, match="cannot be written"):
        store.note_error(note)
    with pytest.raises(StoreError, match="cannot be written"):
        store.note_stopped("group", range(25))
    file_limit(resource.RLIM_INFINITY)
    assert store.errors() == []
    assert store.stopped() == {}
    assert [file for file in store.root.rglob("*") if file.is_file()] == []
