"""Several sessions on one store at once: every run is computed once, and all of them judge the same."""

from __future__ import annotations

from collections import Counter

import pytest

from stabbench import executors
from stabbench.executors import compute_one
from tests.conftest import Toy
from tests.storms.world import Storm, contents


def verdicts(output: str) -> set[str]:
    """Return the lines of the table, whatever the widths of its columns."""
    return {" ".join(line.split()) for line in output.splitlines() if line.startswith("Stormy")}


def computed(storm: Storm) -> Counter[tuple[str, str]]:
    """Return how often each seed of each label was begun."""
    return Counter((label, seed) for seed, _, _, label in storm.told("began"))


def test_invariant_2_two_sessions_compute_each_run_once(storm: Storm, calm: Storm) -> None:
    sessions = [storm.start() for _ in range(2)]
    assert [session.end() for session in sessions] == [0, 0], sessions[0].output + sessions[1].output
    assert len(verdicts(sessions[0].output)) == 1
    assert verdicts(sessions[0].output) == verdicts(sessions[1].output)
    assert list(computed(storm).values()) == [1] * 6
    assert contents(storm.store) == contents(calm.store)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_four_sessions_that_share_strategies_compute_each_run_once(
    storm: Storm, calm: Storm, workers: tuple[str, ...]
) -> None:
    pairs = [("one", "two"), ("one", "two"), ("two", "three"), ("three", "one")]
    sessions = [
        storm.start(*workers, "--strategy", f"stormy.py:Stormy:label={second}", strategy=f"label={first}")
        for first, second in pairs
    ]
    codes = [session.end() for session in sessions]
    assert codes == [0, 0, 0, 0], "\n".join(session.output for session in sessions)
    assert sorted(computed(storm).values()) == [1] * 18
    lines = [verdicts(session.output) for session in sessions]
    assert [len(found) for found in lines] == [2, 2, 2, 2]
    assert len(set.union(*lines)) == 3
    for record in storm.store.records():
        found = {name: array.tobytes() for name, array in storm.store.arrays(record).items()}
        assert found == contents(calm.store)[record.seed]


def test_a_run_that_errored_is_not_tried_again_by_who_asked_before_it_did(
    storm: Storm, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may have seen that a run is missing just before its error was noted."""
    monkeypatch.setenv("STABBENCH_STORM_PLACE", str(storm.place))
    strategy = f"{storm.folder / 'stormy.py'}:Stormy:raises=true"
    request = toy.request(strategy).model_copy(update={"session": "this one"})
    with executors.create("process", storm.store.root) as executor:
        first = compute_one(executor, request)
        again = compute_one(executor, request)
        later = compute_one(executor, request.model_copy(update={"session": "the next one"}))
    assert first.kind == again.kind == later.kind == "errored"
    assert again.note == first.note
    assert len(storm.told("began")) == 2
