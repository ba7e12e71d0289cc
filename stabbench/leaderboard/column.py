"""What a column of the leaderboard is: a value of each row, and how people read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from stabbench.errors import StabbenchError
from stabbench.leaderboard import text
from stabbench.leaderboard.table import Row


class Estimate(NamedTuple):
    """A value with its interval: three entries of the data files, one cell of a table."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Cell:
    """How people read a value.

    Attributes:
        text: the value.
        interval: its interval, without brackets; shown where there is room for it.
        before: a mark in front of the value.
        after: marks behind it.
        key: what the page sorts by; ``None`` = unknown, which always comes last.
        hint: what the page says of this one cell when it is pointed at.
    """

    text: str
    interval: str = ""
    before: str = ""
    after: str = ""
    key: float | str | None = None
    hint: str = ""


def plain(value: Any, row: Row) -> Cell:
    """Show a name or a count as it is."""
    return Cell(text.DASH if value is None else str(value), key=value)


def score(value: float | None, row: Row) -> Cell:
    """Show a score or a deviation: fractions in points, anything else as it was measured."""
    return Cell(text.score(value, row.scored_by), key=value)


def estimate(value: Estimate, row: Row) -> Cell:
    """Show a score or a deviation with its interval."""
    middle, *ends = (text.score(part, row.scored_by) for part in value)
    return Cell(middle, interval="" if None in value else text.DASH.join(ends), key=value.value)


def percent(value: float | None, row: Row) -> Cell:
    """Show a share in per cent."""
    return Cell(text.DASH if value is None else f"{100 * value:.1f} %", key=value)


@dataclass(frozen=True)
class Column:
    """A column of the leaderboard, in every output.

    Attributes:
        name: its name in JSON and CSV.
        about: what it is, in a sentence; the page says it when the head is pointed at.
        value: returns its value for a row: plain JSON, an ``Estimate``, or a tuple (a list in JSON, numbered
            columns in CSV).
        show: returns how people read a value.
        head: its head in tables; default: its name.
        level: what its interval covers, for the head ("95 %").
        align: the side at which its cells are aligned.
    """

    name: str
    about: str
    value: Callable[[Row], Any]
    show: Callable[[Any, Row], Cell] = plain
    head: str = ""
    level: str = ""
    align: Literal["left", "right"] = "right"

    @property
    def title(self) -> str:
        """Its head in tables."""
        return self.head or self.name

    def cell(self, row: Row) -> Cell:
        """Return how people read its value in a row."""
        return self.show(row.values[self.name], row)

    def entries(self, row: Row) -> dict[str, Any]:
        """Return what data files hold of it, by name, as plain JSON values."""
        value = row.values[self.name]
        if isinstance(value, Estimate):
            return {self.name: value.value, f"{self.name}_low": value.low, f"{self.name}_high": value.high}
        return {self.name: list(value) if isinstance(value, tuple) else value}


@dataclass(frozen=True)
class Layout:
    """Which columns each output shows, in order. A column may be shown in another way by each.

    Attributes:
        data: the entries of CSV and JSON.
        overview: Markdown's table of a model, for each of its tasks.
        details: Markdown's table of a task, behind the strategy.
        latex: the LaTeX table of a model, for each of its tasks.
        page: the page's table, from the strategy on.

    Raises:
        StabbenchError: when two columns of different values bear one name.
    """

    data: tuple[Column, ...]
    overview: tuple[Column, ...]
    details: tuple[Column, ...]
    latex: tuple[Column, ...]
    page: tuple[Column, ...]

    def __post_init__(self) -> None:
        known = {column.name: column.value for column in self._shown()}
        for column in self._shown():
            if known[column.name] is not column.value:
                raise StabbenchError(
                    f"two columns of the leaderboard are called {column.name!r}.", "rename one of them."
                )

    def _shown(self) -> tuple[Column, ...]:
        return self.data + self.overview + self.details + self.latex + self.page

    def values(self, row: Row) -> dict[str, Any]:
        """Return the value of each column for a row, by the column's name."""
        return {name: column.value(row) for name, column in {c.name: c for c in self._shown()}.items()}
