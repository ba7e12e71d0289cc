"""Each medium's function over hostile text: what a reader gets is the text, and nothing is invisible."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from stabbench import text
from stabbench.errors import StabbenchError
from tests.text.attacks import ATTACKS, names, raw

ANYTHING = st.one_of(names(), st.text())  # lone surrogates, too: file names may have them


class Read(HTMLParser):
    """The text of HTML, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[str | None] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def spaced(words: str) -> str:
    """Return text as a browser sets it: runs of blanks are one."""
    return " ".join(words.split())


@given(ANYTHING)
def test_nothing_is_invisible_and_what_is_visible_stays(name: str) -> None:
    found = text.shown(name)
    assert found.isprintable()
    assert found == name or not name.isprintable()
    found.encode("utf-8")
    for function in (text.markdown, text.markdown_code, text.html, text.latex, text.terminal_line):
        assert function(name).isprintable()


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\u202eb", r"a\u202eb"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\ud800", r"\ud800"),
        ("\u200b\u2028\x9b\x7f", r"\u200b\u2028\x9b\x7f"),
        ("\U000e0041", r"\U000e0041"),
        ("C:\\new ü漢🙂", "C:\\new ü漢🙂"),
    ],
)
def test_control_characters_are_written_as_python_writes_them(name: str, seen: str) -> None:
    assert text.shown(name) == seen


@given(ANYTHING)
@example("".join(ATTACKS))
def test_a_terminal_keeps_lines_and_obeys_nothing(name: str) -> None:
    found = text.terminal(f"log:\n\t{name}\nend")
    assert raw(found, "\n\t") == []
    assert found.count("\n") == name.count("\n") + 2
    for line in found.split("\n"):
        assert not line.strip().startswith("::")
        assert "##[" not in line


def test_an_error_shows_its_names_and_keeps_its_lines() -> None:
    error = StabbenchError("no run \x1b[31m\n::error::x", "look into \u202estore.")
    assert str(error) == "no run \\x1b[31m\n\\x3a:error::x\n  -> look into \\u202estore."
    assert error.cause == "no run \x1b[31m\n::error::x"


PLACES: list[Callable[[str], str]] = [
    lambda words: words,
    lambda words: f"## {words}",
    lambda words: f"- {words}",
    lambda words: f"| a |\n| --- |\n| {words} |",
]


@given(ANYTHING, st.sampled_from(PLACES), st.booleans())
@example("1. item", PLACES[2], False)
@example("-- -", PLACES[2], False)
@example("a\\|b\\", PLACES[3], True)
def test_markdown_shows_the_text(name: str, place: Callable[[str], str], code: bool) -> None:
    written = (text.markdown_code if code else text.markdown)(name)
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = Read(reader.render(place(written)))
    words = page.text.replace("a", "", 1) if "| a |" in place("") else page.text
    assert spaced(words) == spaced(text.shown(name))
    assert set(page.tags) <= {"p", "h2", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code"}
    assert page.tags.count("td") <= 1
    assert page.tags.count("li") <= 1


def test_github_sees_no_link_and_no_formula() -> None:
    for name in ("see https://evil.example", "www.evil.example", "$x^2$"):
        assert not re.search(r"(?<!\\)(://|\$)|www\.", text.markdown(name))


@given(ANYTHING)
def test_html_reads_the_same(name: str) -> None:
    page = Read(f'<p title="{text.html(name)}">{text.html(name)}</p>')
    assert page.tags == ["p"]
    assert page.text == text.shown(name) == page.attributes[0]
    found = ElementTree.fromstring(f"<p>{text.html(name)}</p>").text or ""
    assert found == page.text  # nothing in it is forbidden in XML


@given(ANYTHING)
def test_latex_has_no_open_brace_and_no_command_but_ours(name: str) -> None:
    written = text.latex(name)
    plain = re.sub(r"\\[{}$&#%_]", "", written)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert not re.search(r"[#%&~^]", plain)
    assert max(map(ord, written), default=0) < 256
    known = "text(backslash|asciitilde|asciicircum|less|greater|bar|quotedbl)|approx|star|ast|d?dagger|S|P"
    commands = set(re.findall(r"\\([a-zA-Z]+)", plain))
    commands.discard("ddagger")
    assert all(re.fullmatch(known, command) for command in commands), commands
    assert not written.startswith("[")
    assert not re.search("--|``|''|,,", written.replace("--", "", name.count("\N{EN DASH}")))


@given(st.recursive(st.one_of(st.text(), st.none(), st.floats(allow_nan=False)), st.lists))
def test_json_says_exactly_the_same(data: Any) -> None:
    for ascii_only in (False, True):
        written = text.json_text(json.dumps(data, ensure_ascii=ascii_only, indent=1))
        assert raw(written) == []
        assert json.loads(written) == data
