"""Pictures, page data, the folder and its check, the command."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from stabbench.cli import main
from stabbench.leaderboard import page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.output import PAGE, differences, write
from stabbench.leaderboard.pictures import Picture, pictures, slug
from stabbench.leaderboard.plots import darkened, draw, mark
from stabbench.samples.archive import write_archive
from stabbench.samples.collection import Collection
from stabbench.text import shown
from tests.leaderboard.generate import HOSTILE, runs


def test_pictures_are_equal_valid_svg_that_says_what_it_shows(board: Board) -> None:
    drawn = pictures(board)
    assert {picture.kind for picture in drawn} == {
        "distributions",
        "curves",
        "gradients",
        "losses",
        "profiles",
    }
    for picture in (drawn[0], drawn[2]):
        svg = draw(picture)
        assert svg == draw(picture)
        assert mark(picture) in svg
        ElementTree.fromstring(svg)
        dark = darkened(svg)
        assert mark(picture) in dark
        assert "#0072b2" not in dark.lower()
    assert len({picture.path(dark) for picture in drawn for dark in (True, False)}) == 2 * len(drawn)


def test_pictures_of_hostile_names_are_valid_svg(hostile: Board) -> None:
    for picture in pictures(hostile):
        for dark in (True, False):
            assert re.fullmatch(r"figures/[a-z0-9-]+\.svg", picture.path(dark))
        root = ElementTree.fromstring(draw(picture))
        assert not [element for element in root.iter() if element.tag.endswith(("script", "img", "image"))]


def test_a_grid_of_learning_rates_is_drawn_where_there_is_one() -> None:
    some = []
    for rate in (1e-4, 3e-4, 1e-3):
        for name, corrected in (("devlin", False), ("bias-correction", True)):
            change = {"learning_rate": rate, "bias_correction": corrected}
            some += runs([f"{name}@learning_rate={rate:g}"], ["mini-rte"], range(6), changes=change)
    (grid,) = [p for p in pictures(build(Collection(tuple(some)))) if p.kind == "learning_rates"]
    (panel,) = grid.data["panels"]
    for kind in ("with", "without"):
        assert [rate for rate, _ in panel[kind]] == [1e-4, 3e-4, 1e-3]
        assert all(len(scores) == 6 for _, scores in panel[kind])
    ElementTree.fromstring(draw(grid))


def test_losses_within_a_decade_have_more_than_one_label() -> None:
    points = [[0.2, 90.0, "learned"], [0.6, 53.0, "at chance"], [0.69, 52.0, "failed"]]
    drawn = Picture("losses", "m", "t", "", {"points": points, "entropy": 0.69, "metric": "x", "unit": ""})
    assert {"0.2", "0.5"} <= set(re.findall(r">([\d.]+)</text>", draw(drawn)))


def test_slugs_of_different_names_differ() -> None:
    names = ["a/b", "a-b", "A-b", "a b", "a.b"]
    assert len({slug(name) for name in names}) == len(names)


def test_page_data_cannot_end_its_script_element(hostile: Board) -> None:
    text = page.render_comparable(hostile)
    embedded = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert embedded is not None
    found = json.loads(embedded[1])
    assert {row["strategy"] for row in found["rows"]} == {*map(shown, HOSTILE), "devlin"}
    assert not re.search(r"[<>&\u2028\u2029]", embedded[1])
    assert len(re.findall("<script", text)) == 3


def test_the_page_holds_every_run_and_matches_the_records(board: Board) -> None:
    found = page.page_data(board)
    assert len(found["rows"]) == len(board.rows)
    for row in board.rows:
        held = found["groups"][row.group]["runs"]
        assert [run[1] for run in held] == list(range(25))
        assert [sum(run[3] == kind for run in held) for kind in (0, 2)] == [row.learned, row.failed]
    assert len(found["curves"]) == 375
    assert found["curves_note"] == "Every run that has traces shows its curves."


def test_curves_beyond_the_budget_are_sampled_and_the_page_says_so(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "DATA_BUDGET", 220_000)
    found = page.page_data(board)
    failed = {run[0] for group in found["groups"].values() for run in group["runs"] if run[3]}
    assert 0 < len(found["curves"]) < 375
    assert failed <= set(found["curves"])
    assert f"for {len(found['curves'])} of 375 runs" in found["curves_note"]


def test_the_folder_is_what_the_runs_give_until_a_number_changes(small: Board, tmp_path: Path) -> None:
    write(small, tmp_path)
    assert differences(small, tmp_path) == []
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write(small, tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    table = tmp_path / "README.md"
    table.write_text(re.sub(r"\| +\d\d\.\d \|", "| 12.3 |", table.read_text(), count=1))
    assert [line.split(",")[0] for line in differences(small, tmp_path)] == ["README.md"]
    write(small, tmp_path)

    whole = tmp_path / PAGE
    whole.write_text(whole.read_text().replace('"seed":7', '"seed":8').replace(',"l":[0.', ',"l":[1.', 1))
    assert [line.split(",")[0] for line in differences(small, tmp_path)] == [PAGE]
    write(small, tmp_path)

    (tmp_path / "figures" / "old.svg").write_text("<svg/>")
    (picture, *_) = pictures(small)
    drawn = tmp_path / picture.path(dark=False)
    drawn.write_text(drawn.read_text().replace("sha256:", "sha256:0"))
    (tmp_path / picture.path(dark=True)).unlink()
    assert [line.split(": ")[1] for line in differences(small, tmp_path)] == [
        "drawn from other data",
        "missing",
        "no longer a picture of the board",
    ]
    write(small, tmp_path)
    assert differences(small, tmp_path) == []


def test_another_version_of_the_drawing_libraries_is_no_difference(small: Board, tmp_path: Path) -> None:
    write(small, tmp_path)
    whole = (tmp_path / PAGE).read_text()
    (tmp_path / PAGE).write_text(whole.replace('<script id="plotly">', '<script id="plotly">/* newer */'))
    picture = pictures(small)[0]
    svg = tmp_path / picture.path(dark=False)
    svg.write_text(svg.read_text().replace("<defs>", "<defs >"))
    assert differences(small, tmp_path) == []


def test_the_command_writes_checks_prints_and_archives(
    few: Collection,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_archive(few, tmp_path / "a.jsonl.gz")
    source = ["leaderboard", "--archive", "a.jsonl.gz", "--out", "board"]
    assert main(source) == 0
    assert main([*source, "--check"]) == 0
    table = tmp_path / "board" / "table.json"
    table.write_text(table.read_text().replace('"failed": 0', '"failed": 1', 1))
    capsys.readouterr()
    assert main([*source, "--check"]) == 1
    assert "table.json, line" in capsys.readouterr().out
    assert main([*source, "--format", "latex", "--save-archive", "b.jsonl.gz"]) == 0
    assert capsys.readouterr().out.startswith("% Made by")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert main([*source, "--seeds", "12", "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {(line["planned"], line["missing"]) for line in lines} == {("12", "4")}
    assert {line["verdict"] for line in lines if line["strategy"] == "ours"} == {"INCOMPLETE"}


def test_no_store_and_no_runs_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["leaderboard"]) == 2
    assert ".stabbench is no store" in capsys.readouterr().err
    (tmp_path / ".stabbench" / "runs").mkdir(parents=True)
    assert main(["leaderboard"]) == 2
    assert "there is no run" in capsys.readouterr().err
