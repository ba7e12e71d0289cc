"""The leaderboard as data files: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
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
    rows = [_flat(row) for row in board.entries]
    return "".join(map(_line, (list(rows[0]), *(row.values() for row in rows)))) if rows else ""


def _line(cells: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)  # it quotes the characters that end its lines
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list):
            flat |= {f"{name}_{k}": part for k, part in zip(TRIES, value, strict=True)}
        else:
            flat[name] = value
    return flat
