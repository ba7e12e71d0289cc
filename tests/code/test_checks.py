"""Linters, types, and the published figures; `make lint` runs these alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command",
    [
        "mypy",
        "ruff check .",
        "ruff format --check .",
        "stabbench leaderboard --archive baselines/mini.runs.jsonl.gz --check",
    ],
)
def test_nothing_is_found(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
