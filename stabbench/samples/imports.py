"""Scores from elsewhere: a table of scores by seed becomes records that gates can judge.

One row a run. The columns:

| column | |
|---|---|
| task, model, strategy | names |
| metric | a metric's name or alias (``accuracy``, ``mcc``, ``eval_loss``), or another name |
| better | ``higher`` or ``lower``: which scores are better; needed for a metric that nobody registered |
| n_dev | rows of the dev set |
| seed | whole number; one row per task, model, strategy and seed |
| score | as a fraction (0.5271, not 52.71); may be empty where n_correct is given or the run diverged |
| n_correct | optional, accuracy only: rows that were right |
| n_majority | rows of the most frequent dev label; needed for accuracy unless ``constant`` is given |
| constant | score of the best constant predictor on the same dev rows; needed for f1, losses and others |
| floor | optional: the least score (of a loss the largest) that shows that a run learned something |
| status | optional: ``completed`` (default) or ``diverged`` |

A table has commas, semicolons or tabs; JSON is a list of objects with these names, or one object a line.
Rows of one task, model, strategy and metric are a group, which has one dev set: one n_dev, one constant, one
floor. Gates need the floor where neither counts nor the metric tell who learned, as for f1 and losses.
Recipe, logits and traces are absent, so gates that need them say so.
"""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

from pydantic import ValidationError

from stabbench.errors import DataError, UnknownNameError
from stabbench.foreign import Malformed, read_file
from stabbench.registry import suggest
from stabbench.runs import RunRecord, Score, Store
from stabbench.runs.checks import imported
from stabbench.samples.rows import COARSEST, Row
from stabbench.samples.tables import read_rows
from stabbench.spec import Direction


def import_scores(path: Path, store: Store, better: Direction | None = None) -> int:
    """Write the runs of a table or a JSON file into a store and return how many were new.

    Args:
        path: the file.
        store: the store.
        better: which scores are better, for metrics that nobody registered.

    Raises:
        DataError: when the file or a row of it is malformed (names file, row and column), or contradicts
            what was imported before; then nothing is written.
        StoreError: when the store cannot be written.
    """
    records = read_scores(path, better)
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


def read_scores(path: Path, better: Direction | None = None) -> list[RunRecord]:
    """Return the records of a table or a JSON file.

    Args:
        path: the file.
        better: which scores are better, for metrics that nobody registered.

    Raises:
        DataError: when the file or a row of it is malformed, or rows of one group contradict each other.
    """
    try:
        data = read_file(path)
        text = data.decode("utf-8-sig")
    except (Malformed, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}.", "give a table or a JSON file in UTF-8."
        ) from error
    source = f"{path.name} sha256:{hashlib.sha256(data).hexdigest()[:16]}"
    records: dict[tuple[str, int], RunRecord] = {}
    seen: Seen = {}
    for place, fields in read_rows(path, text):
        try:
            record = _record(Row.model_validate(fields), better, source)
        except ValidationError as error:
            found = error.errors()
            first = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
            column = ".".join(map(str, first["loc"]))
            unknown = first["type"] == "extra_forbidden"
            action = suggest(column, Row.model_fields) if unknown else "mend the row."
            message = first["msg"].removeprefix("Value error, ")
            raise DataError(f"{path}, {place}, column {column!r}: {message}.", action) from error
        except ValueError as error:
            raise DataError(f"{path}, {place}: {error}.", "mend the row.") from error
        except UnknownNameError as error:
            raise DataError(f"{path}, {place}: {error.cause}", error.action) from error
        _check_agreement(path, place, record, seen)
        if (record.group, record.seed) in records:
            raise DataError(
                f"{path}, {place}: seed {record.seed} of {record.strategy} on {record.task} comes twice.",
                "give each run a seed of its own.",
            )
        records[record.group, record.seed] = record
    if not records:
        raise DataError(f"{path} has no rows.", "give one row a run.")
    return _with_common_step(list(records.values()))


Seen = dict[tuple[str, ...], tuple[str, RunRecord]]
"""The first row of each group of names, and of each metric, with its place."""


def _check_agreement(path: Path, place: str, record: RunRecord, seen: Seen) -> None:
    """Refuse a row that would make a second group of the same names: their seeds belong together."""
    names = (record.task, record.model, record.strategy, record.metric)
    for of, field, what in (
        ((record.metric,), "better", "better"),
        (names, "n_dev", "n_dev"),
        (names, "constant", "constant (or n_majority / n_dev)"),
        (names, "floor", "floor"),
    ):
        before, other = seen.setdefault(of, (place, record))
        mine, theirs = getattr(record, field), getattr(other, field)
        if mine != theirs:
            raise DataError(
                f"{path}, {place}: {what} is {mine}, but {theirs} in {before}, of {', '.join(of)} too.",
                "write it in one way in all of these rows, or give what differs a name of its own.",
            )


def _with_common_step(records: list[RunRecord]) -> list[RunRecord]:
    """Give all runs of a group the step of the one with most decimals: writers drop zeros at the end."""
    steps: dict[str, float] = {}
    for record in records:
        steps[record.group] = min(record.rounded_to, steps.get(record.group, COARSEST))
    return [record.model_copy(update={"rounded_to": steps[record.group]}) for record in records]


def _record(row: Row, better: Direction | None, source: str) -> RunRecord:
    metric = row.measured(better)
    constant = row.constant_of(metric)
    score = Score(value=row.score_of(metric), step=0)
    diverged = row.status == "diverged"
    record = RunRecord(
        key="unknown",
        group="unknown",
        task=row.task,
        model=row.model,
        strategy=row.strategy,
        seed=row.seed,
        spec=None,
        metric=metric.name,
        better=metric.better,
        constant=constant,
        n_dev=row.n_dev,
        status=row.status,
        reason="diverged, says the imported file" if diverged else None,
        last=score,
        best=score,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        imported_from=source,
        rounded_to=row.rounded_to,
        floor=row.floor_of(metric),
    )
    return imported(record)
