"""Texts with the quotes of a CSV. Is a tab-separated one? GLUE's files are not, those of pandas are.

A quotation mark in a TSV is a letter like any other, until the whole file is letter for letter what a writer
that quotes would have written, and something in it is quoted that a plain writer would not have written so.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from stabbench import foreign

_WRAPPED = re.compile(r'"(?:[^"]|"")*"')
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")

POLICIES: tuple[Callable[[str], bool], ...] = (
    lambda cell: any(mark in cell for mark in '"\t\r\n'),
    lambda cell: True,
    lambda cell: _NUMBER.fullmatch(cell) is None,
)
"""Which cells a writer quotes: those that need it, all, or all but numbers."""


@dataclass(frozen=True)
class Sign:
    """A cell that looks quoted: its line, itself as it stands in the file, and whether it must be quoted."""

    line: int
    cell: str
    certain: bool


def sign(rows: list[list[str]]) -> Sign | None:
    """Return the first sign of quoting among the cells of a text that was split at every line feed and tab.

    A certain one is a cell in quotes with doubled quotes inside, or a header that is all in quotes. A cell
    that opens a quote in a row with a wrong number of cells may be a quoted tab or line break.
    """
    if not rows:
        return None
    if all(_WRAPPED.fullmatch(cell) for cell in rows[0]):
        return Sign(1, rows[0][0], certain=True)
    broken = None
    for line, cells in enumerate(rows, start=1):
        for cell in cells:
            if '""' in cell[1:-1] and _WRAPPED.fullmatch(cell):
                return Sign(line, cell, certain=True)
            if broken is None and cell.startswith('"') and len(cells) != len(rows[0]):
                broken = Sign(line, cell, certain=False)
    return broken


class BadQuotes(ValueError):
    """A text whose quotes do not match; ``line`` is where the row begins."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def unquoted(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the cells of each row of a quoted text, with the line on which the row begins.

    Raises:
        BadQuotes: when the quotes do not match.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    line = 1
    # the text is in memory already: no cell is too long
    before = csv.field_size_limit(foreign.LARGEST_TEXT - 1)
    try:
        for row in reader:
            rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadQuotes(line, str(error)) from error
    finally:
        csv.field_size_limit(before)
    return rows


def is_quoted(text: str) -> bool:
    """Return whether a tab-separated text is, letter for letter, what a writer that quotes would write."""
    try:
        rows = [cells for _, cells in unquoted(text, "\t")]
    except BadQuotes:
        return False
    if any(len(row) != len(rows[0]) for row in rows):
        return False
    return any(
        end.join("\t".join(_written(cell, quoted) for cell in row) for row in rows) == text.removesuffix(end)
        for quoted in POLICIES
        for end in ("\n", "\r\n")
    )


def _written(cell: str, quoted: Callable[[str], bool]) -> str:
    return '"' + cell.replace('"', '""') + '"' if quoted(cell) else cell
