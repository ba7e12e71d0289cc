"""Rows of a file of scores, whichever of the usual forms it has: its content tells, not its name.

A table with commas, semicolons or tabs, a JSON list of objects, or JSON lines. Files of other tools, which
hold no scores by seed, are recognised and refused with what they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from stabbench.errors import DataError
from stabbench.foreign import Malformed, read_json

Rows = Iterator[tuple[str, Mapping[str, Any]]]
"""The place of each row, for messages, and its fields by column; empty cells are left out."""

DIVERGED = "a run that diverged has status diverged and no score."

JSON_KINDS = (
    ({"log_history", "global_step"}, "the state of a Hugging Face trainer (trainer_state.json)"),
    ({"results", "config"}, "a result of lm-evaluation-harness"),
    ({"results", "versions"}, "a result of lm-evaluation-harness"),
    ({"task_name", "scores"}, "a result of MTEB"),
    ({"benchmarks", "machine_info"}, "a file of pytest-benchmark"),
)
"""What JSON objects of other tools are known by: names that they have."""

TABLE_KINDS = (
    ({"wall time", "step", "value"}, "a series of TensorBoard"),
    ({"name", "state"}, "a table of runs of Weights & Biases"),
    ({"_step", "_runtime"}, "a history of Weights & Biases"),
    ({"run_id", "experiment_id"}, "a table of runs of MLflow"),
    ({"epoch", "step"}, "the metrics of one run of a Lightning CSVLogger"),
)
"""The same for tables."""


def read_rows(path: Path, text: str) -> Rows:
    """Yield the rows of a file.

    Args:
        path: the file, for messages.
        text: what it holds.

    Raises:
        DataError: when it is malformed, or of a kind that has no scores by seed.
    """
    start = text.lstrip()[:1]
    if start in ("[", "{") or path.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        return _json_rows(path, text)
    return _table_rows(path, text)


def _json_rows(path: Path, text: str) -> Rows:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    by_line = path.suffix.lower() in (".jsonl", ".ndjson") or (
        len(lines) > 1 and all(line.lstrip()[0] == "{" and line.rstrip()[-1] == "}" for _, line in lines)
    )
    if by_line:
        data = [_json(path, line, f"line {number}") for number, line in lines]
        places = [f"line {number}" for number, _ in lines]
    else:
        data = _json(path, text, "it")
        if isinstance(data, dict):
            _check_kind(path, data, JSON_KINDS)
        if not isinstance(data, list):
            raise DataError(f"{path} is not a list of objects.", "give one object a run.")
        places = [f"entry {number}" for number in range(1, len(data) + 1)]
    for place, row in zip(places, data, strict=True):
        if not isinstance(row, dict):
            raise DataError(f"{path} is not a list of objects: {place} is none.", "give one object a run.")
        if len(data) == 1 or "seed" not in row:
            _check_kind(path, row, (*JSON_KINDS, *TABLE_KINDS))
        yield place, row


def _json(path: Path, text: str, place: str) -> Any:
    try:
        return read_json(text, number=Decimal)
    except Malformed as error:
        action = DIVERGED if "a number is" in str(error) else "give a list of objects."
        raise DataError(f"{path} is not JSON: {place}: {error}.", action) from error


def _table_rows(path: Path, text: str) -> Rows:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        _check_kind(path, names, TABLE_KINDS)
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"column {twice!r} comes twice")
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, line {reader.line_num}: not as many columns as the header.", "mend the row."
                )
            fields = {name: value for name, value in row.items() if value.strip()}
            if delimiter == ";":
                fields = {name: _with_point(value) for name, value in fields.items()}
            yield f"line {reader.line_num}", fields
    except (csv.Error, ValueError) as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.", "mend the file.") from error


def _with_point(value: str) -> str:
    """Return a number with a decimal comma, which semicolons make room for, with a point."""
    return value.replace(",", ".") if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", value) else value


def _check_kind(path: Path, names: Iterable[str], kinds: Iterable[tuple[set[str], str]]) -> None:
    """Raise a ``DataError`` that says what a file is, where it is one of another tool."""
    known = {name.lower() for name in names}
    if {"task", "seed", "score"} <= known:
        return
    what = next((kind for marks, kind in kinds if marks <= known), None)
    if what is None and any(name.startswith("metrics.") for name in known):
        what = "a table of runs of MLflow"
    if what is None and kinds is JSON_KINDS and any(re.match("(eval|test|train)_", name) for name in known):
        what = "results of a Hugging Face trainer (all_results.json, eval_results.json)"
    if what is not None:
        raise DataError(
            f"{path} is {what}, not a table of scores by seed.",
            "write one row a run, with the columns task, model, strategy, metric, n_dev, seed and score; "
            "docs/baselines.md shows how.",
        )
