"""Records as they are written, in today's format, and how those of every format are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from stabbench import metrics
from stabbench.errors import RecordError
from stabbench.foreign import Malformed, read_json
from stabbench.runs.checks import check_record
from stabbench.runs.record import RECORD_FORMAT, RunRecord
from stabbench.stored import canonical_json, digest


def write_record(record: RunRecord) -> str:
    """Return the JSON text of a record with its own checksum, so that a changed byte is noticed."""
    data = record.model_dump(mode="json")
    return canonical_json({"checksum": digest(data), "record": data}) + "\n"


def read_record(text: str | bytes, place: str) -> RunRecord:
    """Return the record of a JSON text.

    Args:
        text: what ``write_record`` wrote, now or in an older format.
        place: where it stands, for messages.

    Raises:
        RecordError: when it is truncated, was changed after it was written, contradicts itself, or is of a
            newer format.
    """
    redo = "it is computed again when a session needs it; delete its folder to silence this."
    try:
        envelope = read_json(text)
        data, checksum = envelope["record"], envelope["checksum"]
    except (Malformed, KeyError, TypeError) as error:
        raise RecordError(f"{place} is truncated or no record ({error}).", redo) from error
    if not isinstance(data, dict) or digest(data) != checksum:
        raise RecordError(f"{place} was changed after it was written.", redo)
    version = data.get("format")
    if type(version) is not int or version > RECORD_FORMAT:
        raise RecordError(f"{place} has format {version!r}, newer than {RECORD_FORMAT}.", "update stabbench.")
    if version not in READERS:
        raise RecordError(f"{place} has format {version!r}, which there never was.", redo)
    if isinstance(spec := data.get("spec"), dict):
        group = {name: value for name, value in spec.items() if name not in ("seeds", "replicate")}
        for name, named in (("key", spec), ("group", group)):
            if digest(named) != data.get(name):
                raise RecordError(f"{place}: the {name} is not that of the specification.", redo)
    try:
        record = RunRecord.model_validate_json(canonical_json(READERS[version](data)), strict=True)
        check_record(record)
    except ValidationError as error:
        raise RecordError(f"{place} does not fit the schema: {error}", redo) from error
    except (ValueError, ArithmeticError) as error:
        raise RecordError(f"{place} contradicts itself: {error}.", redo) from error
    return record


def _first(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of 0.1.0 as today's: what was added later is neutral, and a loss was one then."""
    return {**data, "format": RECORD_FORMAT, "better": direction_then(data)}


def direction_then(data: dict[str, Any]) -> str:
    """Return the direction of the metric of something that 0.1.0 wrote, which did not name it."""
    return str(metrics.named(str(data.get("metric"))).better)


READERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _first, RECORD_FORMAT: lambda data: data}
"""How a record of each format becomes one of today's."""
