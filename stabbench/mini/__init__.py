"""The mini world: a small artificial language, an encoder pre-trained on it, and three tasks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["checkpoint_path"]


def checkpoint_path() -> Path:
    """Return the folder of the shipped encoder, loadable with plain ``transformers``."""
    return Path(str(files(__name__) / "data" / "mini-bert"))
