"""Fixtures for the project's own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with real task data and golden values, which is not part of the project."""
    place = os.environ.get("STABBENCH_SHARED")
    if not place:
        pytest.skip("STABBENCH_SHARED is not set: no folder with real data and golden values here")
    return Path(place)
