"""Both workers of a session have trainers of one zygote, and finish without it."""

from __future__ import annotations

import os
import signal

import pytest

from tests.storms.world import Storm, contents


@pytest.mark.slow
def test_a_session_whose_zygote_is_killed_in_the_middle_of_its_runs(storm: Storm, calm: Storm) -> None:
    session = storm.start("-n", "2", strategy="waits=true")
    storm.wait_until_it_waits(session, runs=2)
    _, trainers, _ = session.family()
    [zygote] = session.zygotes()
    alive = session.alive()
    assert [alive[trainer].parent for trainer in trainers] == [zygote, zygote]
    os.kill(zygote, signal.SIGKILL)
    storm.go()
    assert session.end() == 0, session.output
    assert contents(storm.store) == contents(calm.store)
