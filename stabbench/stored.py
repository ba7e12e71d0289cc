"""Plain data and its one JSON text, from which keys are made."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


def canonical_json(data: Any) -> str:
    """Return the one JSON text of ``data``: sorted keys, no white space, no NaN or infinity."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``data``, in hexadecimal."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def is_key(name: str) -> bool:
    """Return whether a name can be a digest: every run and every group is called by one."""
    return re.fullmatch(r"[0-9a-f]{64}", name) is not None


class Frozen(BaseModel):
    """Base of all plain data that travels between rooms: immutable, no unknown fields, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stored(Frozen):
    """Base of what is kept under a key: a field that is added later must not change the keys of old runs.

    A field that is not among ``always`` is written only where it differs from its default, so a text that
    was stored before the field existed and one that is written today have the same digest. The default of
    such a field is its neutral value, for ever.

    Attributes:
        always: fields that are written whatever their value: those of the first format.
    """

    always: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_neutral(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        for name, neutral in _added_later(type(self)):
            if name in data and getattr(self, name) == neutral:
                del data[name]
        return data


@cache
def _added_later(kind: type[Stored]) -> tuple[tuple[str, Any], ...]:
    """Return the fields that are not always written, with their neutral values."""
    return tuple(
        (name, field.get_default(call_default_factory=True))
        for name, field in kind.model_fields.items()
        if name not in kind.always and not field.is_required()
    )
