"""Forty SIGKILLs at random moments: nothing finished is lost, nobody stays behind, nothing is green."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stabbench.runs import Store
from tests.pytest_plugin.conftest import JUDGED, Project

KILLS = 40
SEEDS = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]


def processes(store: Path) -> dict[int, tuple[int, str]]:
    """Return parent and command of every process by its number."""
    found = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            found[int(place.name)] = (int(parent), command)
    return found


def family(root: int, store: Path) -> dict[str, list[int]]:
    """Return the processes of a session: controller, workers, trainers."""
    everyone = processes(store)
    workers = [n for n, (parent, _) in everyone.items() if parent == root]
    trainers = [
        n
        for n, (_, command) in everyone.items()
        if "stabbench.training.process" in command and str(store) in command
    ]
    return {"controller": [root], "worker": workers, "trainer": trainers}


def test_forty_kills(toy, tmp_path: Path) -> None:
    chance = random.Random(0)
    project = Project(tmp_path / "project", toy)
    project.folder.mkdir()
    (project.folder / "pyproject.toml").write_text("")
    project.write_suite(seeds=SEEDS, gates=JUDGED)
    root = project.folder / ".stabbench"
    store = Store(root)
    command = [sys.executable, "-m", "pytest", "suites/toy", "-n", "2", "-q", "--stab-max-steps", "400"]
    killed = dict.fromkeys(("trainer", "worker", "controller"), 0)
    finished: dict[str, bytes] = {}
    number = 0
    while sum(killed.values()) < KILLS:
        number += 1
        session = subprocess.Popen(
            [*command, "--stab-set", f"warmup_ratio=0.{20 + number // 4}"],
            cwd=project.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        planned_kills, controller_killed = chance.randint(1, 3), False
        for _ in range(planned_kills):
            time.sleep(chance.uniform(2, 9))
            if session.poll() is not None:
                break
            kind = chance.choice(("trainer", "trainer", "worker", "controller"))
            victims = family(session.pid, root)[kind]
            if not victims:
                continue
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed[kind] += 1
            if kind == "controller":
                controller_killed = True
                break
        if not controller_killed:
            try:
                output, _ = session.communicate(timeout=240)
            except subprocess.TimeoutExpired:
                session.kill()
                pytest.fail("a session hangs after a kill")
            if session.returncode == 0:
                assert "errored" not in output, output
        session.wait()
        assert session.stdout is not None
        session.stdout.close()
        deadline = time.monotonic() + 60  # the machine may be busy
        while family(session.pid, root)["trainer"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert family(session.pid, root)["trainer"] == [], "a trainer outlived its session"
        for key, record in finished.items():
            assert (store.folder(key) / "record.json").read_bytes() == record, (
                "a finished run was lost or redone"
            )
        finished = {key: (store.folder(key) / "record.json").read_bytes() for key in store.keys()}  # noqa: SIM118 - a store is no dict
        assert store.problems() == []
    print(f"{killed}, {number} sessions, {len(finished)} runs kept")
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert sum(record.spec.work.recipe.warmup_ratio == 0.1 for record in store.records()) == SEEDS
