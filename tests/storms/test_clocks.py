"""Clocks that are wrong, that differ, and that are set back: sessions use none to decide anything."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.storms.world import Storm, contents

HOUR = 3600


ANOTHER_CLOCK = """
import os, time
from pathlib import Path

right, place = time.time, Path(os.environ["STORM_CLOCK"])
time.time = lambda: right() + float(place.read_text())
"""


class Clock:
    """The clock that sessions and trainers read, hours away from the right one; files keep the right time.

    Python itself puts it in place: libfaketime cannot change under a process that sleeps (``EINVAL``).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(ANOTHER_CLOCK)
        self.place = folder / "clock"
        self.set(0)
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        self.variables = {"PYTHONPATH": path, "STORM_CLOCK": str(self.place)}

    def set(self, hours: int) -> None:
        """Set the clock, in one step."""
        fresh = self.place.with_suffix(".new")
        fresh.write_text(str(hours * HOUR))
        fresh.replace(self.place)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


def tries(storm: Storm) -> list[int]:
    """Return how often each seed was begun."""
    return sorted(Counter(words[0] for words in storm.told("began")).values())


def tried_at_most(storm: Storm, most: int) -> None:
    """Fail at once when a run is tried again in one session: that may go on for ever."""
    assert max(tries(storm), default=0) <= most, storm.sessions[-1].output


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [-24 * HOUR, 24 * HOUR])
def test_an_error_is_tried_once_in_each_session_whenever_it_was_noted(storm: Storm, ahead: int) -> None:
    """A file server's clock differs from this machine's."""
    arguments = ("--stab-seeds", "2")
    for session in (1, 2):
        found = storm.run(*arguments, strategy="raises=true")
        assert found.process.returncode == 1, found.output
        assert tries(storm) == [session, session], found.output
        for note in (storm.folder / ".stabbench" / "errors").iterdir():
            moment = time.time() + ahead
            os.utime(note, (moment, moment))


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1])
def test_an_error_is_tried_once_by_a_clock_that_is_wrong(storm: Storm, clock: Clock, hours: int) -> None:
    clock.set(hours)
    for session in (1, 2):
        found = storm.start("-n", "2", "--stab-seeds", "3", strategy="raises=true", **clock.variables)
        assert found.end(meanwhile=lambda most=session: tried_at_most(storm, most)) == 1, found.output
        assert "as it was told to" in found.output
        assert tries(storm) == [session] * 3


@pytest.mark.slow
@pytest.mark.parametrize(("raises", "hours"), [("false", -1), ("true", 1)])
def test_a_clock_that_is_set_in_the_middle_of_a_session(
    storm: Storm, calm: Storm, clock: Clock, raises: str, hours: int
) -> None:
    session = storm.start("-n", "2", strategy=f"waits=true,raises={raises}", **clock.variables)
    storm.wait_until_it_waits(session, runs=2)
    clock.set(hours)
    storm.go()
    assert session.end() == (1 if raises == "true" else 0), session.output
    assert tries(storm) == [1] * 6
    if raises == "false":
        assert contents(storm.store) == contents(calm.store)


@pytest.mark.slow
def test_the_live_line_stays_sane_when_the_clock_is_set_back(storm: Storm, clock: Clock) -> None:
    """A killed session left a file that says what it does; it is a minute old, then an hour too new."""
    left = storm.folder / ".stabbench" / "progress" / "1.json"
    left.parent.mkdir(parents=True)
    state = {"key": "0" * 64, "step": 10**6, "total": 10**9, "steps_per_second": 12345678.0}
    left.write_text(json.dumps({**state, "time": time.time() - 60}))
    controller, terminal = os.openpty()
    session = storm.start(strategy="waits=true", terminal=terminal, **clock.variables)
    os.close(terminal)
    written = bytearray()
    drawn_before = None
    try:
        while chunk := os.read(controller, 4096):
            written += chunk
            lines = written.count(b"0/6 runs")
            if drawn_before is None and storm.told("waiting"):
                clock.set(-1)
                drawn_before = lines
            if drawn_before is not None and lines > drawn_before + 1:
                storm.go()
    except OSError:  # Linux: the other end was closed
        pass
    os.close(controller)
    assert session.end() == 0, written.decode()
    assert "12345678" not in written.decode()
    for left_over in re.findall(r"about ([^\r\n]*) left", written.decode()):
        assert re.fullmatch(r"\d+ (s|min)", left_over), left_over
