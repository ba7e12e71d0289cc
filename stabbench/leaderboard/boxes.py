"""Runs as marks over boxes, in matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from stabbench.leaderboard.pictures import AT_CHANCE, FAILED, LEARNED, box

TEXT, GRID = "#24292f", "#d0d7de"
GOOD, BAD = "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito, for runs that learned and the others; their markers differ too."""

Point = tuple[float, float]
GAP: Point = (np.nan, np.nan)
"""Where a line is interrupted."""


def boxes(axes: Axes, cells: Sequence[tuple[int, Sequence[Any]]], vertical: bool) -> None:
    """Draw a box at each place, and its runs ([seed, score, kind]) over it."""
    cells = [(place, runs) for place, runs in cells if runs]
    if not cells:
        return
    for line, width in zip(_outlines(cells), (0.8, 1.6), strict=True):
        values, across = zip(*line, strict=True)
        line_x, line_y = (across, values) if vertical else (values, across)
        axes.plot(line_x, line_y, color=TEXT, linewidth=width, solid_capstyle="butt")
    scores = [score for _, runs in cells for _, score, _ in runs]
    kinds = [kind for _, runs in cells for *_, kind in runs]
    # spread by the golden ratio, so that it is the same every time
    places = [
        place + (number * 0.618034 % 1 - 0.5) * 0.5 for place, runs in cells for number in range(len(runs))
    ]
    x, y = (places, scores) if vertical else (scores, places)
    dots(axes, x, y, kinds)


def _outlines(cells: Sequence[tuple[int, Sequence[Any]]]) -> tuple[list[Point], list[Point]]:
    """Return the lines of all boxes with their whiskers (1.5 times the quartiles' distance), and the medians.

    Two lines in all, where matplotlib's own boxes take six each: half the work for a hundred strategies.
    """
    lines: list[Point] = []
    medians: list[Point] = []
    for place, runs in cells:
        low, q1, middle, q3, high = box([score for _, score, _ in runs])
        left, right = place - 0.3, place + 0.3
        lines += [(q1, place), (q1, left), (q3, left), (q3, right), (q1, right), (q1, place)]
        lines += [(low, place), GAP, (q3, place), (high, place), GAP]
        for end in (low, high):
            lines += [(end, place - 0.15), (end, place + 0.15), GAP]
        medians += [(middle, left), (middle, right), GAP]
    return lines, medians


def dots(axes: Axes, x: Any, y: Any, kinds: Sequence[str]) -> None:
    """Draw runs: a point learned, a ring is at chance, a cross failed."""
    x, y, kind = np.asarray(x, float), np.asarray(y, float), np.asarray(kinds)
    looks: dict[str, dict[str, Any]] = {
        LEARNED: {"marker": "o", "ms": 3.2, "color": GOOD, "alpha": 0.65, "mew": 0},
        AT_CHANCE: {"marker": "o", "ms": 3.6, "color": BAD, "fillstyle": "none", "mew": 1.0},
        FAILED: {"marker": "x", "ms": 4.2, "color": BAD, "mew": 1.1},
    }
    for name, look in looks.items():
        axes.plot(x[kind == name], y[kind == name], linestyle="", zorder=3, **look)
