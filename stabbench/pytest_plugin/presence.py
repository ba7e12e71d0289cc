"""Whether the files of a session have suites, should it have ended before it collected them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


def mention_suites(config: pytest.Config) -> bool:
    """Return whether a test file that the session was given mentions stabbench."""
    return any("stabbench" in word or any(map(_mentions, _files(config, word))) for word in config.args)


def _files(config: pytest.Config, word: str) -> Iterator[Path]:
    place = config.invocation_params.dir / word.partition("::")[0]
    if place.is_file():
        yield place
    else:
        for pattern in config.getini("python_files"):
            yield from place.rglob(pattern)


def _mentions(file: Path) -> bool:
    try:
        return b"stabbench" in file.read_bytes()
    except OSError:
        return False
