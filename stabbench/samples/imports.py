"""Scores from elsewhere: a CSV or JSON file of scores by seed becomes records that gates can judge.

One row a run. The columns:

| column | |
|---|---|
| task, model, strategy | names |
| metric | ``accuracy``, ``f1``, ``matthews``, or another name |
| n_dev | rows of the dev set |
| seed | whole number; one row per task, model, strategy and seed |
| score | as a fraction (0.5271, not 52.71); may be empty where n_correct is given or the run diverged |
| n_correct | optional, accuracy only: rows that were right |
| n_majority | rows of the most frequent dev label; needed for accuracy unless ``constant`` is given |
| constant | score of the best constant classifier on the same dev rows; needed for f1 and other metrics |
| status | optional: ``completed`` (default) or ``diverged`` |

A JSON file is a list of objects with these names. Recipe, logits and traces are absent, so gates that need
them say so.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stabbench.errors import DataError
from stabbench.foreign import Malformed, read_file, read_json
from stabbench.registry import suggest
from stabbench.runs import RunRecord, Score, Store
from stabbench.spec import digest

COARSEST = 0.01
"""No score is taken to be rounded more than this: "0.7" among others is 0.7000 without its zeros."""

RANGES = {"accuracy": (0.0, 1.0), "f1": (0.0, 1.0), "matthews": (-1.0, 1.0)}


class Row(BaseModel):
    """One imported run."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    task: str = Field(min_length=1)
    model: str = Field(min_length=1)
    strategy: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    n_dev: int = Field(ge=1)
    seed: int = Field(ge=0)
    score: Decimal | None = None
    n_correct: int | None = Field(default=None, ge=0)
    n_majority: int | None = Field(default=None, ge=1)
    constant: float | None = Field(default=None, allow_inf_nan=False)
    status: Literal["completed", "diverged"] = "completed"

    @field_validator("score", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """Keep the decimals as written: they say to what step a score was rounded."""
        try:
            return None if value is None else Decimal(str(value).strip())
        except InvalidOperation as error:
            raise ValueError("not a number") from error

    @property
    def rounded_to(self) -> float:
        """Step to which the score was rounded, by its decimals; 0 when its count is known."""
        if self.n_correct is not None or self.score is None:
            return 0.0
        exponent = self.score.as_tuple().exponent
        return min(COARSEST, 10.0**exponent) if isinstance(exponent, int) else 0.0

    def classifier(self) -> float:
        """Return the constant classifier's score.

        Raises:
            ValueError: when the row does not say it.
        """
        if self.metric == "accuracy" and self.n_majority is not None:
            if self.n_majority > self.n_dev:
                raise ValueError(f"n_majority {self.n_majority} is more than n_dev {self.n_dev}")
            return self.n_majority / self.n_dev
        if self.constant is not None:
            return self.constant
        if self.metric == "matthews":
            return 0.0
        wanted = "n_majority or constant" if self.metric == "accuracy" else "constant"
        raise ValueError(f"{wanted} is missing: without it no failed run can be told")

    def value(self) -> float:
        """Return the score.

        Raises:
            ValueError: when there is none, or it cannot be one.
        """
        if self.status == "diverged":
            return self.classifier()
        if self.n_correct is not None:
            if self.metric != "accuracy" or self.n_correct > self.n_dev:
                raise ValueError("n_correct goes with accuracy and is at most n_dev")
            exact = self.n_correct / self.n_dev
            if self.score is not None and abs(float(self.score) - exact) > 0.01:
                raise ValueError(f"score {self.score} is not n_correct / n_dev = {exact:.4f}")
            return exact
        if self.score is None or not self.score.is_finite():
            raise ValueError("there is no score; a run that diverged has status diverged")
        low, high = RANGES.get(self.metric, (-math.inf, math.inf))
        if not low <= self.score <= high:
            raise ValueError(
                f"score {self.score} is outside {low:g} to {high:g}; give fractions, not percent"
            )
        return float(self.score)


def import_scores(path: Path, store: Store) -> int:
    """Write the runs of a CSV or JSON file into a store and return how many were new.

    Raises:
        DataError: when the file or a row of it is malformed (names file, row and column), or contradicts
            what was imported before; then nothing is written.
        StoreError: when the store cannot be written.
    """
    records = read_scores(path)
    known = {(r.group, r.seed): r for r in store.records() if r.imported_from is not None}
    new = []
    for record in records:
        before = known.get((record.group, record.seed))
        if before is None:
            new.append(record)
        elif before.key != record.key:
            raise DataError(
                f"seed {record.seed} of {record.strategy} on {record.task} scores {record.last.value} in "
                f"{path}, but {before.last.value} in {before.imported_from}, imported before.",
                "import into another store, or give the runs another strategy name.",
            )
    store.check_writable()
    for record in new:
        store.write(record)
    return len(new)


def read_scores(path: Path) -> list[RunRecord]:
    """Return the records of a CSV or JSON file.

    Raises:
        DataError: when the file or a row of it is malformed.
    """
    try:
        data = read_file(path)
        text = data.decode("utf-8-sig")
    except (Malformed, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "give a CSV or JSON file in UTF-8.") from error
    source = f"{path.name} sha256:{hashlib.sha256(data).hexdigest()[:16]}"
    records: dict[tuple[str, int], RunRecord] = {}
    for place, fields in _rows(path, text):
        try:
            record = _record(Row.model_validate(fields), source)
        except ValidationError as error:
            found = error.errors()
            first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
            column = ".".join(map(str, first["loc"]))
            unknown = first["type"] == "extra_forbidden"
            action = suggest(column, Row.model_fields) if unknown else "mend the row."
            raise DataError(f"{path}, {place}, column {column!r}: {first['msg']}.", action) from error
        except ValueError as error:
            raise DataError(f"{path}, {place}: {error}.", "mend the row.") from error
        if (record.group, record.seed) in records:
            raise DataError(
                f"{path}, {place}: seed {record.seed} of {record.strategy} on {record.task} comes twice.",
                "give each run a seed of its own.",
            )
        records[record.group, record.seed] = record
    if not records:
        raise DataError(f"{path} has no rows.", "give one row a run.")
    return _with_common_step(list(records.values()))


def _with_common_step(records: list[RunRecord]) -> list[RunRecord]:
    """Give all runs of a group the step of the one with most decimals: writers drop zeros at the end."""
    steps: dict[str, float] = {}
    for record in records:
        steps[record.group] = min(record.rounded_to, steps.get(record.group, COARSEST))
    return [record.model_copy(update={"rounded_to": steps[record.group]}) for record in records]


def _rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path.suffix.lower() == ".json":
        try:
            rows = read_json(text, number=Decimal)
        except Malformed as error:
            raise DataError(f"{path} is not JSON: {error}.", "give a list of objects.") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(f"{path} is not a list of objects.", "give one object a run.")
        yield from ((f"entry {number}", row) for number, row in enumerate(rows, start=1))
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"{path}, line {reader.line_num}: not as many columns as the header.", "mend the row."
                )
            yield f"line {reader.line_num}", {name: value for name, value in row.items() if value != ""}
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.", "mend the row.") from error


def _record(row: Row, source: str) -> RunRecord:
    constant = row.classifier()
    score = Score(value=row.value(), step=0)
    group = digest(["imported", row.task, row.model, row.strategy, row.metric, row.n_dev, constant])
    diverged = row.status == "diverged"
    return RunRecord(
        key=digest([group, row.seed, score.value, row.status]),
        group=group,
        task=row.task,
        model=row.model,
        strategy=row.strategy,
        seed=row.seed,
        spec=None,
        metric=row.metric,
        constant=constant,
        n_dev=row.n_dev,
        status=row.status,
        reason="diverged, says the imported file" if diverged else None,
        last=score,
        best=score,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        imported_from=source,
        rounded_to=row.rounded_to,
    )
