"""Tasks: the same rows either way, strict reading, metrics, sub-samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench import metrics, tasks
from stabbench.errors import DataError, StabbenchError
from stabbench.tasks import Split, Task, subsample
from stabbench.tasks.base import FileSource


def test_real_data_has_the_right_sizes_and_constant_values(shared: Path) -> None:
    """Reference: label counts of the public TSV files."""
    folder = shared / "data" / "glue"
    expected = {
        "rte": (2490, 277, "accuracy", 146 / 277),
        "mrpc": (3668, 408, "f1", 2 * 279 / (2 * 279 + 129)),
        "cola": (8551, 1043, "matthews", 0.0),
        "qnli": (8999, 5463, "accuracy", 2761 / 5463),  # a subset of the training rows
    }
    for name, (train, dev, metric, constant) in expected.items():
        task = tasks.get(name)
        data = tasks.load(task, folder)
        assert (len(data.train.labels), len(data.dev.labels), task.metric) == (train, dev, metric)
        rows = np.bincount(data.dev.labels).tolist()
        assert metrics.for_classifiers(metric).constant(rows) == pytest.approx(constant, abs=1e-12)
    rte = tasks.load(tasks.get("rte"), folder)
    assert sum(label == 0 for label in rte.dev.labels) == 146  # entailment is 0, as on the hub
    mrpc = tasks.load(tasks.get("mrpc"), folder)
    assert sum(mrpc.dev.labels) == 279
    assert not any(text.startswith("\ufeff") for pair in mrpc.dev.texts for text in pair)
    assert sum(tasks.load(tasks.get("cola"), folder).train.labels) == 6023


def write_rte(folder: Path, dev: str) -> Path:
    place = folder / "RTE"
    place.mkdir(parents=True, exist_ok=True)
    header = "index\tsentence1\tsentence2\tlabel\n"
    (place / "train.tsv").write_text(header + '0\t"A quote\tNA\tentailment\n1\tnull\td\tnot_entailment\n')
    (place / "dev.tsv").write_text(header + dev)
    return folder


def test_words_that_readers_eat(tmp_path: Path) -> None:
    data = tasks.load(tasks.get("rte"), write_rte(tmp_path, "0\ta\tb\tentailment\n1\tc\td\tnot_entailment\n"))
    assert data.train.texts == (('"A quote', "NA"), ("null", "d"))
    assert data.train.labels == (0, 1)


@pytest.mark.parametrize(
    ("dev", "message"),
    [
        ("0\ta\tb\n", r"dev\.tsv:2: 3 columns where 4 are expected"),
        ("0\ta\tb\tentailment\n1\ta\tb\tmaybe\n", r"dev\.tsv:3: unknown label 'maybe'"),
        ("", r"dev\.tsv:2: the dev split of rte is empty"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, dev: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        tasks.load(tasks.get("rte"), write_rte(tmp_path, dev))
    assert "->" in str(error.value)


def test_a_missing_folder_and_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leave --stab-data-dir away"):
        tasks.load(tasks.get("rte"), tmp_path)
    write_rte(tmp_path, "0\ta\tb\tentailment\n")
    (tmp_path / "RTE" / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"dev\.tsv does not exist"):
        tasks.load(tasks.get("rte"), tmp_path)


ROWS = [("one, two", "yes"), ('say "x"', "no"), ("NA", "yes")]


def write_local(folder: Path, suffix: str, rows: list[tuple[str, str]] = ROWS) -> Path:
    import json

    import pandas as pd

    place = folder / f"rows{len(rows)}{suffix}"
    frame = pd.DataFrame(rows, columns=["text", "label"])
    if suffix == ".csv":
        frame.to_csv(place, index=False)
    elif suffix == ".tsv":
        place.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    elif suffix == ".jsonl":
        place.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in rows))
    else:
        frame.to_parquet(place)
    return place


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_local_files_of_every_kind_give_the_same_rows(tmp_path: Path, suffix: str) -> None:
    def load(name: str, suffix: str) -> tasks.TaskData:
        train, dev = write_local(tmp_path, suffix), write_local(tmp_path, suffix, ROWS[:2])
        return tasks.load(tasks.local_task(name, train=train, dev=dev, text="text"))

    data = load("mine", suffix)
    assert data.train.texts == tuple((text,) for text, _ in ROWS)
    assert data.dev.texts == data.train.texts[:2]
    assert data.label_names == ("no", "yes")
    assert data.fingerprint == load("csv", ".csv").fingerprint


def test_bad_local_files(tmp_path: Path) -> None:
    place = tmp_path / "rows.csv"
    place.write_text("text,label\na,b,c\n")
    task = Task(
        name="x", metric="accuracy", text_columns=("text",), source=FileSource(train=str(place), dev="")
    )
    with pytest.raises(DataError, match=r"rows\.csv:2: 3 columns where the header has 2"):
        tasks.load(task)
    place.write_text("txt,label\na,b\n")
    with pytest.raises(DataError, match="did you mean 'txt'"):
        tasks.load(task.model_copy(update={"source": FileSource(train=str(place), dev=str(place))}))
    with pytest.raises(DataError, match="no known kind"):
        tasks.load(task.model_copy(update={"source": FileSource(train="rows.xlsx", dev="")}))


def test_a_task_registers_once_and_survives_json(tmp_path: Path) -> None:
    place = write_local(tmp_path, ".csv")
    task = tasks.local_task("mine", train=place, dev=place, text="text")
    assert tasks.local_task("mine", train=place, dev=place, text="text") == task
    assert tasks.get("mine") == task
    with pytest.raises(StabbenchError, match="already a task called 'mine'"):
        tasks.local_task("mine", train=place, dev=place, text="text", metric="f1")
    with pytest.raises(StabbenchError, match="already a task called 'rte'"):
        tasks.local_task("rte", train=place, dev=place, text="text")
    assert Task.model_validate_json(task.model_dump_json()) == task


splits = (
    st.integers(2, 5)
    .flatmap(lambda labels: st.lists(st.integers(0, labels - 1), min_size=4, max_size=60))
    .map(lambda labels: Split(tuple((str(n),) for n in range(len(labels))), tuple(labels)))
)


@given(splits, st.data(), st.booleans(), st.integers(0, 99))
def test_a_subsample(split: Split, data: st.DataObject, stratified: bool, seed: int) -> None:
    size = data.draw(st.integers(1, len(split.labels)))
    sample = subsample(split, size, stratified=stratified, seed=seed)
    assert sample == subsample(split, size, stratified=stratified, seed=seed)
    numbers = [int(text) for (text,) in sample.texts]
    assert len(numbers) == size
    assert numbers == sorted(set(numbers))
    assert all(split.labels[n] == label for n, label in zip(numbers, sample.labels, strict=True))
    if stratified:
        for label in set(split.labels):
            share = split.labels.count(label) * size / len(split.labels)
            assert abs(sample.labels.count(label) - share) < 1


@pytest.mark.parametrize("size", [0, 3])
def test_an_impossible_subsample(size: int) -> None:
    with pytest.raises(DataError, match=f"train_size={size} is not between 1 and the 2 training rows"):
        subsample(Split((("a",), ("b",)), (0, 1)), size, stratified=False, seed=0)
