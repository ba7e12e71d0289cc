"""The leaderboard as one page that needs nothing but a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from stabbench.leaderboard import text
from stabbench.leaderboard.board import Board, rounded
from stabbench.leaderboard.column import Cell, Column
from stabbench.leaderboard.headline import headline
from stabbench.leaderboard.over_tasks import OverTasks
from stabbench.leaderboard.pictures import KINDS, box, kinds, scored
from stabbench.leaderboard.table import Row
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.failed import judged_score
from stabbench.samples.groups import RunGroup
from stabbench.text import shown

DATA_BUDGET = 2_600_000
"""Characters of data beside the charting library's 4.8 million: what tables and scores leave of it is for
curves, those of runs at chance first, then a sample of the others."""

LAYER_POINTS = 15

ROW = (
    "model", "task", "strategy", "group", "metric", "constant", "reason", "environment", "verdict",
    "finished", "at_chance", "same_as",
)  # fmt: skip
"""What the page knows of a row by the names of its attributes."""

KEY = 16
"""Characters of a run's key that the page shows; `stabbench report` and `show` take such a prefix."""


def render(board: Board) -> str:
    """Return the page, with the charting library, the data and the script inside."""
    return _assemble(board, _plotly())


def comparable(page: str) -> str:
    """Return a page without the charting library, whose version may differ from machine to machine."""
    return re.sub(r'(<script id="plotly">).*?(</script>)', r"\1\2", page, count=1, flags=re.DOTALL)


def render_comparable(board: Board) -> str:
    """Return what ``comparable(render(board))`` is, without loading the charting library."""
    return _assemble(board, "")


def _assemble(board: Board, plotly: str) -> str:
    parts = {
        "style": _template("page.css") + _template("over_tasks.css"),
        "plotly": plotly,
        "data": embed(page_data(board)),
        "script": _template("over_tasks.js") + _template("page.js"),
    }
    # one pass, so that no name inside the data is ever taken for a placeholder
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _template("page.html"))


@cache
def _template(name: str) -> str:
    return (files("stabbench.leaderboard") / "template" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def embed(data: Any) -> str:
    """Return JSON that may stand inside a script element: nothing in it can end the element.

    All that is not ASCII is escaped (so are U+2028 and U+2029), and so are <, > and &.
    """
    written = json.dumps(data, separators=(",", ":"), allow_nan=False, sort_keys=True)
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_data(board: Board) -> dict[str, Any]:
    """Return everything that the page shows, as plain JSON."""
    columns = board.layout.page
    scores = {
        "columns": [{"name": c.name, "head": c.title, "about": c.about, "align": c.align} for c in columns],
        "rows": [_row(row, columns) for row in board.rows],
        "models": [
            {"name": model, "strategies": board.strategies(model), "headline": headline(board, model)}
            for model in board.models
        ],
        "groups": {row.group: _group(row.runs) for row in board.rows},
        "over_tasks": [_over_tasks(section) for section in board.over_tasks],
        "published": [entry.model_dump(mode="json") for entry in board.published],
        "footnotes": list(board.footnotes),
    }
    curves, total = _curves(board, DATA_BUDGET - len(embed(scores)))
    return {
        **_shown(scores),
        "curves": curves,
        "curves_note": (
            "Every run that has traces shows its curves."
            if len(curves) == total
            else f"Curves are in this page for {len(curves)} of {total} runs: those at chance first, then a "
            "sample of the others, evenly over the groups. Scores are here for every run."
        ),
    }


def _shown(data: Any) -> Any:
    """Return plain JSON data with every text in it as people see it."""
    if isinstance(data, str):
        return shown(data)
    if isinstance(data, dict):
        return {_shown(name): _shown(part) for name, part in data.items()}
    return [_shown(part) for part in data] if isinstance(data, list | tuple) else data


def _row(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the cells of a row as [text, sorting key, interval, hint], and what else the page needs."""
    cells = [column.cell(row) for column in columns]
    return {
        **{name: rounded(getattr(row, name)) for name in ROW},
        "scale": row.scored_by.scale,
        "sign": text.SIGNS[row.verdict],
        "marks": ("≈" if row.near_best else "") + row.star + text.marks(row),
        "shown": [text.score(value, row.scored_by) for value in (row.mean, row.std)],
        "box": rounded(box([score for _, score, _ in scored(row.runs)])),
        "cells": [[_marked(cell), rounded(cell.key), cell.interval, cell.hint] for cell in cells],
    }


def _over_tasks(section: OverTasks) -> dict[str, Any]:
    """Return a section's texts, its cells as [text, interval], and the curves of its picture."""
    return {
        "model": section.model,
        "about": section.about,
        "caption": section.caption,
        "heads": [head._asdict() for head in section.heads],
        "lines": [[[cell.text, cell.interval] for cell in line] for line in section.lines],
        "profiles": rounded(section.profiles),
    }


def _marked(cell: Cell) -> str:
    return f"{cell.before} {cell.text}{cell.after}" if cell.before else cell.text + cell.after


def _group(group: RunGroup) -> dict[str, Any]:
    """Return the runs of a group as [key, seed, score, kind, reason, last loss, best checkpoint's score].

    The kind is a place in ``pictures.KINDS``. Beside them stands what they share.
    """
    first, work = group.first, group.first.fine_tuning
    return {
        "runs": [
            [
                run.record.key[:KEY],
                run.record.seed,
                rounded(judged_score(run.record).value),
                KINDS.index(kind),
                run.record.reason,
                rounded(run.record.train_loss),
                rounded(judged_score(run.record, "best").value),
            ]
            for run, kind in zip(group.runs, kinds(group), strict=True)
        ],
        "recipe": work.recipe.model_dump(mode="json") if work else None,
        "parameters": work.strategy.parameters if work else {},
        "revision": work.model.revision if work else None,
        "entropy": rounded(first.label_entropy),
        "layers": list(first.layers),
        "environment": first.environment,
        "imported_from": first.imported_from,
    }


def _curves(board: Board, budget: int) -> tuple[dict[str, Any], int]:
    """Return curves by key as far as a budget of characters goes, and how many runs have any."""
    queue: list[tuple[bool, int, str, RunWithTraces]] = []
    for row in board.rows:
        seen = {False: 0, True: 0}
        for run, learned in zip(row.runs.runs, row.sample.learned.tolist(), strict=True):
            if run.traces.loss or run.record.evaluations:
                queue.append((learned, seen[learned], row.group, run))
                seen[learned] += 1
    queue.sort(key=lambda item: item[:3])
    chosen = {}
    for _, _, _, run in queue:
        curve = _curve(run)
        budget -= len(embed(curve)) + KEY + 4
        if budget < 0:
            break
        chosen[run.record.key[:KEY]] = curve
    return chosen, len(queue)


def _curve(run: RunWithTraces) -> dict[str, Any]:
    traces = run.traces
    step = max(1, -(-len(traces.layer_updates) // LAYER_POINTS))
    return {
        "u": traces.updates,
        "l": traces.loss,
        "e": [[e.step, float(f"{e.value:.4g}")] for e in run.record.evaluations],
        "lu": traces.layer_updates[::step],
        "ln": [
            [None if value is None else float(f"{value:.2g}") for value in row]
            for row in traces.layer_norms[::step]
        ],
    }
