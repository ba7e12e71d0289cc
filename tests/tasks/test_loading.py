"""Labels by name or id, missing values, and the ways to the rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench import tasks
from stabbench.errors import DataError
from stabbench.tasks import Task
from stabbench.tasks.readers import read_glue


def local(folder: Path, train: list[Any], dev: list[Any], labels: tuple[str, ...] | None = None) -> Task:
    """Return a task whose rows have these labels and texts of their own."""
    paths = []
    for name, found in (("train", train), ("dev", dev)):
        path = folder / f"{name}.jsonl"
        rows = [{"text": f"{name} {number}", "label": label} for number, label in enumerate(found)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        paths.append(path)
    return tasks.local_task("mine", train=paths[0], dev=paths[1], text="text", labels=labels)


@pytest.fixture
def fake_hub(
    monkeypatch: pytest.MonkeyPatch,
) -> dict[tuple[str, str | None], dict[str, list[dict[str, Any]]]]:
    """Return a dictionary that stands for the hub: (id, configuration) -> split -> rows."""
    store: dict[tuple[str, str | None], dict[str, list[dict[str, Any]]]] = {}

    def load_dataset(hub: str, config: str | None, split: str) -> list[dict[str, Any]]:
        return store[hub, config][split]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    return store


@pytest.mark.parametrize(
    ("train", "dev", "labels", "names", "ids"),
    [
        ([1, 2, 1], [2, 1], None, ("1", "2"), ((0, 1, 0), (1, 0))),
        ([10, 9, 2], [10, 2], None, ("2", "9", "10"), ((2, 1, 0), (2, 0))),
        (["b", "a"], ["a", "b"], None, ("a", "b"), ((1, 0), (0, 1))),
        ([0, 1], [1, 0], ("neg", "pos"), ("neg", "pos"), ((0, 1), (1, 0))),
        (["0", "1"], ["1", "0"], ("neg", "pos"), ("neg", "pos"), ((0, 1), (1, 0))),  # as a CSV has them
        (["pos", "neg"], ["pos", "neg"], ("neg", "pos"), ("neg", "pos"), ((1, 0), (1, 0))),
        (
            [0, 1, 2],
            [1, 2],
            ("1", "2", "3"),
            ("1", "2", "3"),
            ((0, 1, 2), (1, 2)),
        ),  # dev alone looks like names
        ([False, True], [True, False], None, ("False", "True"), ((0, 1), (1, 0))),
        ([0, 1], [1.0, 0.0], None, ("0", "1"), ((0, 1), (1, 0))),  # pandas writes 1.0
        ([1.0, 0.0], [1, 0], None, ("0.0", "1.0"), ((1, 0), (1, 0))),  # named as in 0.1.0
        ([0, 1.0, "1"], ["0.0", 1], None, ("0", "1"), ((0, 1, 1), (0, 1))),
        (["NA", "None"], ["NA", "None"], ("NA", "None"), ("NA", "None"), ((0, 1), (0, 1))),
        ([-1, 0, 1], [-1, 1], ("-1", "0", "1"), ("-1", "0", "1"), ((0, 1, 2), (0, 2))),
    ],
)
def test_labels(
    tmp_path: Path,
    train: list[Any],
    dev: list[Any],
    labels: tuple[str, ...] | None,
    names: tuple[str, ...],
    ids: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    data = tasks.load(local(tmp_path, train, dev, labels))
    assert data.label_names == names
    assert (data.train.labels, data.dev.labels) == ids


@pytest.mark.parametrize(
    ("train", "dev", "labels", "message"),
    [
        ([0, 1], [2], None, r"dev\.jsonl:1: unknown label '2'"),
        ([0, 1, 2], [0], ("a", "b"), r"train\.jsonl:3: unknown label '2'"),
        (["a", "b"], ["a", "c"], None, r"dev\.jsonl:2: unknown label 'c'"),
        (["a", None], ["a"], None, r"train\.jsonl:2: the label is missing"),
        ([0.0, float("nan")], [0.0], None, r"train\.jsonl:2: the label is missing"),
        (["a", "a"], ["a"], None, r"train\.jsonl:1: the training split of mine has one label only"),
        ([], ["a"], None, r"train\.jsonl:1: the training split of mine is empty"),
        (["a", "b"], [], None, r"dev\.jsonl:1: the dev split of mine is empty"),
    ],
)
def test_bad_labels_are_named_with_file_and_line(
    tmp_path: Path, train: list[Any], dev: list[Any], labels: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        tasks.load(local(tmp_path, train, dev, labels))


@pytest.mark.parametrize("value", [3, ["a"], {"a": "b"}, True])
def test_a_text_must_be_a_text(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"text": "a", "label": 0}\n' + json.dumps({"text": value, "label": 1}) + "\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"t\.jsonl:2: 'text' holds .*, not a text"):
        tasks.load(tasks.local_task("mine", train=path, dev=path, text="text"))


def test_hub_and_folder_give_equal_fingerprints(tmp_path: Path, fake_hub: dict[Any, Any]) -> None:
    folder = tmp_path / "CoLA"
    folder.mkdir()
    (folder / "train.tsv").write_text('gj04\t1\t\tHe said "NA.\ngj04\t0\t*\tnull')  # no final newline
    (folder / "dev.tsv").write_text("gj04\t1\t\tnull\ngj04\t0\t*\tNA\n")
    fake_hub["nyu-mll/glue", "cola"] = {
        "train": [{"sentence": 'He said "NA.', "label": 1}, {"sentence": "null", "label": 0}],
        "validation": [{"sentence": "null", "label": 1}, {"sentence": "NA", "label": 0}],
    }
    cola = tasks.get("cola")
    assert tasks.load(cola).fingerprint == tasks.load(cola, tmp_path).fingerprint
    assert tasks.load(cola).train.labels == (1, 0)


def test_scitail_names_its_labels_differently_on_the_hub(tmp_path: Path, fake_hub: dict[Any, Any]) -> None:
    folder = tmp_path / "SciTail"
    folder.mkdir()
    (folder / "train.tsv").write_text("p\th\tneutral\nq\ti\tentails\n")
    (folder / "dev.tsv").write_text("q\ti\tentails\np\tj\tneutral\n")
    rows = [
        {"sentence1": "p", "sentence2": "h", "gold_label": "neutral"},
        {"sentence1": "q", "sentence2": "i", "gold_label": "entailment"},
        {"sentence1": "p", "sentence2": "j", "gold_label": "neutral"},
    ]
    fake_hub["allenai/scitail", "snli_format"] = {"train": rows[:2], "validation": rows[1:]}
    scitail = tasks.get("scitail")
    assert tasks.load(scitail) == tasks.load(scitail, tmp_path)
    assert tasks.load(scitail).train.labels == (1, 0)


def test_scitail_reads_the_released_layout(shared: Path) -> None:
    """Counts: the test split's labels, 842 entails and 1,284 neutral (data/scitail/SOURCES.md)."""
    source = tasks.get("scitail").source
    rows = read_glue(shared / "data/scitail/test.derived.tsv", source, ("premise", "hypothesis", "label"))
    labels = [row["label"] for _, row in rows]
    assert (labels.count("entails"), labels.count("neutral")) == (842, 1284)


