"""Parameters of strategies: read from text, converted by the types of their fields, written again."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, Literal

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.other_names import OTHER_NAMES
from stabbench.recipe import Recipe
from stabbench.registry import suggest
from stabbench.strategies.base import Strategy

Scalar = str | int | float | bool | None

HOW = "write NAME, NAME:k=v,k=v or path.py:Name, several joined by +, as in reinit:layers=2+llrd."
"""How strategies and their parameters are written."""


def read_parameters(cls: type[Strategy], name: str, text: str | None) -> dict[str, Scalar]:
    """Return the parameters that ``k=v,k=v`` gives a strategy, by the names of their fields.

    Args:
        cls: the strategy's class.
        name: what to call it in messages.
        text: what stands after the colon, if one does.

    Raises:
        UnknownNameError: for an unknown parameter; the message suggests near names.
        StabbenchError: for what is not ``k=v``, comes twice, or has a value of the wrong type.
    """
    fields = {_shown(field): field for field in dataclasses.fields(cls)}
    kinds = typing.get_type_hints(cls)
    given: dict[str, Scalar] = {}
    for assignment in text.split(",") if text is not None else []:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or not key:
            raise StabbenchError(f"{assignment!r} is not a parameter of {name}.", HOW)
        if key not in fields:
            raise UnknownNameError(f"{name} has no parameter {key!r}.", _advice(key, fields))
        field = fields[key]
        if field.name in given:
            raise StabbenchError(f"{name} is given {key!r} twice.", "give it once.")
        given[field.name] = _convert(value, kinds[field.name], f"{name}: {key}", field.default)
    return given


def values_of(strategy: Strategy) -> dict[str, Scalar]:
    """Return all parameters of one strategy by name, as they are shown."""
    return {_shown(field): getattr(strategy, field.name) for field in dataclasses.fields(strategy)}


def check_values(name: str, strategy: Strategy) -> None:
    """Refuse a parameter that cannot be part of a run's key: no plain value, or no finite number.

    Raises:
        StabbenchError: for the first such parameter.
    """
    for field, value in values_of(strategy).items():
        plain = value is None or isinstance(value, str | int | float)
        if not plain or (isinstance(value, float) and not math.isfinite(value)):
            raise StabbenchError(
                f"{name}: {field}={value!r} cannot be a parameter.",
                "parameters are texts, finite numbers, true, false and none.",
            )


def written(name: str, strategy: Strategy) -> str:
    """Return ``NAME[:k=v,...]`` with the parameters that differ from their defaults."""
    changed = {
        _shown(field): getattr(strategy, field.name)
        for field in dataclasses.fields(strategy)
        if getattr(strategy, field.name) != field.default
    }
    return f"{name}:{assignments(changed)}" if changed else name


def assignments(values: Mapping[str, object]) -> str:
    """Return ``k=v,...``, sorted by name."""
    return ",".join(f"{key}={_text(values[key])}" for key in sorted(values))


def forgotten_fields(cls: type[Strategy]) -> list[str]:
    """Return what looks like a parameter in a class that is no dataclass, so that it would be none."""
    if "__dataclass_params__" in vars(cls):
        return []
    own = inspect.get_annotations(cls)
    return [name for name, kind in own.items() if "ClassVar" not in str(kind)]


def _shown(field: dataclasses.Field[Any]) -> str:
    """Return the name of a parameter: ``lambda_``, which Python wants, is ``lambda``."""
    return field.name.rstrip("_")


def _advice(key: str, fields: Collection[str]) -> str:
    """Return what to write in place of an unknown parameter, which may be meant for the recipe."""
    ours = OTHER_NAMES.get(key.lower())
    if key in Recipe.model_fields or ours is not None:
        hint = f"a recipe value is set with --stab-set, not with the strategy{': ' + ours if ours else '.'}"
        return f"{hint} {suggest(key, fields)}"
    return suggest(key, fields)


def _convert(text: str, kind: Any, what: str, default: object) -> Scalar:
    """Return the value of a parameter, by the type of its dataclass field."""
    choices = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for choice in choices:
        if choice is types.NoneType:
            if text.lower() == "none":
                return None
        elif typing.get_origin(choice) is Literal:
            for value in typing.get_args(choice):
                if _text(value) == text:
                    return typing.cast(Scalar, value)
        elif choice is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif choice in (int, float):
            try:
                return typing.cast(Scalar, choice(text))
            except ValueError:
                continue
        elif choice is str and (text.lower() != "none" or types.NoneType not in choices):
            return text
    raise StabbenchError(f"{what}={text!r} is not {_type_name(kind)}.", f"the default is {_text(default)}.")


def _type_name(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(_type_name(choice) for choice in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(_text(value) for value in typing.get_args(kind))
    return "none" if kind is types.NoneType else str(getattr(kind, "__name__", kind))


def _text(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
