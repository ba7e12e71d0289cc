"""Strict readers: a malformed row is an error with file and line, never a silently padded one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from stabbench.errors import DataError
from stabbench.tasks.base import FolderSource

Row = tuple[str, dict[str, Any]]
"""Where a row stands (``file:line``) and its values by column."""


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
    for number, values in _tab_separated(path):
        if len(values) != width:
            raise DataError(
                f"{path}:{number}: {len(values)} columns where {width} are expected.",
                "mend the row: texts must hold no tab and no line break.",
            )
        if number > 1 or not source.header:
            yield f"{path}:{number}", {c: values[i] for c, i in zip(columns, source.columns, strict=True)}


def read_file(path: Path) -> Iterator[Row]:
    """Yield the rows of a CSV, TSV, JSON-lines or Parquet file, told by its suffix.

    Raises:
        DataError: when the file is missing, malformed or of another kind.
    """
    readers: dict[str, Callable[[Path], Iterator[Row]]]
    readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl, ".json": _jsonl, ".parquet": _parquet}
    if path.suffix not in readers:
        raise DataError(f"{path} is of no known kind.", f"use one of {', '.join(readers)}.")
    yield from readers[path.suffix](path)


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a carriage return is part of a text
            return file.read()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist.", "put it there or give another place.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "give a readable file.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error}).", "convert it to UTF-8.") from error


def _csv(path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        yield from _table(path, ((reader.line_num, row) for row in reader))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}.", "mend the quotes of the row.") from error


def _tsv(path: Path) -> Iterator[Row]:
    yield from _table(path, _tab_separated(path))


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; only a line feed ends one: texts may hold other line separators."""
    lines = _text(path).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _tab_separated(path: Path) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split("\t")) for number, line in enumerate(_lines(path), start=1))


def _table(path: Path, rows: Iterable[tuple[int, list[str]]]) -> Iterator[Row]:
    header: list[str] | None = None
    for number, values in rows:
        if header is None:
            header = values
            if len(set(header)) < len(header):
                raise DataError(f"{path}:{number}: two columns have one name.", "rename one of them.")
        elif len(values) != len(header):
            raise DataError(
                f"{path}:{number}: {len(values)} columns where the header has {len(header)}.", "mend the row."
            )
        else:
            yield f"{path}:{number}", dict(zip(header, values, strict=True))


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: no JSON ({error}).", "one JSON object a line.") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}:{number}: not a JSON object.", "one JSON object a line.")
        yield f"{path}:{number}", row


def _parquet(path: Path) -> Iterator[Row]:
    import pandas as pd

    if not path.is_file():
        raise DataError(f"{path} does not exist.", "give the file's path.")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no Parquet file: {error}", "write it again.") from error
    for number, row in enumerate(frame.to_dict(orient="records"), start=1):
        yield f"{path}:row {number}", {str(name): value for name, value in row.items()}
