from __future__ import annotations

import pytest

from stabbench.leaderboard.board import Board, build
from stabbench.samples.collection import Collection, collect
from tests.leaderboard.generate import HOSTILE, PUBLISHED, collection, runs


@pytest.fixture(scope="session")
def calibration() -> Collection:
    """Return five strategies x three tasks x 25 seeds."""
    return collection()


@pytest.fixture(scope="session")
def board(calibration: Collection) -> Board:
    return build(calibration)


@pytest.fixture(scope="session")
def hostile() -> Board:
    some = [one for name in HOSTILE for one in runs([name], ["mini-rte"], range(4))]
    some += runs(["devlin"], ["<b>task</b>|x"], range(3), model="</script><i>model</i>")
    return build(collect([Collection(tuple(some))]), (PUBLISHED,))


@pytest.fixture(scope="session")
def few() -> Collection:
    return collection(["ours", "devlin"], ["mini-cola"], range(8))


@pytest.fixture(scope="session")
def small(few: Collection) -> Board:
    return build(few)
