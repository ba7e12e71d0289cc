"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stabbench.errors import StoreError


@contextlib.contextmanager
def writing(root: Path, what: str) -> Iterator[None]:
    """Make what the disk refuses a ``StoreError``.

    Args:
        root: the store's folder.
        what: what is being written, for the message.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what} cannot be written to {root}: {error.strerror or error}.",
            "free the disk or choose another place with --stab-store; finished runs are kept.",
        ) from error


def write_atomic(place: Path, data: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old bytes or the new ones."""
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # a temporary file is its owner's alone
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(place: Path) -> Any:
    """Return the JSON of a file, or ``None`` when it is missing or half-written."""
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def write_synced(place: Path, data: bytes) -> None:
    """Write a file and wait until the disk has it."""
    place.write_bytes(data)
    sync(place)


def sync(place: Path) -> None:
    """Wait until the disk has a file, or a folder's names."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
