"""A grid that was stopped early is known as such from its store alone, so it is never ranked."""

from __future__ import annotations

from pathlib import Path

from stabbench.leaderboard.board import build
from stabbench.leaderboard.table import State
from stabbench.runs import Store
from stabbench.samples.collection import collect
from stabbench.samples.reader import read_store
from tests.samples.records import STEADY, records


def test_a_stopped_grid_is_not_ranked_until_it_is_completed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    runs = records([*([146] * 9), *STEADY[:16]])
    for run in runs[:22]:
        store.write(run)
    store.note_stopped(runs[0].group, range(25))
    (row,) = build(collect([read_store(store)])).rows
    assert row.state is State.STOPPED
    assert row.mean is None
    for run in runs[22:]:
        store.write(run)
    (row,) = build(collect([read_store(store)])).rows
    assert row.state is State.RANKED
