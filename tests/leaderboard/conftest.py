from __future__ import annotations

import pytest

from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.runs import Collection
from tests.leaderboard.generate import collection


@pytest.fixture(scope="session")
def calibration() -> Collection:
    """Return five strategies x three tasks x 25 seeds."""
    return collection()


@pytest.fixture(scope="session")
def board(calibration: Collection) -> Board:
    return build(calibration)
