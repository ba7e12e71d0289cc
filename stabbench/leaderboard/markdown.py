"""The leaderboard in Markdown, as GitHub shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from stabbench.leaderboard import text
from stabbench.leaderboard.board import Board
from stabbench.leaderboard.column import Cell, Column
from stabbench.leaderboard.over_tasks import OverTasks
from stabbench.leaderboard.pictures import PROFILES, Picture
from stabbench.leaderboard.published import Published
from stabbench.leaderboard.table import Row
from stabbench.text import html, markdown, markdown_code

INTRODUCTION = """\
# Leaderboard

Which way of fine-tuning is stable on which task and model, how sure are we, and what does an unstable one
look like? This file, the tables and the pictures are made from run records by `stabbench leaderboard`; do not
edit them. [`index.html`](index.html) shows the same with every run to click on (download it, it needs no
network); [`table.csv`](table.csv), [`table.json`](table.json) and [`table.tex`](table.tex) are for your own
paper.
"""


def render(board: Board, pictures: Sequence[Picture] = ()) -> str:
    """Return the Markdown text, with the pictures that were drawn beside it."""
    parts = [INTRODUCTION]
    for model in board.models:
        parts.append(f"## {markdown(model)}\n")
        parts.append(overview(board, model))
        whole = [picture for picture in pictures if picture.model == model and not picture.task]
        parts += [embedded(picture) for picture in whole if picture.kind != PROFILES]
        for task in board.tasks(model):
            rows = board.rows_of(model, task)
            constant = text.score(rows[0].constant, rows[0].scored_by)
            parts.append(
                f"### {markdown(task)} on {markdown(model)}\n\n"
                f"Metric: {markdown(rows[0].metric)}; {rows[0].n_dev} dev rows; the best constant "
                f"classifier reaches {constant}.\n"
            )
            parts.append(details(rows, board.layout.details))
            parts += [
                f"{text.MIXED} {markdown_code(row.strategy)}: {markdown(row.environment)}.\n"
                for row in rows
                if row.environment
            ]
            parts += [
                embedded(picture) for picture in pictures if (picture.model, picture.task) == (model, task)
            ]
        for section in board.over_tasks:
            if section.model == model:
                parts.append(over_tasks(section))
                parts += [embedded(picture) for picture in whole if picture.kind == PROFILES]
        entries = [entry for entry in board.published if entry.model == model]
        if entries:
            parts.append(f"### Published for {markdown(model)}\n\n{published(entries)}")
    others = [entry for entry in board.published if entry.model not in board.models]
    if others:
        parts.append(
            "## Published figures\n\nWhat papers printed for models that were not measured here. They are "
            "shown for orientation, were not computed from runs that we have, and take part in no "
            "comparison.\n"
        )
        parts.append(published(others))
    parts.append("## How to read this\n")
    parts.append("\n".join(f"- {markdown(note)}" for note in board.footnotes) + "\n")
    return "\n".join(parts)


def overview(board: Board, model: str) -> str:
    """Return the table of a model in the shape of the paper's Table 1."""
    tasks, columns = board.tasks(model), board.layout.overview
    heads = [f"{markdown(task)}<br>{markdown(column.title)}" for task in tasks for column in columns]
    lines = []
    for strategy in board.strategies(model):
        cells = [markdown_code(strategy)]
        for task in tasks:
            row = board.row(model, task, strategy)
            cells += [text.DASH if row is None else _cell(column.cell(row)) for column in columns]
        lines.append(cells)
    sides = [column.align for column in columns] * len(tasks)
    return _table(["strategy", *heads], lines, ["left", *sides])


def details(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return the full table of one task."""
    heads = [markdown(column.title) + (f" [{column.level}]" if column.level else "") for column in columns]
    lines = [
        [
            markdown_code(row.strategy) + text.marks(row),
            *(_cell(column.cell(row), whole=True) for column in columns),
        ]
        for row in rows
    ]
    return _table(["strategy", *heads], lines, ["left", *(column.align for column in columns)])


def over_tasks(section: OverTasks) -> str:
    """Return what is said of a model's strategies over all of its tasks, without the picture."""
    heads = [markdown(head.title) for head in section.heads]
    lines = [
        [markdown_code(name.text), *(_cell(cell, whole=True) for cell in cells)]
        for name, *cells in section.lines
    ]
    table = _table(heads, lines, [head.align for head in section.heads])
    return f"### Over all tasks of {markdown(section.model)}\n\n{table}\n{markdown(section.about)}\n"


def _cell(cell: Cell, whole: bool = False) -> str:
    """Return a cell with its marks; a ``whole`` one has its interval too."""
    interval = f" [{cell.interval}]" if whole and cell.interval else ""
    before = f"{cell.before} " if cell.before else ""
    return before + markdown(cell.text) + interval + cell.after.replace("*", "\\*")


def published(entries: Sequence[Published]) -> str:
    """Return the table of some published figures."""
    lines = [
        [
            markdown(entry.source),
            markdown(entry.model),
            f"{markdown(entry.task)} ({markdown(entry.metric)})",
            markdown(entry.strategy),
            str(entry.n),
            *(text.DASH if v is None else f"{v:.1f}" for v in (entry.std, entry.mean, entry.max)),
        ]
        for entry in entries
    ]
    headers = ["source", "model", "task", "strategy", "seeds", "std", "mean", "best"]
    return _table(headers, lines, ["left"] * 4 + ["right"] * 4)


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    """Return a pipe table; ``sides`` says of each column whether its cells stand left or right."""
    table = tabulate(lines, headers=headers, tablefmt="pipe", colalign=sides, disable_numparse=True)
    return table + "\n"


def embedded(picture: Picture) -> str:
    """Return a picture for light and dark ground, with its caption."""
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{picture.path(dark=True)}">'
        f'<img alt="{html(picture.caption)}" src="{picture.path(dark=False)}"></picture>\n\n'
        f"*{markdown(picture.caption)}*\n"
    )
