"""Records and arrays as they are written, in today's format, and how those of every format are read."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from stabbench.errors import RecordError
from stabbench.foreign import Malformed, read_json
from stabbench.runs.checks import check_record
from stabbench.runs.record import DIMENSIONS, RECORD_FORMAT, Arrays, RunRecord
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
    if not isinstance(version, int) or version > RECORD_FORMAT:
        raise RecordError(f"{place} has format {version!r}, newer than {RECORD_FORMAT}.", "update stabbench.")
    if version not in READERS:
        raise RecordError(f"{place} has format {version!r}, which there never was.", redo)
    if isinstance(spec := data.get("spec"), dict):
        group = {name: value for name, value in spec.items() if name not in ("seeds", "replicate")}
        for name, named in (("key", spec), ("group", group)):
            if digest(named) != data.get(name):
                raise RecordError(f"{place}: the {name} is not that of the specification.", redo)
    try:
        record = RunRecord.model_validate(READERS[version](data))
        check_record(record)
    except ValidationError as error:
        raise RecordError(f"{place} does not fit the schema: {error}", redo) from error
    except (ValueError, ArithmeticError) as error:
        raise RecordError(f"{place} contradicts itself: {error}.", redo) from error
    return record


def _first(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of 0.1.0 as today's: what was added later is neutral."""
    return {**data, "format": RECORD_FORMAT}


READERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _first, RECORD_FORMAT: lambda data: data}
"""How a record of each format becomes one of today's."""


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of an ``.npz`` file; equal arrays give equal bytes."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def check_arrays(arrays: Arrays) -> None:
    """Raise ``Malformed`` unless the arrays that we know are numbers of their shape."""
    for name, dimensions in DIMENSIONS.items():
        if name in arrays and (arrays[name].ndim != dimensions or arrays[name].dtype.kind not in "iuf"):
            raise Malformed(f"{name} is of shape {arrays[name].shape} and type {arrays[name].dtype}")
        if name.endswith("logits") and name in arrays and not arrays[name].shape[1]:
            raise Malformed(f"{name} is of no label")
    if len(arrays.get("trace_steps", ())) != len(arrays.get("layer_norms", ())):
        raise Malformed("layer_norms has not the rows that trace_steps names")
