"""An index beside the runs of a store: what was read and checked before is not read and checked again.

It is a cache and nothing else. What it holds of a run counts only while the run's files are the very ones
that were read, and only if it agrees with itself as a record must; that a run's arrays are its own is known
from when they were read. Whoever can forge the stamps of the files can forge the files. Without the index, or
where it cannot be written, a store gives the same, later. Of several who write it at once the last one wins,
and what it wrote is right.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, TypeAdapter

from stabbench.errors import RecordError
from stabbench.foreign import Malformed, read_file
from stabbench.runs.files import write_atomic

INDEX_FORMAT = 3
"""Raised whenever what is kept of a run changes, or what is checked before."""

FRESH_NS = 2 * 10**9
"""File systems count time in steps of up to 2 s: a file that young may change again without a trace."""

FILES = ("record.json", "arrays.npz")

Stamp = tuple[tuple[int, int, int, int] | None, ...]
"""Of each of a run's files: size, time of its last change, that of its inode, and inode (all in ns)."""

T = TypeVar("T", bound=BaseModel)


def read_through(
    index: Path,
    kind: type[T],
    keys: Iterable[str],
    read: Callable[[str], T | None],
    check: Callable[[str, T], None],
) -> tuple[dict[str, T], dict[str, str]]:
    """Return what is read of many runs, and what is wrong with those that cannot be read, by key.

    Args:
        index: file of the index, in the store's folder; it is written anew where it lacks a run or has one
            too many.
        kind: what is kept of a run.
        keys: the runs.
        read: reads one run by its key and raises a ``RecordError`` when that is impossible.
        check: raises a ``ValueError`` where what the index has of a run cannot be true; then it is read anew.
    """
    found: dict[str, T] = {}
    problems: dict[str, str] = {}
    adapter = TypeAdapter(dict[str, tuple[Stamp, kind]])  # type: ignore[valid-type]
    known = _load(index, adapter)
    stamps = {key: _stamp(f"{index.parent}/runs/{key}") for key in keys}
    fresh = {key for key, stamp in stamps.items() if not _is_known(key, known, stamp, check)}
    now = _now(index.parent) if fresh or known.keys() != stamps.keys() else None
    for key in stamps:
        try:
            value = read(key) if key in fresh else known[key][1]
        except RecordError as error:
            problems[key] = str(error)
            continue
        if value is not None:
            found[key] = value
    if now is not None:
        kept = {key: (stamps[key], value) for key, value in found.items() if _is_old(stamps[key], now)}
        if kept.keys() != known.keys() or fresh & kept.keys():
            _save(index, adapter.dump_json(kept))
    return found, problems


def _is_known(
    key: str, known: dict[str, tuple[Stamp, T]], stamp: Stamp, check: Callable[[str, T], None]
) -> bool:
    if key not in known or known[key][0] != stamp:
        return False
    try:
        check(key, known[key][1])
    except (ValueError, ArithmeticError):
        return False
    return True


def _stamp(folder: str) -> Stamp:
    found: list[tuple[int, int, int, int] | None] = []
    for name in FILES:
        try:
            file = os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path for each of ten thousand runs is slow
            found.append((file.st_size, file.st_mtime_ns, file.st_ctime_ns, file.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


def _is_old(stamp: Stamp, now: int) -> bool:
    return all(now - max(file[1], file[2]) > FRESH_NS for file in stamp if file is not None)


def _now(folder: Path) -> int | None:
    """Return the time by the clock of the folder's file system; ``None`` where nothing can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime_ns
    except OSError:
        return None


def _load(place: Path, adapter: TypeAdapter[dict[str, tuple[Stamp, T]]]) -> dict[str, tuple[Stamp, T]]:
    try:
        checksum, _, text = read_file(place).partition(b"\n")
        return adapter.validate_json(text) if checksum == _checksum(text) else {}
    except (Malformed, ValueError):
        return {}


def _save(place: Path, text: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk: the next reader is slow, that is all
        write_atomic(place, _checksum(text) + b"\n" + text)


def _checksum(text: bytes) -> bytes:
    return f"{INDEX_FORMAT} {hashlib.sha256(text).hexdigest()}".encode()


@contextlib.contextmanager
def collecting_later() -> Iterator[None]:
    """Keep the garbage collector from walking again and again through ten thousand new records."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()  # nor the next collection, which would be as long as the reading
            gc.enable()
