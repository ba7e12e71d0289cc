"""What the rows of a task must be, whatever they were read from: one check, once, before anything is trained.

Every finding names where it was first seen, and what to do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from stabbench.errors import DataError
from stabbench.registry import suggest
from stabbench.tasks.base import Split, Task, TaskData
from stabbench.tasks.labels import (
    Found,
    check_vocabulary,
    fault_of,
    is_missing,
    label_ids,
    label_names,
    plain,
    refuse,
)
from stabbench.tasks.readers import Row


def check_task(task: Task) -> None:
    """Refuse a task whose own fields cannot be.

    Raises:
        DataError: when a column is used twice, or fewer than two labels are named, or one twice.
    """
    columns = (*task.text_columns, task.label_column)
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            f"{task.name} uses the column {twice!r} twice.", "give text and label one column each."
        )
    if task.labels is not None and len({plain(label) for label in task.labels}) < max(2, len(task.labels)):
        raise DataError(
            f"the labels of {task.name} are {task.labels!r}.",
            "name two or more, each once, or leave labels out.",
        )


def task_data(task: Task, train: Sequence[Row], dev: Sequence[Row], named: Sequence[str] | None) -> TaskData:
    """Return the rows of a task, checked.

    Args:
        task: which.
        train: its training rows.
        dev: its dev rows.
        named: names of the labels as these rows give them, where the task names its labels.

    Raises:
        DataError: for the first finding.
    """
    _check_headers(task, (*train, *dev), named or ())
    texts = [_texts(task, rows) for rows in (train, dev)]
    found = [_labels(task, rows, named or ()) for rows in (train, dev)]
    if named is None:
        check_vocabulary(task, *found)
        names = label_names([label for _, label in found[0]])
        ids = {plain(name): number for number, name in enumerate(names)}
    else:
        names = task.labels or ()
        ids = label_ids(found[0] + found[1], named)
    for part, rows in zip(("training", "dev"), found, strict=True):
        _check_known(task, part, rows, ids, declared=named is not None)
    _check_seen(*found)
    splits = [
        Split(tuple(text), tuple(ids[plain(label)] for _, label in labels))
        for text, labels in zip(texts, found, strict=True)
    ]
    _check_distinct(task, train[0][0], dev[0][0], *splits)
    return TaskData(splits[0], splits[1], names, _notes(task, names, *splits))


def check_sample(task: Task, sample: Split) -> None:
    """Refuse a sample of the training rows that has one label only.

    Raises:
        DataError: when it has.
    """
    if len(set(sample.labels)) < 2:
        raise DataError(
            f"the sample of {len(sample.labels)} training rows of {task.name} has one label only.",
            "take more rows (train_size), or stratified=True.",
        )


def _cell(row: Row, column: str) -> Any:
    place, values = row
    if column not in values:
        raise DataError(f"{place}: there is no column {column!r}.", suggest(column, map(str, values)))
    return values[column]


def _check_headers(task: Task, rows: Sequence[Row], named: Sequence[str]) -> None:
    """Refuse a row of the columns' own names, as files that were joined have it (with a mark, perhaps)."""
    columns = (*task.text_columns, task.label_column)
    if task.label_column in named:
        return
    places = [
        place
        for place, values in rows
        if all(isinstance(c := values.get(n), str) and c.removeprefix("\ufeff") == n for n in columns)
    ]
    if places:
        refuse(
            places,
            "the row holds the names of the columns",
            "take it out: it looks like a header line, which each of the files had that were joined; "
            f"if {task.label_column!r} is a class, name all classes in labels=(...).",
        )


