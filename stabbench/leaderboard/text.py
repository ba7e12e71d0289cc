"""How numbers and names are written: the same in every output."""

from __future__ import annotations

import html
import re
import unicodedata

from stabbench.leaderboard.table import Row, State
from stabbench.metrics import Metric

MARKS = {State.RANKED: "", State.SMALL: "†", State.INCOMPLETE: "‡", State.STOPPED: "§"}
SIGNS = {"PASS": "✔", "FAIL": "✘", "INCONCLUSIVE": "?", "INCOMPLETE": ""}
DASH = "\N{EN DASH}"
"""Stands for a number that is not known, and between the ends of a range."""


def score(value: float | None, metric: Metric) -> str:
    """Return a score or deviation as people read the metric (fractions in points), or a dash."""
    return DASH if value is None else metric.text(value)


def runs(row: Row) -> str:
    """Return how the planned runs of a row add up, for people."""
    parts = [f"{row.finished} of {row.planned}"]
    if row.errored:
        parts.append(f"{row.errored} errored")
    if row.missing:
        parts.append(f"{row.missing} not run")
    return ", ".join(parts)


def one_line(text: str) -> str:
    """Return a name without line breaks and other control characters."""
    return "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text).strip() or "?"


def markdown_code(name: str) -> str:
    """Return a name as a code span that may stand in a table's cell."""
    text = one_line(name)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def markdown(text: str) -> str:
    """Return text with everything that Markdown or HTML would take for markup escaped."""
    escaped = re.sub(r"([\\`*_{}\[\]#~|!])", r"\\\1", one_line(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(text: str) -> str:
    """Return text for an HTML attribute in double quotes."""
    return html.escape(one_line(text), quote=True)


_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    DASH: "--",
    "≈": r"$\approx$",
    "★": r"$\star$",
    "*": r"$\ast$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
}


def latex(text: str) -> str:
    """Return text that LaTeX sets as it is; characters that it may not know become a question mark."""
    found = (_LATEX.get(c) or (c if ord(c) < 256 else "?") for c in one_line(text))
    return "".join(found)
