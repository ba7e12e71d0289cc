"""Which verdict an assertion error is about: that of ``assert verdict``, and no other.

Only such an error may be forgiven (``--stab-inconclusive``) or shown as the verdict's one line. In doubt the
error is the user's own.
"""

from __future__ import annotations

import ast
import dis
from pathlib import Path
from types import CodeType, TracebackType

from stabbench.samples.verdict import LAST_ASKED, Verdict

BRANCHES = (ast.BoolOp, ast.IfExp, ast.Not, ast.comprehension)
"""In an ``assert`` without these, nothing but the assert itself branches on a truth."""


def asserted(error: AssertionError) -> Verdict | None:
    """Return the verdict that an ``assert`` found not to be PASS and that raised an error; ``None`` in doubt.

    It is the last that was asked for its truth, by the statement that raised, and by its test itself: not by
    a part of it (``assert verdict or x < 1``), nor by a function (``assert any([verdict, x < 1])``).
    """
    place = _innermost(error.__traceback__)
    if not LAST_ASKED or place is None or place.tb_frame.f_code is not LAST_ASKED[0].code:
        return None
    verdict, code, instruction = LAST_ASKED[0]
    branches = dis.opname[code.co_code[instruction]].startswith(("TO_BOOL", "POP_JUMP", "UNARY_NOT"))
    lines = {number for start, end, number in code.co_lines() if start <= instruction < end}
    if not branches or verdict:
        return None
    test = _only_test(code, {place.tb_lineno, *(line for line in lines if line)})
    return None if test is None or any(isinstance(node, BRANCHES) for node in ast.walk(test)) else verdict


def _innermost(place: TracebackType | None) -> TracebackType | None:
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place


def _only_test(code: CodeType, lines: set[int]) -> ast.expr | None:
    """Return what the one ``assert`` tests that stands on some lines alone."""
    try:
        tree = ast.parse(Path(code.co_filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt)
        and not hasattr(node, "body")
        and any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines)
    ]
    return found[0].test if len(found) == 1 and isinstance(found[0], ast.Assert) else None