MNLI_HEAD = ["index", "promptID", "pairID", "genre", *["parse"] * 4, "sentence1", "sentence2"]


def write_mnli(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    """Write MNLI as GLUE has it: 12 columns to train on, 16 in the dev file (the same rows but the last)."""
    place = folder / "MNLI"
    place.mkdir(parents=True)
    for name, annotators in (("train.tsv", 1), ("dev_matched.tsv", 5)):
        lines = [[*MNLI_HEAD, *(f"label{n + 1}" for n in range(annotators)), "gold_label"]]
        part = rows if annotators == 1 else rows[:-1]
        lines += [[*"01234567", a, b, *["neutral"] * annotators, gold] for a, b, gold in part]
        (place / name).write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def test_mnli_has_three_classes_and_a_wider_dev_file(tmp_path: Path, fake_hub: dict[Any, Any]) -> None:
    texts = [("a b", "c"), ("d", 'e "f'), ("NA", "g")]
    names = ("contradiction", "entailment", "neutral")
    folder = write_mnli(tmp_path, [(*pair, name) for pair, name in zip(texts, names, strict=True)])
    rows = [
        {"premise": a, "hypothesis": b, "label": label, "idx": 0}
        for (a, b), label in zip(texts, (2, 0, 1), strict=True)
    ]
    fake_hub["nyu-mll/glue", "mnli"] = {"train": rows, "validation_matched": rows[:-1]}
    mnli = tasks.get("mnli")
    local_rows = tasks.load(mnli, folder)
    assert local_rows == tasks.load(mnli)
    assert local_rows.label_names == ("entailment", "neutral", "contradiction")
    assert (local_rows.train.texts, local_rows.dev.texts) == (tuple(texts), tuple(texts[:-1]))
    assert local_rows.notes == (
        "2 of the 2 dev rows have the texts of a training row.",
        "no dev row has the label 'neutral'.",
    )
    assert local_rows.train.labels == (2, 0, 1)
    assert Task.model_validate_json(mnli.model_dump_json()) == mnli


@pytest.mark.parametrize(("name", "width"), [("train.tsv", 12), ("dev_matched.tsv", 16)])
def test_a_cut_row_of_mnli_is_named(tmp_path: Path, name: str, width: int) -> None:
    folder = write_mnli(tmp_path, [("a", "b", "neutral"), ("a", "c", "entailment"), ("d", "b", "neutral")])
    lines = (folder / "MNLI" / name).read_text().splitlines()
    lines[2] = lines[2].rpartition("\t")[0]
    (folder / "MNLI" / name).write_text("\n".join(lines))
    message = rf"{name}:3: {width - 1} columns where {width} are expected".replace(".", r"\.")
    with pytest.raises(DataError, match=message):
        tasks.load(tasks.get("mnli"), folder)


def test_a_hub_task_takes_its_own_columns_and_splits(fake_hub: dict[Any, Any]) -> None:
    fake_hub["someone/tickets", None] = {
        "train": [{"a": "x", "b": "y", "team": 1}, {"a": "z", "b": "w", "team": 0}],
        "test": [{"a": "v", "b": "u", "team": 1}, {"a": "t", "b": "s", "team": 0}],
    }
    task = tasks.hub_task(
        "tickets", hub="someone/tickets", splits=("train", "test"), text=("a", "b"), label="team"
    )
    assert tasks.get("tickets") == task
    assert Task.model_validate_json(task.model_dump_json()) == task
    data = tasks.load(task)
    assert data.train.texts == (("x", "y"), ("z", "w"))
    assert data.dev.labels == (1, 0)
    fake_hub["someone/tickets", None]["train"][1].pop("b")
    with pytest.raises(DataError, match=r"someone/tickets\[train\]:row 2: there is no column 'b'"):
        tasks.load(task)


def test_a_task_is_hashable_plain_data() -> None:
    assert hash(tasks.get("rte")) == hash(Task.model_validate_json(tasks.get("rte").model_dump_json()))


@given(
    st.lists(st.tuples(st.text(), st.integers(0, 1)), min_size=1, max_size=6),
    st.lists(st.tuples(st.text(), st.integers(0, 1)), min_size=1, max_size=6),
)
def test_fingerprints_are_equal_for_equal_rows_only(one: list[Any], other: list[Any]) -> None:
    def data(rows: list[Any]) -> tasks.TaskData:
        split = tasks.Split(tuple((text,) for text, _ in rows), tuple(label for _, label in rows))
        return tasks.TaskData(split, split, ("0", "1"))

    assert (data(one).fingerprint == data(other).fingerprint) == (one == other)


def test_a_subsample_changes_the_fingerprint_and_leaves_dev_alone(tmp_path: Path) -> None:
    task = local(tmp_path, [0, 1] * 20, [0, 1])
    whole, part = tasks.load(task), tasks.load(task, train_size=10)
    assert len(part.train.labels) == 10
    assert part.dev == whole.dev
    assert len({whole.fingerprint, part.fingerprint, tasks.load(task, None, 10, True, 1).fingerprint}) == 3


def test_loading_imports_no_torch(tmp_path: Path) -> None:
    """Nor `datasets`, which takes long; the hub's side of this is in test_hub.py."""
    local(tmp_path, [0, 1], [0, 1])
    program = (
        "import sys\n"
        "from stabbench import tasks\n"
        f"place = {str(tmp_path)!r}\n"
        "task = tasks.local_task('t', train=place + '/train.jsonl', dev=place + '/dev.jsonl', text='text')\n"
        "tasks.load(task)\n"
        "assert not {'torch', 'transformers', 'datasets'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
