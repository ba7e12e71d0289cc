"""Strict readers: a malformed row is an error with file and line, never a silently padded one.

Every kind of file gives the same rows for the same table: CSV and TSV give texts, JSON and Parquet the values
that they hold; ``checks`` reads both alike.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from stabbench import foreign
from stabbench.errors import DataError
from stabbench.tasks import quoting
from stabbench.tasks.base import FolderSource

Row = tuple[str, dict[str, Any]]
"""Where a row stands (``file:line``) and its values by column."""

Numbered = Iterable[tuple[int, list[str]]]
"""The cells of each row, with the line on which it begins."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_glue(
    path: Path, source: FolderSource, columns: tuple[str, ...], *, dev: bool = False
) -> Iterator[Row]:
    """Yield the rows of a TSV in GLUE's layout: no quoting, perhaps a byte-order mark or no header.

    Args:
        path: the file.
        source: its layout.
        columns: names of the texts, then of the label.
        dev: whether it is the dev file, which may be of another width than the training file.

    Raises:
        DataError: when the file is missing or a row has a wrong number of columns.
    """
    width = source.width if isinstance(source.width, int) else source.width[dev]
    for number, values in _tab_separated(_text(path)):
        if len(values) != width:
            raise DataError(
                f"{path}:{number}: {len(values)} columns where {width} are expected.",
                "mend the row: texts must hold no tab and no line break.",
            )
        if number > 1 or not source.header:
            yield f"{path}:{number}", {c: values[i] for c, i in zip(columns, source.columns, strict=True)}


