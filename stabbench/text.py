r"""How numbers, names and messages are written for people: one function for each medium.

A name may come from anywhere: a file, a record, a command line. In every medium it is text and nothing else.
Control characters and other invisible ones are *shown*, as Python writes them (``\x1b``, ``\u202e``). Data
files are read by programs that want the exact name: JSON escapes such characters in its own way, CSV keeps
them (also a name that a spreadsheet would take for a formula: read it with pandas or as text).
"""

from __future__ import annotations

import html as _html
import json
import re
from itertools import pairwise

DAY = 86_400


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits: ``8 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"


def shown(text: object) -> str:
    """Return text on one line of which every character can be seen: the base of every medium.

    What Python does not print is written as Python writes it: control characters, line breaks, marks of
    direction and of no width, lone surrogates, unassigned characters (XML forbids some of each). A backslash
    stays one, so that paths and formulas look like themselves; the exact name is in JSON.
    """
    return _shown(str(text))


def terminal(text: object) -> str:
    """Return text for a terminal or a log, its lines and tabs kept.

    No line is a command to GitHub's runner, which obeys lines that begin with ``::``, and ``##[`` anywhere.
    """
    return _COMMAND.sub(r"\1\\x3a", _shown(str(text), kept="\n\t")).replace("##[", r"#\x23[")


def terminal_line(text: object) -> str:
    """Return one line for a terminal, whatever it names."""
    return terminal(shown(text))


_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def _shown(text: str, kept: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else repr(c)[1:-1] for c in text)


def markdown(text: object) -> str:
    """Return text that Markdown (GitHub's too) shows as it is, in a paragraph, heading, cell or list item."""
    escaped = re.sub(r"[\\`*_{}\[\]#~|!$]|:(?=//)|(?<=www)\.", r"\\\g<0>", shown(text).strip())
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"^(\d+)(?=[.)]( |$))", r"\1\\", escaped)  # at the start of a line: a list, a rule
    return re.sub(r"^(?=[-+]( |$)|-[- ]+$)", r"\\", escaped)


def markdown_code(text: object) -> str:
    """Return a name as Markdown's code, which may stand in a table's cell."""
    name = shown(text)
    if name.strip() and not re.search(r"[`|\\#]", name):
        return f"`{name}`"
    return f"<code>{markdown(name)}</code>"  # readers differ in what pipes and backslashes mean in code


def html(text: object) -> str:
    """Return text for an element of HTML, or for an attribute in quotes."""
    return _html.escape(shown(text))


def latex(text: object) -> str:
    """Return text that LaTeX sets as it is (packages textcomp, fontenc T1).

    A character beyond Latin-1, which its fonts may lack, is written as Python escapes it.
    """
    name = shown(text)
    pieces = []
    for c, after in pairwise(name + " "):
        seen = c if c in _LATEX or ord(c) < 256 else c.encode("unicode_escape").decode()
        pieces += [_LATEX.get(one, one) for one in ([c] if seen == c else seen)]
        pieces += ["{}"] * (c + after in _LIGATURES)
    return "".join(pieces)


_LIGATURES = ("--", "``", "''", ",,", "?`", "!`", "::")  # the last is a command to GitHub's runner

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",  # behind a line break it would begin an argument
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
    "\N{EN DASH}": "--",
    "≈": r"$\approx$",
    "★": r"$\star$",
    "*": r"$\ast$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
}


def json_text(written: str) -> str:
    """Return written JSON with what is invisible or a command in its strings escaped; it says the same."""
    seen = (c if c.isprintable() or c in "\n\t" else json.dumps(c)[1:-1] for c in written)
    return "".join(seen).replace("##[", r"#\u0023[")
