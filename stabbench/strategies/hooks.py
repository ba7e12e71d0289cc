"""Is a strategy's class what its author takes it for? What nobody would call is refused, not ignored."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Iterator
from typing import Any

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.other_names import OTHER_NAMES
from stabbench.recipe import Recipe
from stabbench.registry import suggest
from stabbench.strategies.base import Strategy

HOOKS = tuple(name for name, thing in vars(Strategy).items() if callable(thing) and name[0] != "_")
"""Names of the hooks."""

NEAR = 0.75
"""A name that is this much like one of ours is taken for a slip of the pen (``difflib``'s ratio)."""


def check_names(cls: type[Strategy]) -> None:
    """Refuse a strategy with public names that would be ignored.

    A helper has a name that begins with an underscore; a parameter is an annotated field of a dataclass.

    Raises:
        UnknownNameError: for a public method that is no hook, or a value that looks like a misspelt name.
        StabbenchError: for a default that has no annotation and so changes nothing.
    """
    for name, thing in _public(cls):
        if not hasattr(Strategy, name):
            _check_unknown(cls, name, thing)
    fields = {field.name: field.default for field in dataclasses.fields(cls)}
    for name, default in fields.items():
        value = getattr(cls, name, default)
        if value is not default and value != default:
            raise StabbenchError(
                f"{name} = {value!r} of {cls.__name__} has no annotation, so it stays {default!r}.",
                f"write {name}: {_type_of(cls, name)} = {value!r}.",
            )


def check_signatures(cls: type[Strategy]) -> None:
    """Refuse a strategy with hooks that cannot be called as they are called.

    Raises:
        StabbenchError: for a hook with other arguments, or one that is no plain method.
    """
    for name, _ in _public(cls):
        if name in HOOKS:
            _check_signature(cls, name)


def _public(cls: type[Strategy]) -> Iterator[tuple[str, Any]]:
    """Yield what a class and its bases below ``Strategy`` define under public names, parameters apart."""
    fields = {field.name for field in dataclasses.fields(cls)}
    for base in cls.__mro__:
        if base not in (Strategy, object):
            yield from (
                (name, thing)
                for name, thing in vars(base).items()
                if not name.startswith("_") and name not in fields
            )


def _check_unknown(cls: type[Strategy], name: str, thing: Any) -> None:
    ours = [*HOOKS, "summary", "paper", "prepares", "capturable", "base"]
    near = difflib.get_close_matches(name, ours, n=1, cutoff=NEAR)
    recipe_value = name in Recipe.model_fields or name in OTHER_NAMES
    if _is_method(thing):
        hint = OTHER_NAMES.get(name) or suggest(name, HOOKS)
        raise UnknownNameError(
            f"{cls.__name__} has a method {name!r}, but no hook is called so: nobody would call it.",
            f"{hint} A helper of your own is called _{name}.",
        )
    if near:
        raise UnknownNameError(
            f"{name!r} of {cls.__name__} is no name that is read here.",
            f"did you mean {near[0]!r}? What is your own is called _{name}.",
        )
    if recipe_value:
        hint = f" ({OTHER_NAMES[name].rstrip('.')})" if name in OTHER_NAMES else ""
        raise StabbenchError(
            f"{name} = {thing!r} of {cls.__name__} would change nothing: the hook recipe changes it.",
            f"write def recipe(self, base): return base.change(...){hint}, or call it _{name}.",
        )


def _is_method(thing: Any) -> bool:
    return callable(thing) or isinstance(thing, property | staticmethod | classmethod)


def _check_signature(cls: type[Strategy], hook: str) -> None:
    """Call a hook's signature with as many arguments as the hook is called with."""
    wanted = list(inspect.signature(getattr(Strategy, hook)).parameters)
    found = getattr(cls, hook)
    if not callable(found):
        raise StabbenchError(
            f"{hook} of {cls.__name__} is {found!r}.", f"make it a method {_call(hook, wanted)}."
        )
    if inspect.iscoroutinefunction(found) or inspect.isgeneratorfunction(found):
        raise StabbenchError(
            f"the hook {hook} of {cls.__name__} is asynchronous or a generator: calling it would do nothing.",
            "let it return its result.",
        )
    bound = isinstance(inspect.getattr_static(cls, hook), staticmethod | classmethod)
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # something built in, which does not say
        return
    try:
        signature.bind(*wanted[1:] if bound else wanted)
    except TypeError as error:
        raise StabbenchError(
            f"the hook {hook} of {cls.__name__} takes {signature}: {error}.",
            f"it is called as {_call(hook, wanted)}: give it these arguments.",
        ) from error


def _call(hook: str, arguments: list[str]) -> str:
    return f"{hook}({', '.join(arguments)})"


def _type_of(cls: type[Strategy], name: str) -> str:
    return next(str(field.type) for field in dataclasses.fields(cls) if field.name == name)
