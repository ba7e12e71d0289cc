"""What a task is: plain data that says where its rows are, and the rows themselves."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from stabbench import metrics
from stabbench.errors import DataError
from stabbench.stored import Frozen


class FolderSource(Frozen):
    """A hub data set that may also lie in a local folder, in GLUE's own TSV layout.

    Attributes:
        hub: hub id.
        config: the data set's configuration on the hub.
        splits: names of the training and the dev split on the hub.
        folder: sub-folder of ``--stab-data-dir``.
        files: training and dev file in it.
        columns: 0-based column of each text in the TSV, then that of the label; -1 is the last.
        width: number of columns that every TSV row must have; (training, dev) where the two differ.
        header: whether the TSV begins with a header line.
        hub_labels: names of the labels on the hub, in the order of their ids, where they differ from
            those of the TSV.
    """

    kind: Literal["folder"] = "folder"
    hub: str
    config: str
    splits: tuple[str, str] = ("train", "validation")
    folder: str
    files: tuple[str, str] = ("train.tsv", "dev.tsv")
    columns: tuple[int, ...]
    width: int | tuple[int, int]
    header: bool = True
    hub_labels: tuple[str, ...] | None = None


class FileSource(Frozen):
    """Local files: CSV, TSV, JSON (lines or an array) or Parquet, told by their suffix."""

    kind: Literal["files"] = "files"
    train: str
    dev: str


class HubSource(Frozen):
    """Any data set on the hub."""

    kind: Literal["hub"] = "hub"
    hub: str
    config: str | None = None
    splits: tuple[str, str] = ("train", "validation")


class MiniSource(Frozen):
    """A task of the embedded mini world.

    Attributes:
        generator: which of ``stabbench.mini.tasks.GENERATORS`` makes its rows.
        yes: id of the label of the rows that say yes.
    """

    kind: Literal["mini"] = "mini"
    generator: str
    yes: int


Source = Annotated[FolderSource | FileSource | HubSource | MiniSource, Field(discriminator="kind")]


class Task(Frozen):
    """A classification task.

    Attributes:
        name: what ``Suite(task=...)`` says.
        summary: one line for listings.
        metric: what is scored on the dev set: a registered metric by its name (an alias is turned into it),
            or ``path.py:NAME``.
        text_columns: one or two columns of text, in the order in which the model sees them.
        label_column: the column of the label.
        labels: names of the labels in the order of their ids; ``None`` takes what the training data
            has, sorted (integers by value).
        source: where the rows are.
    """

    name: str
    summary: str = ""
    metric: Annotated[str, AfterValidator(metrics.reference)]
    text_columns: tuple[str, ...] = Field(min_length=1, max_length=2)
    label_column: str = "label"
    labels: tuple[str, ...] | None = None
    source: Source


LABELS_SHOWN = 12
"""How many labels a summary names."""


@dataclass(frozen=True)
class Split:
    """Rows of a task: ``texts`` holds one tuple of one or two texts a row, ``labels`` the label ids."""

    texts: tuple[tuple[str, ...], ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class TaskData:
    """The rows of a task, as a run sees them.

    Attributes:
        train: rows to train on.
        dev: rows to evaluate on.
        label_names: names of the labels in the order of their ids.
        notes: what is no mistake, but good to know, a sentence each.
    """

    train: Split
    dev: Split
    label_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line: how many rows, and each label with its training and its dev rows."""
        train, dev = Counter(self.train.labels), Counter(self.dev.labels)
        shown = [
            f"{name!r} {train[number]:,}/{dev[number]:,}"
            for number, name in enumerate(self.label_names[:LABELS_SHOWN])
        ]
        if len(self.label_names) > LABELS_SHOWN:
            shown.append(f"and {len(self.label_names) - LABELS_SHOWN} more")
        return (
            f"{len(self.train.labels):,} training and {len(self.dev.labels):,} dev rows, "
            f"{len(self.label_names)} labels (training/dev): {', '.join(shown)}"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all texts, labels and label names: equal rows, equal fingerprint."""
        state = hashlib.sha256(repr(self.label_names).encode())
        for split in (self.train, self.dev):
            state.update(f"split of {len(split.labels)}".encode())
            for texts, label in zip(split.texts, split.labels, strict=True):
                state.update(repr((texts, label)).encode())
        return state.hexdigest()


def subsample(split: Split, size: int, *, stratified: bool, seed: int) -> Split:
    """Return ``size`` rows of a split, in their order.

    Args:
        split: all rows.
        size: how many to keep.
        stratified: whether each label keeps its share (largest remainders), as in Zhang et al.'s
            subsets; plain sampling is Mosbach et al.'s.
        seed: seed of the sample, independent of the runs' seeds.

    Raises:
        DataError: when there are fewer rows.
    """
    rows = len(split.labels)
    if not 1 <= size <= rows:
        raise DataError(f"train_size={size} is not between 1 and the {rows} training rows.", "change it.")
    random = np.random.default_rng(seed)
    if stratified:
        labels = np.asarray(split.labels)
        ids, counts = np.unique(labels, return_counts=True)
        exact = counts * size / rows
        take = np.floor(exact).astype(int)
        for index in np.argsort(take - exact, kind="stable")[: size - take.sum()]:
            take[index] += 1
        parts = [
            random.permutation(np.flatnonzero(labels == label))[:count]
            for label, count in zip(ids, take, strict=True)
        ]
        chosen = np.sort(np.concatenate(parts))
    else:
        chosen = np.sort(random.permutation(rows)[:size])
    return Split(tuple(split.texts[i] for i in chosen), tuple(split.labels[i] for i in chosen))
