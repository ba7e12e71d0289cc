"""From a task to its rows: local folder, local files, hub, or the mini world."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stabbench.errors import DataError
from stabbench.registry import suggest
from stabbench.tasks.base import (
    FileSource,
    FolderSource,
    HubSource,
    MiniSource,
    Split,
    Task,
    TaskData,
    check_labels,
    subsample,
)
from stabbench.tasks.readers import Row, read_file, read_glue


def load(
    task: Task,
    data_dir: Path | None = None,
    train_size: int | None = None,
    stratified: bool = False,
    sample_seed: int = 0,
) -> TaskData:
    """Return the rows of a task.

    Args:
        task: which.
        data_dir: folder with the task's TSV files; ``None`` takes the hub.
        train_size: number of training rows to sample; ``None`` takes all.
        stratified: whether the sample keeps the share of each label.
        sample_seed: seed of the sample.

    Raises:
        DataError: when rows are missing or malformed, with file and line.
    """
    train, dev = (list(rows) for rows in _rows(task, data_dir))
    labels = task.labels
    if labels is None:
        labels = tuple(sorted({str(_value(row, task.label_column)) for row in train}))
    data = TaskData(_split(task, train, labels), _split(task, dev, labels), labels)
    check_labels(data, task.name)
    if train_size is not None:
        sample = subsample(data.train, train_size, stratified=stratified, seed=sample_seed)
        data = TaskData(sample, data.dev, labels)
    return data


def _rows(task: Task, data_dir: Path | None) -> tuple[Iterable[Row], Iterable[Row]]:
    source = task.source
    match source:
        case FolderSource() if data_dir is not None:
            folder = data_dir / source.folder
            if not folder.is_dir():
                raise DataError(
                    f"{folder} does not exist.",
                    f"{task.name} needs {' and '.join(source.files)} there; "
                    "leave --stab-data-dir away to take the hub.",
                )
            columns = (*task.text_columns, task.label_column)
            first, second = (read_glue(folder / name, source, columns) for name in source.files)
            return first, second
        case FolderSource() | HubSource():
            first, second = (_hub_rows(task, source, split) for split in source.splits)
            return first, second
        case FileSource():
            return read_file(Path(source.train)), read_file(Path(source.dev))
        case MiniSource():
            from stabbench.mini import tasks as mini

            made = mini.load(source.name)
            return _numbered(source.name, made.train), _numbered(source.name, made.dev)


def _numbered(name: str, rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
    return ((f"{name}:row {number}", row) for number, row in enumerate(rows, start=1))


def _hub_rows(task: Task, source: FolderSource | HubSource, split: str) -> Iterator[Row]:
    # Planning must not import torch, which `datasets` does when it finds it unless told not to.
    os.environ.setdefault("USE_TORCH", "0")
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(source.hub, source.config, split=split)
    except Exception as error:  # the hub's client raises a dozen kinds, by version
        folder = ", or put its TSV files into a folder and pass --stab-data-dir FOLDER"
        raise DataError(
            f"{source.hub} cannot be loaded from the hub: {type(error).__name__}: {error}",
            "go online once so that it is cached"
            + (folder if isinstance(source, FolderSource) else "")
            + ".",
        ) from error
    return _numbered(f"{source.hub}[{split}]", loaded)


def _value(row: Row, column: str) -> Any:
    place, values = row
    if column not in values:
        raise DataError(f"{place}: there is no column {column!r}.", suggest(column, map(str, values)))
    return values[column]


def _split(task: Task, rows: list[Row], labels: tuple[str, ...]) -> Split:
    """Return rows as a split; a label is an id, as on the hub, or a name, as in files."""
    ids = {name: number for number, name in enumerate(labels)}
    by_id = isinstance(task.source, FolderSource | HubSource | MiniSource)
    texts, found = [], []
    for row in rows:
        texts.append(tuple(str(_value(row, column)) for column in task.text_columns))
        label = _value(row, task.label_column)
        if by_id and isinstance(label, int) and 0 <= label < len(labels):
            found.append(int(label))
        elif str(label) in ids:
            found.append(ids[str(label)])
        else:
            raise DataError(
                f"{row[0]}: unknown label {label!r}.", f"the labels of {task.name} are {', '.join(labels)}."
            )
    return Split(tuple(texts), tuple(found))
