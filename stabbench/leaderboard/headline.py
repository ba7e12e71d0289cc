"""What a leaderboard says about a model, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from stabbench.leaderboard.board import Board
from stabbench.leaderboard.table import Row, State

NAMED = 3
"""How many strategies a sentence names."""


def headline(board: Board, model: str) -> str:
    """Return a sentence about the ranked strategies of a model: the first, how many PASS, which FAIL.

    First can only be one that is ranked on every task of the model.
    """
    ranked: dict[str, list[Row]] = {}
    for row in board.rows:
        if row.model == model and row.state is State.RANKED:
            ranked.setdefault(row.strategy, []).append(row)
    if not ranked:
        rows = [row for row in board.rows if row.model == model]
        return f"With {model} no strategy has the complete 20 seeds that a place needs: {_at_chance(rows)}."
    failing = [name for name, rows in ranked.items() if any(row.verdict == "FAIL" for row in rows)]
    passing = [name for name, rows in ranked.items() if all(row.verdict == "PASS" for row in rows)]
    parts = []
    tasks = len(board.tasks(model))
    first = next((name for name in board.strategies(model) if len(ranked.get(name, ())) == tasks), None)
    if first is not None and first not in failing:
        parts.append(f"{first} stands first ({_at_chance(ranked[first])})")
    parts.append(f"{len(passing)} of {len(ranked)} ranked strategies PASS on all their tasks")
    if failing:
        rows = [row for name in failing for row in ranked[name]]
        verb = "FAILs" if len(failing) == 1 else "FAIL"
        parts.append(f"{_listed(failing)} {verb} on one or more ({_at_chance(rows)})")
    else:
        parts.append("none FAILs")
    return f"With {model}, {', '.join(parts[:-1])}, and {parts[-1]}."


def _at_chance(rows: Sequence[Row]) -> str:
    return f"{sum(row.at_chance for row in rows)} of {sum(row.finished for row in rows)} runs at chance"


def _listed(names: Sequence[str]) -> str:
    """Return some names as people list them, the first few of many."""
    shown, rest = list(names[:NAMED]), len(names) - NAMED
    if rest > 0:
        shown.append(f"{rest} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
