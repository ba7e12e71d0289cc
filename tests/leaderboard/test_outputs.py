"""The files: well-formed, escaped, complete, and checked against the runs."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from stabbench.errors import StabbenchError
from stabbench.leaderboard import data, latex, markdown
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.pictures import pictures
from stabbench.leaderboard.published import read_published
from tests.leaderboard.generate import PUBLISHED, collection


class Tables(HTMLParser):
    """Counts the cells of each row of each table, and the tags there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[int]] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += 1

    def handle_data(self, found: str) -> None:
        self.text += found


def html_of(board: Board) -> Tables:
    return Tables(MarkdownIt("commonmark").enable("table").render(markdown.render(board, pictures(board))))


def test_markdown_tables_are_well_formed(board: Board) -> None:
    html = html_of(board)
    assert len(html.tables) == 1 + 3 + 1
    for table in html.tables:
        assert len(set(table)) == 1
    assert [table[0] for table in html.tables] == [10, 13, 13, 13, 6]
    assert [len(table) for table in html.tables] == [6, 6, 6, 6, 6]


def test_hostile_names_stay_text_in_markdown(hostile: Board) -> None:
    html = html_of(hostile)
    assert all(len(set(table)) == 1 for table in html.tables)
    allowed = "h1 h2 h3 p em a code table thead tbody tr th td br ul li picture source img"
    assert html.tags <= set(allowed.split())
    for name in ("<script>alert(1)</script>", "a|b`c``d*e_f[g](h)", "<b>task</b>|x", "</script><i>model</i>"):
        assert name in html.text


def test_published_figures_stand_apart(board: Board) -> None:
    entry = PUBLISHED.model_copy(update={"model": "mini-bert"})
    text = markdown.render(build(collection(["ours"], ["mini-rte"], range(3)), (entry, PUBLISHED)))
    assert text.index("Published for mini-bert") < text.index("## Published figures")
    assert "67.3" in text
    assert "67.3" not in text[: text.index("Published for mini-bert")]
    assert "67.3" not in data.to_csv(board)


def test_the_committed_published_figures_are_read() -> None:
    entries = read_published(Path(__file__).parents[2] / "baselines" / "published.json")
    ours = {entry.task: entry.std for entry in entries if entry.strategy == "Ours"}
    assert ours == {"rte": 2.7, "mrpc": 0.8, "cola": 1.8}


def test_malformed_published_figures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"rows": [{"std": 1}]}')
    with pytest.raises(StabbenchError, match=r"p\.json"):
        read_published(tmp_path / "p.json")
    assert read_published(tmp_path / "none.json") == ()


def check_latex(text: str) -> None:
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    plain = re.sub(r"\\\\|\\[{}$&#%_]", "", "\n".join(lines).replace("\\\\", "\\newline "))
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    begun, ended = (sorted(re.findall(rf"\\{word}{{(\w+)}}", text)) for word in ("begin", "end"))
    assert begun == ended
    assert begun
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL)
    for body in bodies:
        assert len({len(re.findall(r"(?<!\\)&", line)) for line in body.strip().splitlines()}) == 1


def test_latex_is_balanced_whatever_the_names(board: Board, hostile: Board) -> None:
    check_latex(latex.render(board))
    check_latex(latex.render(hostile))
    assert "\\input" not in latex.render(hostile)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here to compile with")
def test_latex_compiles(hostile: Board, tmp_path: Path) -> None:
    head = "\\documentclass[a3paper]{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs,textcomp}"
    (tmp_path / "t.tex").write_text(f"{head}\\begin{{document}}\n{latex.render(hostile)}\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_csv_and_json_agree_with_the_rows(board: Board, hostile: Board) -> None:
    for one in (board, hostile):
        lines = list(csv.DictReader(io.StringIO(data.to_csv(one))))
        parsed = json.loads(data.to_json(one))["rows"]
        assert len(lines) == len(parsed) == len(one.rows)
        for line, entry, row in zip(lines, parsed, one.rows, strict=True):
            assert line["strategy"] == entry["strategy"] == row.strategy
            assert float(line["mean"]) == entry["mean"] == pytest.approx(row.mean, rel=1e-5)
            assert float(line["expected_max_1"]) == pytest.approx(row.mean, rel=1e-5)
