"""Reading task files: every row as it stands, and errors that name file and line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench.errors import DataError
from stabbench.tasks.base import FolderSource
from stabbench.tasks.readers import read_file, read_glue

SOURCE = FolderSource(hub="h", config="c", folder="F", columns=(1, 2), width=3)
COLUMNS = ("text", "label")

any_text = st.text(st.characters(codec="utf-8"), max_size=20)
tsv_text = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), max_size=20)
shared_folder = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def values(rows: object) -> list[dict[str, object]]:
    return [row for _, row in rows]  # type: ignore[attr-defined]


@shared_folder
@given(rows=st.lists(st.tuples(tsv_text, tsv_text), min_size=1), crlf=st.booleans(), end=st.booleans())
def test_a_glue_tsv_gives_back_what_was_written(
    tmp_path: Path, rows: list[tuple[str, str]], crlf: bool, end: bool
) -> None:
    newline = "\r\n" if crlf else "\n"
    lines = ["id\ttext\tlabel", *(f"0\t{text}\t{label}" for text, label in rows)]
    path = write(tmp_path / "t.tsv", newline.join(lines) + (newline if end else ""))
    assert values(read_glue(path, SOURCE, COLUMNS)) == [{"text": t, "label": n} for t, n in rows]


@pytest.mark.parametrize("word", ["NA", "null", "nan", "", ' " he said ', "'", "\u2028", "\x85", "1e5"])
@pytest.mark.parametrize("kind", ["tsv", "csv", "jsonl", "parquet"])
def test_words_that_readers_like_to_change_are_kept(tmp_path: Path, word: str, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "tsv":
        write(path, f"text\tlabel\n{word}\t0\n")
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), (word, "0")])
    elif kind == "jsonl":
        write(path, json.dumps({"text": word, "label": "0"}, ensure_ascii=False) + "\n")
    else:
        pd.DataFrame({"text": [word], "label": ["0"]}).to_parquet(path)
    assert values(read_file(path)) == [{"text": word, "label": "0"}]


@shared_folder
@given(rows=st.lists(st.tuples(any_text, any_text), min_size=1))
def test_a_csv_gives_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([COLUMNS, *rows])
    assert values(read_file(path)) == [{"text": t, "label": n} for t, n in rows]


@shared_folder
@given(rows=st.lists(st.tuples(any_text, any_text), min_size=1))
def test_json_lines_give_back_what_was_written(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    dicts = [{"text": t, "label": n} for t, n in rows]
    path = write(tmp_path / "t.jsonl", "".join(json.dumps(d, ensure_ascii=False) + "\n" for d in dicts))
    assert values(read_file(path)) == dicts


def test_a_byte_order_mark_is_no_part_of_the_first_value(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", "\ufefftext\tlabel\na\t0\n")
    assert values(read_file(path)) == [{"text": "a", "label": "0"}]
    source = SOURCE.model_copy(update={"header": False, "columns": (0, 1)})
    path = write(tmp_path / "g.tsv", "\ufeffa\t0\tx\n")
    assert values(read_glue(path, source, COLUMNS)) == [{"text": "a", "label": "0"}]


@pytest.mark.parametrize("row", ["1\ta", "1\ta\tb\tc", "", '1\t"a\tb"\tc'])
@pytest.mark.parametrize("header", [True, False])
def test_a_glue_row_with_a_wrong_number_of_columns(tmp_path: Path, row: str, header: bool) -> None:
    path = write(tmp_path / "t.tsv", f"1\ta\tb\n{row}\n1\ta\tb\n")
    source = SOURCE.model_copy(update={"header": header})
    with pytest.raises(DataError, match=r"t\.tsv:2: \d columns where 3 are expected"):
        list(read_glue(path, source, COLUMNS))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.tsv", "a\tb\n1\t2\n1\n", r"t\.tsv:3: 1 columns where the header has 2"),
        ("t.csv", "a,b\n1,2\n1,2,3\n", r"t\.csv:3: 3 columns where the header has 2"),
        ("t.csv", 'a,b\n1,"2', r"t\.csv:2: .*unexpected end"),
        ("t.csv", 'a,b\n1,"2"x\n', r"t\.csv:2: .*expected after"),
        ("t.csv", "a,a\n1,2\n", r"t\.csv:1: two columns have one name"),
        ("t.jsonl", '{"a": 1}\n{"a": \n', r"t\.jsonl:2: no JSON"),
        ("t.jsonl", '{"a": 1}\n1\n', r"t\.jsonl:2: not a JSON object"),
        ("t.jsonl", '[{"a": 1},\n1]\n', r"t\.jsonl:row 2: not a JSON object"),
        ("t.parquet", "no parquet", r"t\.parquet is no Parquet file"),
        ("t.xls", "", r"t\.xls is of no known kind"),
    ],
)
def test_malformed_files_are_named_with_their_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=message):
        list(read_file(path))


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes("text\tlabel\nnaïve\t0\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.tsv is not UTF-8"):
        list(read_file(path))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_missing_file_and_a_folder_in_its_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(read_file(tmp_path / name))
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=name):
        list(read_file(tmp_path / name))
