"""A Markdown summary for the page of a GitHub Actions job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from stabbench import text

VARIABLE = "GITHUB_STEP_SUMMARY"


def append_summary(headers: Sequence[str], rows: Sequence[Sequence[str]], remarks: Sequence[str]) -> None:
    """Append the session's table and remarks to the file that ``$GITHUB_STEP_SUMMARY`` names, if any."""
    place = os.environ.get(VARIABLE)
    if place:
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(markdown(headers, rows, remarks))


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]], remarks: Sequence[str]) -> str:
    """Return a section with a table and a list; what comes from records stays text."""
    table = [_line(headers), _line(["---"] * len(headers), escape=False), *(_line(row) for row in rows)]
    listed = [f"- {text.markdown(remark)}" for remark in remarks]
    return "\n".join(["## Fine-tuning stability", "", *table, "", *listed, ""])


def _line(cells: Sequence[str], escape: bool = True) -> str:
    return f"| {' | '.join(text.markdown(cell) if escape else cell for cell in cells)} |"