def _texts(task: Task, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    faults: dict[tuple[str, str], list[str]] = {}
    texts = []
    for row in rows:
        cells = tuple(_cell(row, column) for column in task.text_columns)
        for column, cell in zip(task.text_columns, cells, strict=True):
            fault = _fault_of_text(column, cell)
            if fault is not None:
                faults.setdefault(fault, []).append(row[0])
        texts.append(cells)
    for (what, action), places in faults.items():
        refuse(places, what, action)
    return texts


def _fault_of_text(column: str, cell: Any) -> tuple[str, str] | None:
    if is_missing(cell):
        return f"{column!r} is empty", "give every row a text, or leave the row out."
    if not isinstance(cell, str):
        return f"{column!r} holds {str(cell)[:60]!r}, not a text", "give every row a text."
    if "\0" in cell:
        return f"{column!r} holds a NUL character", "take it out: no tokenizer reads it."
    return None


def _labels(task: Task, rows: Sequence[Row], named: Sequence[str]) -> Found:
    meant = {plain(name) for name in named}
    faults: dict[tuple[str, str], list[str]] = {}
    known: dict[tuple[type, str], tuple[str, str] | None] = {}
    labels = []
    for row in rows:
        value = _cell(row, task.label_column)
        kind = (type(value), str(value))
        if kind not in known:
            known[kind] = fault_of(value, meant)
        fault = known[kind]
        if fault is not None:
            faults.setdefault(fault, []).append(row[0])
        labels.append((row[0], kind[1]))
    for (what, action), places in faults.items():
        refuse(places, what, action)
    return labels


def _check_known(task: Task, part: str, found: Found, ids: dict[str, int], *, declared: bool) -> None:
    """Refuse a label that is none of the task's, and a split with one label."""
    for place, label in found:
        if plain(label) not in ids:
            if declared:
                raise DataError(
                    f"{place}: unknown label {label!r}.",
                    f"the labels of {task.name} are {', '.join(ids)}; {suggest(label, ids)}",
                )
            raise DataError(
                f"{place}: unknown label {label!r}: no training row has it.",
                f"give training rows of it, or leave it out; the training rows have {', '.join(ids)}.",
            )
    if len({plain(label) for _, label in found}) < 2:
        raise DataError(
            f"{found[0][0]}: the {part} split of {task.name} has one label only ({found[0][1]!r}).",
            "give rows of two labels or more: with one there is nothing to tell apart.",
        )


def _check_seen(train: Found, dev: Found) -> None:
    known = {plain(label) for _, label in train}
    places = [(place, label) for place, label in dev if plain(label) not in known]
    if places:
        label = places[0][1]
        refuse(
            [place for place, other in places if other == label],
            f"the label {label!r} is in no training row",
            "give training rows of it, or leave its rows out of the dev split.",
        )


def _check_distinct(task: Task, train_place: str, dev_place: str, train: Split, dev: Split) -> None:
    rows = [Counter(zip(split.texts, split.labels, strict=True)) for split in (train, dev)]
    if rows[0] == rows[1]:
        raise DataError(
            f"{train_place} and {dev_place}: the training and the dev split of {task.name} are the same "
            f"{len(dev.labels)} rows.",
            "give a dev split of other rows: what was trained on says nothing of new rows.",
        )


def _notes(task: Task, names: tuple[str, ...], train: Split, dev: Split) -> tuple[str, ...]:
    notes = []
    for part, split in (("training", train), ("dev", dev)):
        for column, cells in zip(task.text_columns, zip(*split.texts, strict=True), strict=True):
            if len(set(cells)) == 1:
                notes.append(f"the {column} of every {part} row is {cells[0][:60]!r}.")
    known: dict[tuple[str, ...], set[int]] = {}
    for texts, label in zip(train.texts, train.labels, strict=True):
        known.setdefault(texts, set()).add(label)
    rows = list(zip(dev.texts, dev.labels, strict=True))
    shared = sum(texts in known for texts, _ in rows)
    other = sum(texts in known and label not in known[texts] for texts, label in rows)
    if shared:
        contrary = f", {other} of them with another label" if other else ""
        notes.append(f"{shared} of the {len(rows)} dev rows have the texts of a training row{contrary}.")
    in_train, in_dev = set(train.labels), set(dev.labels)
    for number, name in enumerate(names):
        if number not in in_dev:
            notes.append(f"no {'dev ' if number in in_train else ''}row has the label {name!r}.")
    return tuple(notes)
