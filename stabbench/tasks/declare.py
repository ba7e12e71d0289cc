"""Tasks by name, and those that a user's file declares in a few lines."""

from __future__ import annotations

import sys
from pathlib import Path

from stabbench.errors import DataError
from stabbench.registry import Registry, import_file
from stabbench.tasks.base import FileSource, HubSource, Task

REGISTRY: Registry[Task] = Registry("task", "stabbench.tasks")


def get(name: str) -> Task:
    """Return a task by its registered name, or as ``path.py:NAME``: a variable or task of that file.

    Paths of a task in a file are relative to it.

    Raises:
        UnknownNameError: when there is none; the message suggests near names.
        DataError: when the name stands for something else.
    """
    path, in_file, own = name.rpartition(".py:")
    task = declared(Path(path + ".py")).get(own) if in_file else None
    task = task or REGISTRY.get(name)
    if not isinstance(task, Task):
        raise DataError(
            f"{name} is a {type(task).__name__}, no task.", "name a Task, such as local_task returns."
        )
    if in_file and isinstance(task.source, FileSource):
        folder = Path(path).parent
        source = FileSource(train=_place(task.source.train, folder), dev=_place(task.source.dev, folder))
        return task.model_copy(update={"source": source})
    return task


def declared(file: Path) -> dict[str, Task]:
    """Return the tasks of a file, by its variables and by the names that it (or what it imports) registers.

    Raises:
        StabbenchError: when the file cannot be imported.
    """
    variables = vars(import_file(file))
    registered = {name: REGISTRY.get(name) for name in REGISTRY.names() if not REGISTRY.is_announced(name)}
    return {**registered, **{name: value for name, value in variables.items() if isinstance(value, Task)}}


def register(task: Task) -> Task:
    """Register a task under its name, so that suites can name it; an equal task may come again.

    Raises:
        StabbenchError: when the name stands for another task.
    """
    if task.name in REGISTRY.names() and REGISTRY.get(task.name) == task:
        return task
    return REGISTRY.register(task.name)(task)


def local_task(
    name: str,
    *,
    train: str | Path,
    dev: str | Path,
    text: str | tuple[str, ...],
    label: str = "label",
    metric: str = "accuracy",
    labels: tuple[str, ...] | None = None,
) -> Task:
    """Register a task from local files (CSV, TSV, JSON, Parquet) and return it.

    In a suite file::

        local_task("tickets", train="train.csv", dev="dev.csv", text="body", label="team")
        suite = Suite(task="tickets", models=["bert-base-uncased"], seeds=25)

    Args:
        name: the task's name.
        train: file of training rows, relative to the file that calls this.
        dev: file of dev rows, likewise.
        text: the text column, or two of them.
        label: the label column.
        metric: a metric's name, such as ``f1-macro``, or ``path.py:NAME`` of one's own (``docs/metrics.md``).
        labels: label names in the order of their ids; default: those of the training rows, sorted.
    """
    folder = _folder_of_caller()
    source = FileSource(train=_place(train, folder), dev=_place(dev, folder))
    return _declare(name, f"local files {train}, {dev}", source, text, label, metric, labels)


def hub_task(
    name: str,
    *,
    hub: str,
    config: str | None = None,
    splits: tuple[str, str] = ("train", "validation"),
    text: str | tuple[str, ...],
    label: str = "label",
    metric: str = "accuracy",
    labels: tuple[str, ...] | None = None,
) -> Task:
    """Register a task from a hub data set and return it; the arguments are those of ``local_task``."""
    source = HubSource(hub=hub, config=config, splits=splits)
    return _declare(name, f"{hub} on the hub", source, text, label, metric, labels)


def _declare(
    name: str,
    summary: str,
    source: FileSource | HubSource,
    text: str | tuple[str, ...],
    label: str,
    metric: str,
    labels: tuple[str, ...] | None,
) -> Task:
    columns = (text,) if isinstance(text, str) else text
    return register(
        Task(
            name=name,
            summary=summary,
            metric=metric,
            text_columns=columns,
            label_column=label,
            labels=labels,
            source=source,
        )
    )


def _place(file: str | Path, folder: Path) -> str:
    """Return a file's absolute path: in a folder, or in the current one where it is there only."""
    place = folder / Path(file).expanduser()
    if not place.exists() and Path(file).expanduser().exists():
        place = Path(file).expanduser()
    return str(place.resolve())


def _folder_of_caller() -> Path:
    """Return the folder of the file that calls the function that asks; the current one for a shell."""
    file = Path(sys._getframe(2).f_code.co_filename)
    return file.parent if file.is_file() else Path()
