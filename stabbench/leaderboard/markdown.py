"""The leaderboard in Markdown, as GitHub shows it."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from stabbench.leaderboard import text
from stabbench.leaderboard.board import Board
from stabbench.leaderboard.pictures import Picture
from stabbench.leaderboard.published import Published
from stabbench.leaderboard.table import Row

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
        parts.append(f"## {text.markdown(model)}\n")
        parts.append(overview(board, model))
        parts += [embedded(picture) for picture in pictures if picture.model == model and not picture.task]
        for task in board.tasks(model):
            rows = [r for s in board.strategies(model) if (r := board.row(model, task, s)) is not None]
            constant = text.points(rows[0].constant)
            parts.append(
                f"### {text.markdown(task)} on {text.markdown(model)}\n\n"
                f"Metric: {text.markdown(rows[0].metric)}; {rows[0].n_dev} dev rows; the best constant "
                f"classifier reaches {constant}.\n"
            )
            parts.append(details(rows))
            parts += [
                embedded(picture) for picture in pictures if (picture.model, picture.task) == (model, task)
            ]
        entries = [entry for entry in board.published if entry.model == model]
        if entries:
            parts.append(f"### Published for {text.markdown(model)}\n\n{published(entries)}")
    others = [entry for entry in board.published if entry.model not in board.models]
    if others:
        parts.append(
            "## Published figures\n\nWhat papers printed for models that were not measured here. They are "
            "shown for orientation, were not computed from runs that we have, and take part in no "
            "comparison.\n"
        )
        parts.append(published(others))
    parts.append("## How to read this\n")
    parts.append("\n".join(f"- {text.markdown(note)}" for note in board.footnotes) + "\n")
    return "\n".join(parts)


def overview(board: Board, model: str) -> str:
    """Return the table of a model in the shape of the paper's Table 1."""
    tasks = board.tasks(model)
    columns = ["std", "mean", "max", "failed"]
    headers = ["strategy", *(f"{text.markdown(task)}<br>{column}" for task in tasks for column in columns)]
    lines = []
    for strategy in board.strategies(model):
        cells = [text.markdown_code(strategy)]
        for task in tasks:
            row = board.row(model, task, strategy)
            cells += overview_cells(row) if row is not None else [text.DASH] * len(columns)
        lines.append(cells)
    return _table(headers, lines, right=len(headers) - 1)


def overview_cells(row: Row) -> list[str]:
    """Return std with its marks, mean, max and failed k/n of a row."""
    std = text.points(row.std) + row.star.replace("*", "\\*") + text.MARKS[row.state]
    near = "≈ " if row.near_best else ""
    return [
        near + std,
        text.points(row.mean),
        text.points(row.max),
        f"{row.failed}/{row.finished} {text.SIGNS[row.verdict]}",
    ]


def details(rows: Sequence[Row]) -> str:
    """Return the full table of one task."""
    headers = [
        "strategy", "verdict", "failed [95 %]", "std [90 %]", "std of successes", "mean [95 %]", "max",
        "best of 1", "of 5", "of 10", "runs",
    ]  # fmt: skip
    lines = [
        [
            text.markdown_code(row.strategy) + text.MARKS[row.state],
            row.verdict,
            text.share(row),
            ("≈ " if row.near_best else "")
            + text.interval(row.std, row.std_low, row.std_high)
            + row.star.replace("*", "\\*"),
            text.points(row.std_successes),
            text.interval(row.mean, row.mean_low, row.mean_high),
            text.points(row.max),
            *(text.points(value) for value in row.expected_max),
            text.runs(row),
        ]
        for row in rows
    ]
    return _table(headers, lines, right=8, skip=2)


def published(entries: Sequence[Published]) -> str:
    """Return the table of some published figures."""
    lines = [
        [
            text.markdown(entry.source),
            text.markdown(entry.model),
            f"{text.markdown(entry.task)} ({text.markdown(entry.metric)})",
            text.markdown(entry.strategy),
            str(entry.n),
            *(text.DASH if v is None else f"{v:.1f}" for v in (entry.std, entry.mean, entry.max)),
        ]
        for entry in entries
    ]
    headers = ["source", "model", "task", "strategy", "seeds", "std", "mean", "max"]
    return _table(headers, lines, right=4, skip=3)


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]], right: int, skip: int = 0) -> str:
    """Return a pipe table; ``right`` columns after the first and ``skip`` more are numbers."""
    left = 1 + skip
    align = ["left"] * left + ["right"] * right + ["left"] * (len(headers) - left - right)
    table = tabulate(lines, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True)
    return table + "\n"


def embedded(picture: Picture) -> str:
    """Return a picture for light and dark ground, with its caption."""
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{picture.path(dark=True)}">'
        f'<img alt="{text.attribute(picture.caption)}" src="{picture.path(dark=False)}"></picture>\n\n'
        f"*{text.markdown(picture.caption)}*\n"
    )
