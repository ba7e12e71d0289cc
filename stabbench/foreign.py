"""Bytes that others may have written or damaged: read within limits, or refused with a reason.

Every reader of a record, an archive, a baseline or somebody's scores begins here, so that whatever a file
holds, the worst that comes of it is ``Malformed``, which the reader turns into an error with the place and
the next action.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 256 * 2**20
"""Most bytes of a file, or of unpacked arrays."""

LARGEST_TEXT = 8 * LARGEST
"""Most bytes of an unpacked text file: an archive of two hundred thousand runs."""

DEEPEST = 50
"""Most lists and objects within each other; ours have about ten."""

GZIP = b"\x1f\x8b"


class Malformed(ValueError):
    """Foreign bytes that are not what they should be; the message says why."""


def read_file(place: Path, largest: int | None = None) -> bytes:
    """Return the bytes of a file, ``largest`` (or else ``LARGEST``) at most.

    Raises:
        Malformed: when there is none, it is no regular file, cannot be read, or is larger than that.
    """
    largest = LARGEST if largest is None else largest
    try:
        found = place.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Malformed("no file")
        if found.st_size > largest:
            raise Malformed(f"{found.st_size} bytes, where {largest} are the most")
        return place.read_bytes()
    except OSError as error:
        raise Malformed(error.strerror or str(error)) from error


def read_lines(place: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, plain or gzipped (its bytes tell, whatever its name is).

    Raises:
        Malformed: as for ``read_file``, or when the file is truncated, not text, or would be larger than
            ``LARGEST_TEXT``.
    """
    data = read_file(place)
    stream = io.BytesIO(data)
    file = gzip.GzipFile(fileobj=stream) if data.startswith(GZIP) else stream
    room = LARGEST_TEXT
    try:
        while line := file.readline(room + 1):
            room -= len(line)
            if room < 0:
                raise Malformed(f"more than {LARGEST_TEXT} bytes of text")
            yield line.decode().removesuffix("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from error


def read_json(
    text: str | bytes,
    number: Callable[[str], Any] | None = None,
    constant: Callable[[str], Any] | None = None,
) -> Any:
    """Return the data of a JSON text that can be written again as JSON.

    Args:
        text: UTF-8 where it is bytes.
        number: makes a number of the text of one that is not whole; default: a finite float.
        constant: makes a value of ``NaN``, ``Infinity`` and ``-Infinity``; default: they are refused.

    Raises:
        Malformed: when it is not JSON, is nested deeper than ``DEEPEST``, or has NaN, infinity, or half of
            a surrogate pair, or an object has a name twice.
    """
    try:
        data = json.loads(
            text,
            parse_float=number or _finite,
            parse_constant=constant or _finite,
            object_pairs_hook=_once_each,
        )
        _check_depth(data)
        if "\\ud" in (text if isinstance(text, str) else text.decode()).lower():
            json.dumps(data, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from error
    return data


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise Malformed(f"{next(name for name in names if names.count(name) > 1)!r} comes twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed(f"a number is {text}")
    return value


def _check_depth(data: Any) -> None:
    level, depth = [data], 0
    while level := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        if depth > DEEPEST:
            raise Malformed(f"nested deeper than {DEEPEST}")
        level = [x for part in level for x in (part.values() if isinstance(part, dict) else part)]


def read_npz(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` file's bytes.

    Raises:
        Malformed: when it is no zip file of arrays, holds objects, or would be larger than ``LARGEST``.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise Malformed(f"{size} bytes of arrays, where {LARGEST} are the most")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return {name: _checked(name, arrays[name]) for name in arrays.files}
    except Malformed:
        raise
    except Exception as error:  # whatever the parsers stumble over, it is the bytes that are at fault
        raise Malformed(f"no arrays: {error}") from error


def _checked(name: str, value: Any) -> NDArray[np.generic]:
    import numpy as np

    if not isinstance(value, np.ndarray):  # what is no array comes as bytes
        raise Malformed(f"{name} is no array")
    return value
