"""A run that errored is tried once in a session, and again in the next, whatever the clocks say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stabbench.cli import main
from stabbench.runs import Store
from tests.pytest_plugin.conftest import Project

FAILING = """
import os
from pathlib import Path
from instant import Instant, InstantJob
from stabbench.executors import Outcome

class Failing(Instant):
    def submit(self, requests):
        return Job(self.store, tuple(requests))

class Job(InstantJob):
    def end(self, request):
        before = self._store.error(request.spec.key)
        if before is not None and before.session == request.session:  # of another worker, meanwhile
            return Outcome("errored", before)
        with Path("tries").open("a") as tries:
            tries.write(request.spec.key + "\\n")
        note = request.errored("crash", "as ever", "")
        self._store.note_error(note)
        place = self._store.root / "errors" / f"{note.key}.json"
        os.utime(place, (TIME, TIME))  # what a file server's clock, or one that was set, may say
        return Outcome("errored", note)
"""


@pytest.mark.parametrize(
    ("workers", "time"), [([], 1_000_000_000), ([], 4_000_000_000), (["-n", "2"], 1_000_000_000)]
)
def test_once_a_session(instant: Project, workers: list[str], time: int) -> None:
    (instant.folder / "failing.py").write_text(FAILING.replace("TIME", str(time)))
    tries = instant.folder / "tries"
    for session in (1, 2):
        found = instant.run("--stab-executor", "failing.py:Failing", *workers, "suites/toy")
        assert found.code == 1, found.output
        assert "errored (crash): as ever" in found.output
        tried = tries.read_text().split()
        assert len(set(tried)) == 3
        assert sorted(tried) == sorted([*set(tried)] * session)


def test_a_note_says_which_session_asked(instant: Project) -> None:
    (instant.folder / "failing.py").write_text(FAILING.replace("TIME", "1_000_000_000"))
    store = Store(Path(instant.folder / ".stabbench"))
    sessions = []
    for _ in range(2):
        instant.run("--stab-executor", "failing.py:Failing", "suites/toy")
        notes = [note for key in store.errors() if (note := store.error(key)) is not None]
        assert all(note.spec is not None for note in notes)
        sessions.append({note.session for note in notes})
    first, second = sessions
    assert len(first) == len(second) == 1
    assert first != second


def test_the_commands_that_a_session_tells_can_be_given_as_they_stand(
    instant: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (instant.folder / "failing.py").write_text(FAILING.replace("TIME", "1_000_000_000"))
    judged = instant.run("--stab-store", "my runs", "suites/toy")
    errored = instant.run("--stab-store", "my errors", "--stab-executor", "failing.py:Failing", "suites/toy")
    monkeypatch.chdir(instant.folder)
    for session, label, code, said in (
        (judged, "what happened", 0, "ours on toy"),
        (errored, "full log", 1, "errored (crash): as ever"),
    ):
        told = re.search(rf"{label}: stabbench (.*)", session.output)
        assert told is not None, session.output
        assert main(shlex.split(told[1])) == code, told[1]
        assert said in capsys.readouterr().out
