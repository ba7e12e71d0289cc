"""A toy column, defined in one place."""

from __future__ import annotations

from dataclasses import replace

from stabbench.leaderboard.column import Column, Layout, score
from stabbench.leaderboard.columns import LAYOUT
from stabbench.leaderboard.table import Row


def worst(row: Row) -> float:
    return min(run.record.last.value for run in row.runs.runs)


TOY = Column("worst", "The worst score of all runs.", worst, score, head="worst & least")


def with_everywhere(column: Column) -> Layout:
    """Return the layout with one more column, last in every output."""
    return replace(
        LAYOUT,
        data=(*LAYOUT.data, column),
        overview=(*LAYOUT.overview, column),
        details=(*LAYOUT.details, column),
        latex=(*LAYOUT.latex, column),
        page=(*LAYOUT.page, column),
    )
