"""Names that would be something else than text in one medium or another."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

ATTACKS = (
    "<script>alert(1)</script>",
    "</pre></script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "a|b",
    "a\\|b\\",
    "`tick` ``two``",
    "[link](javascript:alert(1)) ![picture](x)",
    "https://evil.example www.evil.example <https://evil.example>",
    "*now* _and_ **then** ~~gone~~ # heading",
    "- item",
    "1. item",
    "---",
    "> quoted",
    "$x^2$ \\input{/etc/passwd} {brace} % & # _ ~ ^",
    "[2ex] optional",
    "]]> <!-- comment -->",
    "&lt;b&gt; &amp; &#60;",
    "{{data}} {{script}} %{text} ${x}",
    "::error file=a::b",
    "  ::add-mask::x",
    "x%0A::error::y",
    "one\n::error::two\r\n::set-output name=a::b",
    "##[error]x",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m \x7f \x00",
    "\u202eright-to-left\u202c \u2066isolated\u2069",
    "zero\u200bwidth\ufeff \u2028line\u2029paragraph",
    "=1+1",
    "x: #24292f",
    "ü漢字🙂",
    "very long " * 200,
    " ",
)


def names() -> st.SearchStrategy[str]:
    """Return names that a record can have: all text but lone surrogates, attacks among it."""
    anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
    return st.one_of(
        st.sampled_from(ATTACKS), anything, st.tuples(st.sampled_from(ATTACKS), anything).map("".join)
    )


def raw(text: str, kept: str = "\n") -> list[str]:
    """Return the characters of a text that nobody sees, but those that are ``kept``."""
    return [
        c for c in text if c not in kept and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn")
    ]