def read_file(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV, TSV, JSON or Parquet file, told by its suffix.

    ``.json`` and ``.jsonl`` take either layout, an array of objects or one object a line: the content tells.
    A ``.tsv`` is read without quoting, unless it is written with the quotes of a CSV (as pandas does).

    Raises:
        DataError: when the file is missing, malformed or of another kind.
    """
    readers: dict[str, Callable[[Path], Iterator[Row]]]
    readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _json, ".json": _json, ".parquet": _parquet}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise DataError(f"{path} is of no known kind.", f"use one of {', '.join(readers)}.")
    if not path.exists():
        raise DataError(f"{path} does not exist.", "put it there or give another place.")
    yield from readers[suffix](path)


def _text(path: Path) -> str:
    """Return the text of a file as it is: a carriage return is part of a text."""
    try:
        data = foreign.read_file(path, largest=foreign.LARGEST_TEXT)
    except foreign.Malformed as error:
        if not path.exists():
            raise DataError(f"{path} does not exist.", "put it there or give another place.") from None
        raise DataError(f"{path} cannot be read: {error}.", "give a readable file.") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or 3 * data.count(0) > len(data):
        raise DataError(
            f"{path} is UTF-16, not UTF-8.", f"`iconv -f UTF-16 -t UTF-8 {path.name}` converts it."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} is not UTF-8 (line {line}: {error}).", "convert it to UTF-8.") from error


def _csv(path: Path) -> Iterator[Row]:
    yield from _table(path, _quoted(path, _text(path), ","), ",")


def _quoted(path: Path, text: str, separator: str) -> Numbered:
    try:
        return quoting.unquoted(text, separator)
    except quoting.BadQuotes as error:
        raise DataError(f"{path}:{error.line}: {error}.", "mend the quotes of the row.") from error


def _tsv(path: Path) -> Iterator[Row]:
    text = _text(path)
    rows: Numbered = _tab_separated(text)
    if '"' in text:
        sign = quoting.sign([cells for _, cells in _tab_separated(text)])
        if sign is not None and quoting.is_quoted(text):
            rows = _quoted(path, text, "\t")
        elif sign is not None and sign.certain:
            raise DataError(
                f"{path}:{sign.line}: {sign.cell!r} is quoted as in a CSV, but not all of the file is.",
                "write the file as .csv or .jsonl, or without any quoting: a .tsv cannot tell which it is.",
            )
    yield from _table(path, rows, "\t")


def _lines(text: str) -> list[str]:
    """Return the lines of a text; only a line feed ends one: texts may hold other line separators."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _tab_separated(text: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in enumerate(_lines(text), start=1))


def _table(path: Path, rows: Numbered, separator: str) -> Iterator[Row]:
    header: list[str] | None = None
    for number, values in rows:
        if header is None:
            header = values
            _check_header(path, header, separator)
        elif len(values) != len(header):
            empty = " (the line is empty)" if not any(values) else ""
            raise DataError(
                f"{path}:{number}: {len(values)} columns where the header has {len(header)}{empty}.",
                "mend the row, or take the line out.",
            )
        else:
            yield f"{path}:{number}", dict(zip(header, values, strict=True))
    if header is None:
        raise DataError(f"{path}:1: the file is empty.", "give a file with a header line and rows.")


def _check_header(path: Path, header: list[str], separator: str) -> None:
    if len(set(header)) < len(header):
        raise DataError(f"{path}:1: two columns have one name.", "rename one of them.")
    other = next((mark for mark in SEPARATORS if mark != separator and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        raise DataError(
            f"{path}:1: the only column is {header[0]!r}: the cells are separated by {SEPARATORS[other]}, "
            f"where a {path.suffix} has {SEPARATORS[separator]}.",
            f"write it anew: pandas.read_csv({path.name!r}, sep={other!r}).to_csv('new.csv', index=False).",
        )


def _json(path: Path) -> Iterator[Row]:
    text = _text(path)
    if text.lstrip().startswith("["):
        rows = _value(path, text, 1)
        places = (f"{path}:row {number}" for number in range(1, len(rows) + 1))
    else:
        lines = _lines(text)
        rows = _lines_of_json(path, text, lines)
        places = (f"{path}:{number}" for number in range(1, len(lines) + 1))
    for place, row in zip(places, rows, strict=True):
        if not isinstance(row, dict):
            raise DataError(f"{place}: not a JSON object.", JSON_LAYOUT)
        yield place, row


JSON_LAYOUT = "write one JSON object a line, or an array of objects."


def _lines_of_json(path: Path, text: str, lines: list[str]) -> Iterator[Any]:
    for number, line in enumerate(lines, start=1):
        try:
            row = _value(path, line, number)
        except DataError:
            if number == 1:
                _refuse_columns(path, text)
            raise
        if len(lines) == 1 and isinstance(row, dict):
            _refuse_columns(path, text)
        yield row


def _refuse_columns(path: Path, text: str) -> None:
    """Refuse a table that is one object of columns, pandas' default layout."""
    try:
        found = foreign.read_json(text, float, float)
    except foreign.Malformed:
        return
    if isinstance(found, dict) and found and all(isinstance(value, dict | list) for value in found.values()):
        raise DataError(
            f"{path} is one JSON object of columns, not of rows.",
            "write rows: frame.to_json(path, orient='records', lines=True).",
        )


def _value(path: Path, text: str, line: int) -> Any:
    """Return the data of a JSON text that begins on a line; NaN is data too, a missing value."""
    try:
        return foreign.read_json(text, float, float)
    except foreign.Malformed as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            line += cause.lineno - 1
        raise DataError(f"{path}:{line}: no JSON ({error}).", JSON_LAYOUT) from error


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet  # takes a while, and the other files need none of it

    try:
        table = parquet.ParquetFile(path).read()
        if len(set(table.column_names)) < len(table.column_names):
            raise DataError(f"{path}: two columns have one name.", "rename one of them.")
        rows = table.to_pylist()
    except (OSError, ValueError, ArrowException) as error:
        raise DataError(f"{path} is no Parquet file: {error}", "write it again.") from error
    for number, row in enumerate(rows, start=1):
        yield f"{path}:row {number}", row
