"""Data that looks right and is not: every reader ends alike, before anything is trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench import tasks
from stabbench.errors import DataError
from stabbench.tasks.readers import read_file

Rows = list[tuple[Any, Any]]
GOOD: Rows = [("one", "a"), ("two", "b"), ("three", "a")]
DEV: Rows = [("four", "a"), ("five", "b")]


def cell(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *(map(cell, row) for row in rows)])


def write_tsv(path: Path, rows: Rows) -> None:
    lines = ["text\tlabel", *("\t".join(map(cell, row)) for row in rows)]
    path.write_bytes(("\n".join(lines) + "\n").encode())


def write_pandas_tsv(path: Path, rows: Rows) -> None:
    frame = pd.DataFrame(rows, columns=["text", "label"], dtype=object)
    frame.to_csv(path, sep="\t", index=False, lineterminator="\n")


def objects(rows: Rows) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in rows]


def write_lines(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in objects(rows)), encoding="utf-8")


def write_array(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(objects(rows), indent=1), encoding="utf-8")


def write_parquet(path: Path, rows: Rows) -> None:
    pd.DataFrame(rows, columns=["text", "label"]).to_parquet(path)


WRITERS: dict[str, tuple[str, Callable[[Path, Rows], None]]] = {
    "csv": (".csv", write_csv),
    "tsv": (".tsv", write_tsv),
    "pandas": (".tsv", write_pandas_tsv),
    "jsonl": (".jsonl", write_lines),
    "lines": (".json", write_lines),
    "json": (".json", write_array),
    "array": (".jsonl", write_array),
    "parquet": (".parquet", write_parquet),
    "hub": ("", lambda path, rows: None),
}
READERS = sorted(WRITERS)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tasks.TaskData]:
    """Return what writes two splits in one kind of file (or puts them on a hub) and loads them."""
    hub: dict[str, list[dict[str, Any]]] = {}
    monkeypatch.setattr("datasets.load_dataset", lambda name, config, split: hub[split])

    def loaded(kind: str, train: Rows, dev: Rows, **options: Any) -> tasks.TaskData:
        monkeypatch.setattr(tasks.REGISTRY, "_registered", {})
        suffix, write = WRITERS[kind]
        if kind == "hub":
            hub.update(train=objects(train), validation=objects(dev))
            return tasks.load(tasks.hub_task("mine", hub="someone/mine", text="text", **options))
        paths = [tmp_path / f"{name}-{kind}{suffix}" for name in ("train", "dev")]
        for path, rows in zip(paths, (train, dev), strict=True):
            write(path, rows)
        return tasks.load(tasks.local_task("mine", train=paths[0], dev=paths[1], text="text", **options))

    return loaded


word = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cf"]), min_size=1, max_size=8
).filter(str.strip)
label = st.sampled_from(["a", "b c", 'say "x"', "d,e", "'"])


def fits_plain_tsv(rows: Rows) -> bool:
    """Whether a text can stand in a TSV without quotes, and is not by chance what a quoting writer writes."""
    return not any(mark in str(value) for row in rows for value in row for mark in '\t\n\r"')


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(word, min_size=6, max_size=8, unique=True), labels=st.lists(label, min_size=8, max_size=8)
)
def test_one_table_is_one_table_whatever_it_is_written_in(load, texts: list[str], labels: list[str]) -> None:
    rows = list(zip(texts, ["a", "b c", *labels], strict=False))
    train, dev = [*rows, ("more", 'say "x"'), ("still", "d,e"), ("last", "'")], rows[:2]
    kinds = {*READERS}
    if not fits_plain_tsv(train):
        kinds.remove("tsv")
    if any("\r" in text for text in texts):  # pandas leaves it bare, and cannot read it back either
        kinds.remove("pandas")
    assert len({load(kind, train, dev).fingerprint for kind in kinds}) == 1


def ids(count: int) -> Rows:
    return [(f"t{number}", f"u{number}") for number in range(count)]


def fractions(count: int) -> Rows:
    return [(f"t{number}", number / 4) for number in range(count)]


NAN = float("nan")
# training rows (dev is DEV unless given), what the error says, and the next action
FAULTS: dict[str, tuple[Rows, Rows | None, str, str]] = {
    "an empty label": ([*GOOD, ("x", "")], None, "the label is missing", "leave the row out"),
    "a null label": ([*GOOD, ("x", None)], None, "the label is missing", "leave the row out"),
    "a blank label": ([*GOOD, ("x", "  ")], None, "the label is missing", "leave the row out"),
    "a missing label in dev": (GOOD, [*DEV, ("x", None)], "the label is missing", "leave the row out"),
    "nan as text": ([*GOOD, ("x", "nan")], None, "'nan' stands for a missing value", "labels="),
    "NaN as text": ([*GOOD, ("x", "NaN")], None, "'NaN' stands for a missing value", "labels="),
    "None as text": ([*GOOD, ("x", "None")], None, "'None' stands for a missing value", "labels="),
    "null as text": ([*GOOD, ("x", "null")], None, "'null' stands for a missing value", "labels="),
    "NA as text": (GOOD, [*DEV, ("x", "NA")], "'NA' stands for a missing value", "labels="),
    "white space behind": ([*GOOD, ("x", "a ")], None, "'a ' has white space around it", "write 'a'"),
    "white space before": ([*GOOD, ("x", " a")], None, "' a' has white space around it", "write 'a'"),
    "white space around all": ([("x", " a"), ("y", " b")], None, "has white space around it", "write 'a'"),
    "upper case": ([*GOOD, ("x", "A")], None, "'A' and 'a' differ by case", "in one way"),
    "upper case in dev": (GOOD, [*DEV, ("x", "B")], "'B' and 'b' differ by case", "in one way"),
    "two spaces": ([("x", "a b"), ("y", "a  b"), *GOOD], None, "differ by case, white space", "in one way"),
    "another form": ([("x", "\u00e9"), ("y", "e\u0301"), *GOOD], None, "differ by case", "in one way"),
    "leading zeros": ([("x", "1"), ("y", "01"), *GOOD], None, "differ by case", "in one way"),
    "a list as text": ([*GOOD, ("x", "[0, 2]")], None, "the label is a list", "one label"),
    "an object as text": ([*GOOD, ("x", '{"a": 1}')], None, "the label is a list", "one label"),
    "unlabelled rows": ([("x", 0), ("y", 1), ("z", -1)], None, "the label is -1", "a split with labels"),
    "an unlabelled dev set": (
        [("x", 0), ("y", 1)],
        [("z", -1), ("w", -1)],
        "the label is -1",
        "a split with labels",
    ),
    "fractions": (
        fractions(8),
        fractions(4),
        "a number with a fraction",
        "regression is a task type of its own",
    ),
    "ids": (ids(40), ids(10), "has 40 labels in 40 training rows", "label="),
    "many numbers": (
        [(f"t{n}", n) for n in range(60)],
        [("v", 3), ("w", 4)],
        "has 60 labels in 60 training rows",
        "regression",
    ),
    "an invisible end": (
        [*GOOD, ("x", "a\u200b")],
        None,
        r"'a\u200b' holds invisible characters",
        "write 'a'",
    ),
    "a mark before": (GOOD, [*DEV, ("x", "\ufeffa")], r"'\ufeffa' holds invisible", "write 'a'"),
    "a soft hyphen": ([("x", "p\u00ado"), *GOOD], None, r"'p\xado' holds invisible characters", "write 'po'"),
    "an invisible joiner": ([("x", "p\u200co"), ("y", "po"), *GOOD], None, "differ by case", "in one way"),
    "an invisible label": ([*GOOD, ("x", "\u200b")], None, "the label is missing", "leave the row out"),
    "an invisible text": (GOOD, [*DEV, ("\u200b \ufeff", "a")], "'text' is empty", "leave the row out"),
    "a tuple as text": (
        [*GOOD, ("x", "('a', 'b')")],
        None,
        "the label is a list (\"('a', 'b')\")",
        "one label",
    ),
    "a tuple of one": ([*GOOD, ("x", "(1,)")], None, "the label is a list", "one label"),
    "unlabelled rows, a typographic minus": (
        [("x", "0"), ("y", "1"), ("z", "\u22121")],
        None,
        r"the label is -1, which",
        "a split with labels",
    ),
    "unlabelled rows, a dash": (GOOD, [*DEV, ("x", "\u20131.0")], "the label is -1", "a split with labels"),
    "unlabelled in words": ([*GOOD, ("x", "Unlabelled")], None, "'Unlabelled' says that there is", "labels="),
    "unlabeled in dev": (GOOD, [*DEV, ("x", "unlabeled")], "'unlabeled' says that there is", "labels="),
    "a question mark": ([*GOOD, ("x", "?")], None, "the label is '?', which", "leave such rows out"),
    "a question mark in dev": (GOOD, [*DEV, ("x", "?")], "the label is '?', which", "leave such rows out"),
    "a long dash": ([*GOOD, ("x", "\u2014")], None, "the label is '\u2014'", "leave such rows out"),
    "a header again": ([*GOOD, ("text", "label")], None, "names of the columns", "a header line"),
    "a header again in dev": (GOOD, [("text", "label"), *DEV], "names of the columns", "a header line"),
    "no agreement": ([*GOOD, ("x", "-")], None, "the label is '-'", "leave such rows out"),
    "no agreement in dev": (GOOD, [*DEV, ("x", "-")], "the label is '-'", "leave such rows out"),
    "dates": ([("x", "2024-05-01"), ("y", "2024-05-02")], None, "a date (2024-05-01)", "label="),
    "times": ([("x", "2024-05-01 10:00:00"), *GOOD], None, "a date (2024-05-01 10:00:00)", "label="),
    "truth and numbers": (
        [("x", "True"), ("y", "0"), ("z", "1")],
        None,
        "mix truth values and numbers",
        "one way",
    ),
    "one label": (
        [("x", "a"), ("y", "a")],
        None,
        "the training split of mine has one label only",
        "two labels",
    ),
    "one label in dev": (
        GOOD,
        [("x", "a"), ("y", "a")],
        "the dev split of mine has one label only",
        "two labels",
    ),
    "an unseen label": (
        GOOD,
        [*DEV, ("x", "c")],
        "unknown label 'c': no training row has it",
        "training rows",
    ),
    "an empty text": ([*GOOD, ("", "a")], None, "'text' is empty", "leave the row out"),
    "a null text": ([*GOOD, (None, "a")], None, "'text' is empty", "leave the row out"),
    "a blank text": (GOOD, [*DEV, (" ", "a")], "'text' is empty", "leave the row out"),
    "a NUL": (GOOD, [*DEV, ("a\0b", "a")], "'text' holds a NUL", "take it out"),
    "one split twice": (GOOD, GOOD, "are the same 3 rows", "a dev split of other rows"),
    "one split in another order": (GOOD, GOOD[::-1], "are the same 3 rows", "a dev split of other rows"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_reader_ends_alike(load, fault: str) -> None:
    train, dev, what, action = FAULTS[fault]
    said = {}
    for kind in READERS:
        with pytest.raises(DataError) as error:
            load(kind, train, DEV if dev is None else dev)
        assert what in error.value.cause
        assert action in error.value.action
        assert "-csv.csv:" in error.value.cause or kind != "csv"
        place, _, said[kind] = error.value.cause.partition(": ")
        assert place.rpartition(":")[2].removeprefix("row ").isdigit()
    if "(also" not in said["csv"] and "same" not in said["csv"]:
        assert len(set(said.values())) == 1


@pytest.mark.parametrize("kind", ["jsonl", "array", "parquet", "hub"])
@pytest.mark.parametrize("value", [[0, 2], [1], [], ["a"]])
def test_a_list_is_no_label(load, kind: str, value: list[Any]) -> None:
    rows = [("x", value), ("y", value), ("z", value)]
    with pytest.raises(DataError, match=r"1: the label is a list \(also .*2, .*3\)"):
        load(kind, rows, DEV)


@pytest.mark.parametrize("kind", ["jsonl", "array", "hub"])
@pytest.mark.parametrize("value", [{"a": 1}, {}])
def test_an_object_is_no_label(load, kind: str, value: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="the label is a dict"):
        load(kind, [("x", value), *GOOD], DEV)


@pytest.mark.parametrize("value", [date(2024, 5, 1), datetime(2024, 5, 1, 10)])
def test_a_date_is_no_label_whatever_holds_it(load, value: date) -> None:
    for kind in ("csv", "parquet", "hub"):
        with pytest.raises(DataError, match=rf"the label is a date \({value}\)"):
            load(kind, [("x", value), ("y", value)], DEV)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "Infinity"])
@pytest.mark.parametrize("layout", ["{}\n{}\n{}\n", "[{},\n{},\n{}]"])
def test_an_infinite_number_is_no_label_and_no_text(tmp_path: Path, layout: str, number: str) -> None:
    (tmp_path / "dev.jsonl").write_text('{"text": "d", "label": 0}\n{"text": "e", "label": "a"}\n')
    task = tasks.local_task("inf", train=tmp_path / "t.json", dev=tmp_path / "dev.jsonl", text="text")
    sound = ['{"text": "a", "label": 0}', '{"text": "b", "label": "a"}']
    for row, what in (
        (f'{{"text": "c", "label": {number}}}', "the label is an infinite number"),
        (f'{{"text": {number}, "label": 0}}', "'text' holds '-?inf', not a text"),
    ):
        (tmp_path / "t.json").write_text(layout.format(*sound, row))
        with pytest.raises(DataError, match=rf"t\.json:(row )?3: {what}"):
            tasks.load(task)


@pytest.mark.parametrize("kind", READERS)
def test_a_header_again_may_be_meant(load, kind: str) -> None:
    rows = [*GOOD, ("text", "label")]
    where = r"-csv\.csv:5: " if kind == "csv" else ""
    with pytest.raises(DataError, match=f"{where}the row holds the names of the columns"):
        load(kind, rows, DEV)
    assert len(load(kind, rows, DEV, labels=("a", "b", "label")).train.labels) == 4


@pytest.mark.parametrize("kind", READERS)
def test_signs_and_joined_letters_are_labels(load, kind: str) -> None:
    rows = [
        ("x", "+"),
        ("y", "-"),
        ("z", "\u0645\u06cc\u200c\u0634\u0648\u062f"),
        ("q", "?"),
        ("e", ":"),
        ("k", "unknown"),
        ("h", "label"),
        ("text", "text"),
        ("w", "(n/a)"),
        ("v", "(a)"),
    ]
    dev = [(f"dev {text}", name) for text, name in rows]
    assert set(load(kind, rows, dev).label_names) == {name for _, name in rows}


MEANT = {
    "NA": ([("x", "NA"), ("y", "Major")], ("Major", "NA")),
    "None": ([("x", "None"), ("y", "Minor")], ("Minor", "None")),
    "-1": ([("x", "-1"), ("y", "1")], ("-1", "1")),
    "case": ([("x", "us"), ("y", "US")], ("US", "us")),
    "edges": ([("x", "a "), ("y", "a")], ("a", "a ")),
    "stars": ([("x", "3.5"), ("y", "4.0")], ("3.5", "4.0")),
    "tuples": ([("x", "(1, 2)"), ("y", "(2, 3)")], ("(1, 2)", "(2, 3)")),
    "dash": ([("x", "-"), ("y", "a")], ("a", "-")),
    "question": ([("x", "?"), ("y", "a")], ("a", "?")),
    "minus": ([("x", "\u22121"), ("y", "1")], ("\u22121", "1")),
    "unlabeled": ([("x", "unlabeled"), ("y", "positive")], ("positive", "unlabeled")),
    "dates": ([("x", "2024-05-01"), ("y", "a")], ("2024-05-01", "a")),
    "invisible": ([("x", "a\u200b"), ("y", "a")], ("a\u200b", "a")),
    "lists": ([("x", "[NEG]"), ("y", "[1]")], ("[1]", "[NEG]")),
}


@pytest.mark.parametrize("meant", MEANT)
def test_what_a_task_names_is_meant(load, meant: str) -> None:
    train, labels = MEANT[meant]
    dev = [(f"dev {text}", name) for text, name in train]
    found = {kind: load(kind, train, dev, labels=labels) for kind in READERS}
    assert {data.label_names for data in found.values()} == {labels}
    assert len({data.fingerprint for data in found.values()}) == 1
    if meant not in ("lists",):
        with pytest.raises(DataError, match=r"labels=\(\.\.\.\)"):
            load("csv", train, dev)


@pytest.mark.parametrize("kind", READERS)
def test_what_is_no_mistake_is_told(load, kind: str) -> None:
    train = [("x", "a"), ("y", "b"), ("z", "c"), ("w", "a")]
    data = load(kind, train, [("x", "a"), ("y", "a"), ("v", "b")], labels=("a", "b", "c", "d"))
    assert data.notes == (
        "2 of the 3 dev rows have the texts of a training row, 1 of them with another label.",
        "no dev row has the label 'c'.",
        "no row has the label 'd'.",
    )
    assert data.summary() == (
        "4 training and 3 dev rows, 4 labels (training/dev): 'a' 2/2, 'b' 1/1, 'c' 1/0, 'd' 0/0"
    )


@pytest.mark.parametrize("kind", READERS)
def test_labels_that_contradict_those_of_the_training_rows_are_told(load, kind: str) -> None:
    """A text with both labels in training contradicts neither."""
    train = [("x", "a"), ("y", "b"), ("z", "a"), ("z", "b")]
    for dev, told in (
        ([("x", "b"), ("y", "a")], "2 of the 2 dev rows have the texts of a training row, 2 of them with"),
        ([("x", "a"), ("z", "b")], "2 of the 2 dev rows have the texts of a training row."),
    ):
        (note,) = load(kind, train, dev).notes
        assert note.startswith(told)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("text", ["nan", "None", "same"])
def test_a_column_that_says_nothing_is_told(load, kind: str, text: str) -> None:
    dev = [(text, "a"), (text, "b")]
    assert load(kind, [*GOOD, ("nan", "a"), ("None", "b")], DEV).notes == ()
    assert load(kind, GOOD, dev).notes == (f"the text of every dev row is {text!r}.",)


def test_a_summary_of_many_labels_names_some(load) -> None:
    rows = [(f"{part} {n}", f"c{n:02}") for part in range(4) for n in range(20)]
    assert load("csv", rows, rows[:20]).summary().endswith("'c11' 4/1, and 8 more")


def test_a_sample_with_one_label_is_refused(load, tmp_path: Path) -> None:
    load("csv", [("x", "b"), *((f"t{n}", "a") for n in range(30))], DEV)
    with pytest.raises(DataError, match=r"sample of 2 training rows of mine has one label only"):
        tasks.load(tasks.get("mine"), train_size=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "label"}, "uses the column 'label' twice"),
        ({"text": ("text", "text")}, "uses the column 'text' twice"),
        ({"text": "text", "labels": ("a",)}, "name two or more"),
        ({"text": "text", "labels": ("a", "b", "a")}, "each once"),
    ],
)
def test_a_task_that_cannot_be(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    task = tasks.local_task("odd", train=tmp_path / "t.csv", dev=tmp_path / "d.csv", **options)
    with pytest.raises(DataError, match=message):
        tasks.load(task)


# name, bytes, what the error says
FILES: dict[str, tuple[str, bytes, str]] = {
    "semicolons": ("t.csv", b"text;label\na;b\n", r"t\.csv:1: .*separated by semicolons.*\n.*sep=';'"),
    "tabs in a csv": ("t.csv", b"text\tlabel\na\tb\n", r"t\.csv:1: .*separated by tabs"),
    "commas in a tsv": ("t.tsv", b"text,label\na,b\n", r"t\.tsv:1: .*separated by commas"),
    "utf-16": ("t.csv", "text,label\na,b\n".encode("utf-16"), "is UTF-16, not UTF-8"),
    "utf-16 without a mark": ("t.csv", "text,label\na,b\n".encode("utf-16-le"), "is UTF-16, not UTF-8"),
    "utf-16 json": ("t.jsonl", '{"text": "a"}'.encode("utf-16"), "is UTF-16, not UTF-8"),
    "latin-1": ("t.csv", "text,label\na,b\nna\xefve,a\n".encode("latin-1"), r"is not UTF-8 \(line 3"),
    "nothing csv": ("t.csv", b"", r"t\.csv:1: the file is empty"),
    "nothing tsv": ("t.tsv", b"", r"t\.tsv:1: the file is empty"),
    "an empty line": ("t.csv", b"text,label\na,b\n\n", r"t\.csv:3: 0 columns .*the line is empty"),
    "an empty line tsv": ("t.tsv", b"text\tlabel\n\na\tb\n", r"t\.tsv:2: 1 columns .*the line is empty"),
    "ragged": ("t.csv", b'text,label\n"a\nb",x\nc\n', r"t\.csv:4: 1 columns where the header has 2"),
    "a quote": ("t.csv", b'text,label\na,b\n"c,d\ne,f\n', r"t\.csv:3: .*\n.*mend the quotes of the row"),
    "quoted in part": (
        "t.tsv",
        b'text\tlabel\n"He ""said"" so"\t1\nno "such" thing\t0\n',
        r"t\.tsv:2: .*quoted as in a CSV, but not all.*\n.*\.csv or \.jsonl",
    ),
    "columns": (
        "t.json",
        b'{"text": {"0": "a"}, "label": {"0": 1}}',
        "JSON object of columns.*\n.*orient='records'",
    ),
    "columns, printed": (
        "t.json",
        b'{\n "text": {\n  "0": "a"\n },\n "label": {"0": 1}}',
        "JSON object of columns.*\n.*orient='records'",
    ),
    "a surrogate": ("t.jsonl", b'{"text": "\\ud800", "label": 1}\n', r"t\.jsonl:1: no JSON"),
    "depth": ("t.jsonl", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", r"t\.jsonl:1: no JSON"),
    "deep": ("t.json", b"[" * 60 + b"]" * 60, r"t\.json:1: no JSON \(nested deeper"),
    "a name twice": (
        "t.jsonl",
        b'{"text": "a", "text": "b", "label": 1}\n',
        r"t\.jsonl:1: no JSON \('text' comes",
    ),
    "a huge number": ("t.jsonl", b'{"text": "a", "label": ' + b"9" * 5000 + b"}\n", r"t\.jsonl:1: no JSON"),
    "cut off": ("t.json", b'[{"text": "a", "label": 1},\n {"text":', r"t\.json:2: no JSON"),
    "lists": ("t.json", b'[["a", 1]]', r"t\.json:row 1: not a JSON object.*\n.*array of objects"),
    "two columns of one name": ("t.tsv", b"a\ta\n1\t2\n", "two columns have one name"),
    "half a parquet": ("t.parquet", b"PAR1half", "is no Parquet file"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    file, content, message = FILES[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_file(tmp_path / file))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.json", "t.jsonl", "t.parquet"])
def test_a_header_alone_and_an_empty_array_are_empty_splits(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = {"t.csv": "text,label\n", "t.tsv": "text\tlabel\n", "t.json": "[]\n", "t.jsonl": ""}
    if name in content:
        path.write_text(content[name])
    else:
        pd.DataFrame({"text": [], "label": []}).to_parquet(path)
    with pytest.raises(DataError, match=r"the training split of mine is empty"):
        tasks.load(tasks.local_task("mine", train=path, dev=path, text="text"))


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("kind", ["csv", "tsv", "pandas", "jsonl", "array"])
def test_a_long_cell_and_a_byte_order_mark(load, tmp_path: Path, kind: str, mark: str) -> None:
    suffix, write = WRITERS[kind]
    path = tmp_path / f"long{suffix}"
    text = 'a "quoted" one, ' * 10_000 if kind != "tsv" else "word " * 40_000
    write(path, [(text, "a")])
    path.write_bytes(mark.encode() + path.read_bytes())
    assert [row for _, row in read_file(path)] == [{"text": text, "label": "a"}]


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_tsv_of_pandas_is_unquoted(tmp_path: Path, quoting: Any, end: str) -> None:
    """cases/d9: texts with quotes, tabs and line breaks come back as they went in."""
    texts = ['He said "hi" to me', "plain", 'a "b" \t c', "two\nlines", '"', '""', "it's"]
    frame = pd.DataFrame({"text": texts, "label": range(len(texts))})
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False, quoting=quoting, lineterminator=end)
    rows = [row for _, row in read_file(tmp_path / "t.tsv")]
    assert [row["text"] for row in rows] == texts
    assert [row["label"] for row in rows] == [str(number) for number in range(len(texts))]


@pytest.mark.parametrize("text", ['"', 'say "x"', '"Hello"', "''", '"a" and "b"', 'a "" b', '" he said'])
def test_a_quotation_mark_in_a_plain_tsv_is_a_letter(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.tsv").write_text(f"text\tlabel\n{text}\t0\nplain\t1\n")
    assert [row["text"] for _, row in read_file(tmp_path / "t.tsv")] == [text, "plain"]


def test_a_number_of_another_kind_of_file_is_the_same_label(tmp_path: Path) -> None:
    """Training rows by hand, dev rows by pandas, which had a missing value there before and writes 1.0."""
    write_csv(tmp_path / "train.csv", [("x", 0), ("y", 1)])
    write_parquet(tmp_path / "dev.parquet", [("v", 1.0), ("w", 0.0)])
    task = tasks.local_task("mixed", train=tmp_path / "train.csv", dev=tmp_path / "dev.parquet", text="text")
    assert tasks.load(task).dev.labels == (1, 0)


SUITE = """
from stabbench.tasks import local_task
TASK = local_task("near", train="train.csv", dev="../data/dev.csv", text="text")
"""


@pytest.mark.parametrize("reference", ["{suite}/test_near.py:TASK", "near"])
def test_paths_are_relative_to_the_file_that_declares_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    from stabbench.registry import import_file

    for folder in ("suite", "data", "elsewhere"):
        (tmp_path / folder).mkdir()
    write_csv(tmp_path / "suite" / "train.csv", GOOD)
    write_csv(tmp_path / "data" / "dev.csv", DEV)
    (tmp_path / "suite" / "test_near.py").write_text(SUITE)
    monkeypatch.chdir(tmp_path / "elsewhere")
    import_file(tmp_path / "suite" / "test_near.py")
    data = tasks.load(tasks.get(reference.format(suite=tmp_path / "suite")))
    assert data.train.texts == (("one",), ("two",), ("three",))


def test_a_path_that_is_relative_to_the_current_folder_is_found_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "train.csv", GOOD)
    write_csv(tmp_path / "dev.csv", DEV)
    monkeypatch.chdir(tmp_path)
    assert tasks.load(tasks.local_task("here", train="train.csv", dev="dev.csv", text="text")).notes == ()


def test_a_task_written_out_in_a_file_has_paths_relative_to_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", GOOD)
    write_csv(tmp_path / "dev.csv", DEV)
    (tmp_path / "mine.py").write_text(
        "from stabbench.tasks import Task\nfrom stabbench.tasks.base import FileSource\n"
        "TASK = Task(name='own', metric='accuracy', text_columns=('text',),\n"
        "            source=FileSource(train='train.csv', dev='dev.csv'))\nOTHER = 3\n"
    )
    assert tasks.load(tasks.get(f"{tmp_path}/mine.py:TASK")).label_names == ("a", "b")
    with pytest.raises(DataError, match="is a int, no task"):
        tasks.get(f"{tmp_path}/mine.py:OTHER")


SHARED = {
    "d2-empty-label-csv/emptyl.csv": r"emptyl\.csv:3: the label is missing",
    "d2-empty-label-csv/nanl.csv": r"nanl\.csv:3: the label 'nan' stands for a missing value",
    "d3-space-case-label/space.csv": r"space\.csv:4: the label 'pos ' has white space",
    "d3-space-case-label/case.csv": r"case\.csv:4: the labels 'positive' and 'Positive' differ by case",
    "d5-id-column-as-label/idx.jsonl": "has 300 labels in 300 training rows",
    "d6-list-label/ml.jsonl": r"ml\.jsonl:1: the label is a list",
    "d8-train-is-dev/train_and_dev.jsonl": "are the same 2 rows",
}


@pytest.mark.parametrize("case", SHARED)
def test_the_shared_cases(shared: Path, case: str) -> None:
    path = shared / "cases" / case
    with pytest.raises(DataError, match=SHARED[case]):
        tasks.load(tasks.local_task("case", train=path, dev=path, text="text"))


def test_the_shared_cases_that_are_right(shared: Path) -> None:
    for name in ("arr.json", "arr2.json"):
        rows = [row for _, row in read_file(shared / "cases" / "d10-json-array" / name)]
        assert rows == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
    rows = [row for _, row in read_file(shared / "cases" / "d9-pandas-tsv-quotes" / "pd.tsv")]
    assert rows == [{"text": 'He said "hi" to me', "label": "1"}, {"text": "plain", "label": "0"}]


def test_glue_s_own_files_stay_unquoted(shared: Path) -> None:
    """Read as anybody's TSV, the real files give the texts of GLUE's own reader."""
    for name, columns in (("RTE", ("sentence1", "sentence2")), ("QNLI", ("question", "sentence"))):
        places = [shared / "data" / "glue" / name / file for file in ("train.tsv", "dev.tsv")]
        mine = tasks.load(tasks.local_task(f"my-{name}", train=places[0], dev=places[1], text=columns))
        glue = tasks.load(tasks.get(name.lower()), shared / "data" / "glue")
        assert (mine.train, mine.dev) == (glue.train, glue.dev)
