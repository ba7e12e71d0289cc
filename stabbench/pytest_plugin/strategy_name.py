"""``--strategy``, the second name of ``--stab-strategy`` where nobody else has an option of this name.

It is never declared: another plugin may have declared it before us, and a project's ``conftest.py`` may do so
after us. Once all of them are read, the words of the command line are ours or theirs.
"""

from __future__ import annotations

import contextlib
import copy

import pytest

OURS, SHORT = "--stab-strategy", "--strategy"


def renamed(words: list[str]) -> list[str]:
    """Return the words with ``--stab-strategy`` for ``--strategy``; what comes after ``--`` are files."""
    end = words.index("--") if "--" in words else len(words)
    return [_renamed(word) for word in words[:end]] + words[end:]


def _renamed(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{OURS}{equals}{value}" if name == SHORT else word


def is_declared(parser: pytest.Parser) -> bool:
    """Return whether somebody else has an option of the short name."""
    try:
        return SHORT not in " ".join(parser.parse_known_and_unknown_args([f"{SHORT}=x"])[1])
    except pytest.UsageError:  # it takes no value, or not this one
        return True


def read_early(config: pytest.Config, parser: pytest.Parser, words: list[str]) -> None:
    """Let pytest know, before it looks for ``conftest.py``, that the strategies are no files."""
    if not is_declared(parser):
        with contextlib.suppress(pytest.UsageError):  # a conftest will say what it takes
            known = parser.parse_known_args(renamed(words), copy.copy(config.option))
            config.known_args_namespace.file_or_dir = known.file_or_dir


def settle(parser: pytest.Parser, words: list[str]) -> None:
    """Take the short name for ours, in place, unless a ``conftest.py`` has declared it."""
    if not is_declared(parser):
        words[:] = renamed(words)
