"""How the numbers and marks of a row are written: the same in every output."""

from __future__ import annotations

from stabbench.leaderboard.table import Row, State
from stabbench.metrics import Metric

MARKS = {State.RANKED: "", State.SMALL: "†", State.INCOMPLETE: "‡", State.STOPPED: "§", State.COPY: " ="}
MIXED = "¶"
"""Stands at rows whose runs were made in different environments."""

SIGNS = {"PASS": "✔", "FAIL": "✘", "INCONCLUSIVE": "?", "INCOMPLETE": ""}
DASH = "\N{EN DASH}"
"""Stands for a number that is not known, and between the ends of a range."""


def score(value: float | None, metric: Metric) -> str:
    """Return a score or deviation as people read the metric (fractions in points), or a dash."""
    return DASH if value is None else metric.text(value)


def marks(row: Row) -> str:
    """Return the marks that stand behind a row's name or deviation."""
    return MARKS[row.state] + (MIXED if row.environment else "")


def runs(row: Row) -> str:
    """Return how the planned runs of a row add up, for people."""
    parts = [f"{row.finished} of {row.planned}"]
    if row.errored:
        parts.append(f"{row.errored} errored")
    if row.missing:
        parts.append(f"{row.missing} not run")
    if row.same_as:
        parts.append(f"same final scores as {row.same_as}")
    return ", ".join(parts)
