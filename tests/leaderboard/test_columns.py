"""A column is defined in one place and seen in every output."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from stabbench.errors import StabbenchError
from stabbench.leaderboard import data, latex, markdown, page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.column import Cell, Column, Estimate
from stabbench.leaderboard.columns import LAYOUT
from stabbench.samples.collection import Collection
from tests.leaderboard.toy import TOY, with_everywhere, worst


@pytest.fixture(scope="module")
def toy(few: Collection) -> Board:
    return build(few, layout=with_everywhere(TOY))


def expected(board: Board) -> dict[str, float]:
    """Return the worst score by strategy, from the records."""
    return {row.strategy: min(run.record.last.value for run in row.runs.runs) for row in board.rows}


def cells(text: str, start: str, separator: str) -> list[str]:
    """Return the last cell of each line that starts so."""
    lines = [line.strip().strip("|\\") for line in text.splitlines() if line.startswith(start)]
    return [line.split(separator)[-1].strip() for line in lines]


def test_a_new_column_is_seen_in_every_output(toy: Board, few: Collection) -> None:
    wanted = expected(toy)
    assert len(wanted) == 2
    assert len(set(wanted.values())) == 2
    entries = {entry["strategy"]: entry for entry in json.loads(data.to_json(toy))["rows"]}
    lines = {line["strategy"]: line for line in csv.DictReader(io.StringIO(data.to_csv(toy)))}
    shown = {row["strategy"]: row["cells"][-1] for row in page.page_data(toy)["rows"]}
    for strategy, value in wanted.items():
        points = f"{100 * value:.1f}"
        assert entries[strategy]["worst"] == pytest.approx(value, rel=1e-5)
        assert float(lines[strategy]["worst"]) == pytest.approx(value, rel=1e-5)
        assert shown[strategy][:2] == [points, pytest.approx(value, rel=1e-5)]
        # in the table of the model and in that of the task
        assert cells(markdown.render(toy), f"| `{strategy}`", "|") == [points, points]
        assert cells(latex.render(toy), f"{strategy} &", "&") == [points]
    assert page.page_data(toy)["columns"][-1] == {
        "name": "worst",
        "head": "worst & least",
        "about": "The worst score of all runs.",
        "align": "right",
    }
    assert "mini-cola<br>worst &amp; least |" in markdown.render(toy)
    assert r"& worst \& least \\" in latex.render(toy)
    assert "worst" not in data.to_csv(build(few))


def test_what_a_column_says_stays_text(few: Collection) -> None:
    hostile = Column("note", "<b>", lambda row: "<b>a|b*</b>", align="left")
    board = build(few, layout=with_everywhere(hostile))
    assert cells(markdown.render(board), "| `ours`", " | ") == ["&lt;b&gt;a\\|b\\*&lt;/b&gt;"] * 2
    assert r"\textless{}b\textgreater{}a\textbar{}b$\ast$" in latex.render(board)
    assert r"\begin{tabular}{lrrrrl}" in latex.render(board)
    assert "<b>a|b" not in page.render_comparable(board)


@pytest.mark.parametrize(
    ("value", "entries", "header"),
    [
        (Estimate(0.5, 0.25, 0.75), {"x": 0.5, "x_low": 0.25, "x_high": 0.75}, "x,x_low,x_high"),
        (Estimate(None, None, None), {"x": None, "x_low": None, "x_high": None}, "x,x_low,x_high"),
        ((0.1, 0.2, None), {"x": [0.1, 0.2, None]}, "x_1,x_5,x_10"),
        (0.123456789, {"x": 0.123457}, "x"),
        (None, {"x": None}, "x"),
        ("a,b", {"x": "a,b"}, "x"),
    ],
)
def test_data_files_hold_plain_values_whatever_a_column_gives(
    few: Collection, value: Any, entries: dict[str, Any], header: str
) -> None:
    column = Column("x", "Something.", lambda row: value, lambda value, row: Cell("-"))
    board = build(few, layout=replace(LAYOUT, data=(*LAYOUT.data, column)))
    for entry in json.loads(data.to_json(board))["rows"]:
        assert entries.items() <= entry.items()
    assert data.to_csv(board).splitlines()[0].endswith(f",near_best,{header}")


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(StabbenchError, match="called 'std'"):
        with_everywhere(Column("std", "Another one.", worst))
    assert with_everywhere(replace(TOY, align="left")) is not None
