"""Seventy signals at random moments: nothing is lost, nothing is computed twice, nobody stays behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stabbench.training.streams import generator
from tests.storms.world import LIMIT, Session, Storm, contents

KILL, PAUSE, STOP = "killed", "paused", "stopped for good"
STORM = {
    ("run", KILL): 18,
    ("run", PAUSE): 5,
    ("run", STOP): 3,
    ("trainer", KILL): 8,
    ("trainer", PAUSE): 4,
    ("trainer", STOP): 2,
    ("child", KILL): 5,
    ("child", STOP): 5,
    ("worker", KILL): 6,
    ("worker", PAUSE): 4,
    ("controller", KILL): 4,
    ("controller", PAUSE): 3,
}
"""How often which process gets which signal, 67 in all. There is no limit for a worker that was stopped."""

SEEDS_A_SESSION = 10


class Watch:
    """Knows every record from the moment at which it is first seen, and holds the store to it."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.seen: dict[str, int] = {}

    def look(self) -> None:
        """Learn of new records; one that was rewritten was computed twice."""
        for key in self.storm.store.keys():  # noqa: SIM118 - a store is no dict
            written = (self.storm.store.folder(key) / "record.json").stat().st_mtime_ns
            assert self.seen.setdefault(key, written) == written, f"the run {key} was computed twice"

    def check(self) -> None:
        """Check that all is still there, and that nothing was begun again after it had its record."""
        self.look()
        store = self.storm.store
        assert set(self.seen) == set(store.keys()), "a finished run was lost"
        assert store.problems() == []
        ended = {generator(record.seed, "strategy").initial_seed(): record.key for record in store.records()}
        for seed, pid, moment, _ in self.storm.told("began"):
            key = ended.get(int(seed))
            if key is not None:
                late = float(moment) - self.seen[key] / 1e9
                assert late < 0, f"process {pid} began the run {key} {late:.2f} s after its end"


def victims(session: Session, storm: Storm, kind: str) -> list[int]:
    """Return the living processes of a kind."""
    workers, trainers, below = session.family()
    forked = {int(pid) for [pid] in storm.told("children")}
    return {
        "controller": [session.process.pid],
        "worker": workers,
        "trainer": trainers,
        "run": [pid for pid in below if pid not in forked],
        "child": [pid for pid, process in session.alive().items() if pid in forked and process.state != "T"],
    }[kind]


def strike(session: Session, storm: Storm, watch: Watch, kind: str, how: str, chance: random.Random) -> bool:
    """Send a signal at a random moment; return whether somebody got it before the session ended."""
    moment = time.monotonic() + chance.uniform(0.1, 1.2)
    while session.running:
        watch.look()
        time.sleep(0.02)
        if time.monotonic() < moment:
            continue
        try:
            target = chance.choice(victims(session, storm, kind))
            os.kill(target, signal.SIGKILL if how == KILL else signal.SIGSTOP)
        except (IndexError, ProcessLookupError):  # nobody there now
            assert time.monotonic() < moment + LIMIT, f"no {kind} for a long time:\n{session.output}"
            continue
        print(f"{kind} {target} {how}", file=sys.stderr)
        if how == PAUSE:
            time.sleep(chance.uniform(0.1, 0.8))
            with contextlib.suppress(ProcessLookupError):  # its session did not wait for it
                os.kill(target, signal.SIGCONT)
        return True
    return False


def storms(chance: random.Random) -> Iterator[list[tuple[str, str]]]:
    """Yield the strikes of each session; a controller's death is a session's last."""
    strikes = list(Counter(STORM).elements())
    chance.shuffle(strikes)
    while strikes:
        deaths = [number for number, strike in enumerate(strikes[:12]) if strike == ("controller", KILL)]
        end = deaths[0] + 1 if deaths else 12
        yield strikes[:end]
        del strikes[:end]


@pytest.mark.slow
def test_a_storm_of_signals(storm: Storm, toy, tmp_path: Path) -> None:
    chance = random.Random(0)
    watch = Watch(storm)
    delivered: Counter[tuple[str, str]] = Counter()
    left: list[tuple[str, str]] = []
    plan = storms(chance)
    for number in itertools.count(1):
        strikes = left or next(plan, [])
        if not strikes:
            break
        seeds = number * SEEDS_A_SESSION
        session = storm.start(
            *("-n", "2", "--stab-timeout", "15", "-m", "stab_run", "--stab-seeds", str(seeds)),
            strategy="forks=true",
        )
        left = []
        for kind, how in strikes:
            if strike(session, storm, watch, kind, how, chance):
                delivered[kind, how] += 1
            else:
                left.append((kind, how))
        code = session.end(meanwhile=watch.look)
        print(f"session {number}: exit code {code}, {len(watch.seen)} runs", file=sys.stderr)
        watch.check()
        if code == 0:
            assert len(watch.seen) == seeds, f"green without all its runs:\n{session.output}"
    assert delivered == Counter(STORM)
    last = storm.run("-n", "2", "-m", "stab_run", "--stab-seeds", str(seeds), strategy="forks=true")
    assert last.process.returncode == 0, last.output
    watch.check()

    calm = Storm(tmp_path / "calm", toy)
    quiet = calm.run("-n", "2", "-m", "stab_run", "--stab-seeds", str(seeds), strategy="forks=true")
    assert quiet.process.returncode == 0, quiet.output
    assert contents(storm.store) == contents(calm.store)
    assert len(watch.seen) == seeds
