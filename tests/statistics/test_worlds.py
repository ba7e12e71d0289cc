"""docs/worlds.md prints what the gates say: its code is run, and must print what stands there.

python -m tests.statistics.test_worlds    # writes the page's verdicts anew
"""

import contextlib
import doctest
import io
import os
import tempfile
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "worlds.md"


def regenerated(text):
    """The page with the output of each of its examples as it comes out now."""
    parts, names = [], {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for part in doctest.DocTestParser().parse(text):
            if isinstance(part, str):
                parts.append(part)
                continue
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(part.source, str(PAGE), "single"), names)
            first, *rest = part.source.splitlines()
            lines = [f">>> {first}", *(f"... {line}" for line in rest)]
            for line in out.getvalue().splitlines():
                lines += textwrap.wrap(line, 100, subsequent_indent="    ")
            parts.append(textwrap.indent("\n".join(lines), " " * part.indent) + "\n")
    return "".join(parts)


def test_the_page_says_what_the_gates_say():
    text = PAGE.read_text()
    assert regenerated(text).splitlines() == text.splitlines()


def test_the_worlds_are_told_apart():
    """What the page is there for: nothing passes at chance, nor where every run failed."""
    chance, ceiling, failed = PAGE.read_text().split("\n## ")[1:]
    passes, fails = ([world.count(f"    {word} ") for world in (chance, failed)] for word in ("PASS", "FAIL"))
    assert passes == [1, 0]  # none of those at chance failed
    assert fails == [4, 6]
    assert "PASS" not in ceiling.split("With a third score")[0]


if __name__ == "__main__":
    PAGE.write_text(regenerated(PAGE.read_text()))
    print(f"wrote {os.path.relpath(PAGE)}")
