"""The leaderboard as data files: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from stabbench.leaderboard.board import Board
from stabbench.leaderboard.columns import TRIES
from stabbench.text import json_text


def to_json(board: Board) -> str:
    """Return the tables as indented JSON, made to be compared line by line."""
    text = json.dumps(board.to_json(), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return json_text(text) + "\n"


def to_csv(board: Board) -> str:
    """Return one line per row, scores in the metric's own unit, an empty cell where nothing is known.

    Names are exact, whatever they hold: programs read it, and look rows up by them.
    """
    lines = [_flat(row) for row in board.entries]
    buffer = io.StringIO()
    if lines:
        writer = csv.DictWriter(buffer, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return buffer.getvalue()


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list):
            flat |= {f"{name}_{k}": part for k, part in zip(TRIES, value, strict=True)}
        else:
            flat[name] = value
    return flat
