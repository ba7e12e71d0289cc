"""From a task to its rows: local folder, local files or hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from stabbench.errors import DataError
from stabbench.tasks import checks
from stabbench.tasks.base import FileSource, FolderSource, HubSource, MiniSource, Task, TaskData, subsample
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
    checks.check_task(task)
    (start, rows), (dev_start, dev_rows) = _parts(task, data_dir)
    train = _filled(f"{start}: the training", task, rows)
    dev = _filled(f"{dev_start}: the dev", task, dev_rows)
    data = checks.task_data(task, train, dev, _names_in_data(task, data_dir))
    if train_size is not None:
        sample = subsample(data.train, train_size, stratified=stratified, seed=sample_seed)
        checks.check_sample(task, sample)
        data = replace(data, train=sample)
    return data


def _parts(task: Task, data_dir: Path | None) -> list[tuple[str, Iterable[Row]]]:
    """Return where the rows of the training and of the dev split begin, and the rows."""
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
            paths = [folder / name for name in source.files]
            return [
                (f"{path}:{1 + source.header}", read_glue(path, source, columns, dev=path is paths[1]))
                for path in paths
            ]
        case FolderSource() | HubSource():
            return [(f"{source.hub}[{split}]", _hub_rows(source, split)) for split in source.splits]
        case FileSource():
            paths = [Path(source.train), Path(source.dev)]
            headed = (".csv", ".tsv")
            return [(f"{path}:{1 + (path.suffix.lower() in headed)}", read_file(path)) for path in paths]
        case MiniSource():
            return [(source.generator, rows) for rows in _mini_rows(task, source)]


def _filled(split: str, task: Task, rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    if not found:
        raise DataError(f"{split} split of {task.name} is empty.", "give a file with rows.")
    return found


def _names_in_data(task: Task, data_dir: Path | None) -> tuple[str, ...] | None:
    """Return the labels that the task names, as these rows give them: the hub may have others."""
    if isinstance(task.source, FolderSource) and data_dir is None and task.source.hub_labels is not None:
        return task.source.hub_labels
    return task.labels


def _mini_rows(task: Task, source: MiniSource) -> Iterator[list[Row]]:
    from stabbench.mini.tasks import GENERATORS

    names = task.labels or ()
    for split in GENERATORS[source.generator].rows():
        rows = [
            dict(zip(task.text_columns, texts, strict=True))
            | {task.label_column: names[source.yes if yes else 1 - source.yes]}
            for texts, yes in split
        ]
        yield list(_numbered(source.generator, rows))


def _numbered(name: str, rows: Iterable[dict[str, Any]]) -> Iterator[Row]:
    return ((f"{name}:row {number}", row) for number, row in enumerate(rows, start=1))


def _hub_rows(source: FolderSource | HubSource, split: str) -> Iterator[Row]:
    import datasets  # takes a second, and local files need none of it

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(source.hub, source.config, split=split)
    except Exception as error:  # the hub's client raises a dozen kinds, by version
        if isinstance(source, FolderSource):
            files = " and ".join(source.files)
            local = f"pass --stab-data-dir FOLDER, where FOLDER/{source.folder} holds {files}"
        else:
            local = "save it as local files and use local_task"
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{source.hub} cannot be loaded from the hub: {type(error).__name__}: {reason}",
            f"go online once so that it is cached (in HF_HOME), or {local}.",
        ) from error
    yield from _numbered(f"{source.hub}[{split}]", loaded)
