"""From the text that names a strategy to the strategy, and back to the label that a reader sees."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stabbench.errors import StabbenchError, code_of_others
from stabbench.models import families
from stabbench.recipe import Recipe, explained
from stabbench.registry import import_file
from stabbench.stored import digest
from stabbench.strategies.base import REGISTRY, Strategy
from stabbench.strategies.combine import Combined, combine, hooks_of
from stabbench.strategies.hooks import check_names, check_signatures
from stabbench.strategies.parameters import (
    HOW,
    Scalar,
    assignments,
    check_values,
    forgotten_fields,
    read_parameters,
    values_of,
    written,
)
from stabbench.strategies.source import class_digest

__all__ = [
    "Reference",
    "base_recipe",
    "check_strategy",
    "is_ours",
    "label_of",
    "parameters_of",
    "parse_strategy",
    "resolve_recipe",
    "source_digest",
    "support_of",
]

_PART = re.compile(
    r"(?P<name>[\w-]+(?=[:+]|$)|.+?\.py(?::[A-Za-z_]\w*(?=[:+]|$))?)"
    r"(?::(?P<parameters>.*?))?(?:\+(?=[A-Za-z_./~])|$)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Reference:
    """How a strategy is called.

    Attributes:
        name: the registered name; for a file the name of the class; several joined by ``+``.
        text: text that ``parse_strategy`` reads as the same strategy in any process: absolute
            paths, and the parameters that differ from their defaults.
    """

    name: str
    text: str


def parse_strategy(text: str) -> tuple[Strategy, Reference]:
    """Return the strategy that ``NAME[:k=v,...]`` or ``path.py[:Name][:k=v,...]`` stands for.

    Several are joined by ``+``: their hooks run in the order written.

    Raises:
        UnknownNameError: for an unknown strategy or parameter; the message suggests near names.
        StabbenchError: for a file that cannot be imported, a thing that is not a strategy, a value of
            the wrong type or out of range, or a combination that contradicts itself.
    """
    names, members, explicit, rest = [], [], [], text
    while rest:
        found = _PART.match(rest)
        if found is None:
            break
        cls, name = _find(found["name"])
        given = read_parameters(cls, name, found["parameters"])
        names.append(name)
        members.append(_build(cls, name, given))
        explicit.append("base" in given)
        rest = rest[found.end() :]
    if rest or not members or text.endswith("+"):
        raise StabbenchError(f"the strategy {text!r} cannot be read.", HOW)
    strategy = members[0] if len(members) == 1 else combine(names, members, explicit)
    reference = Reference("+".join(names), "")
    places = [_place(type(member), name) for member, name in zip(_members(strategy), names, strict=True)]
    return strategy, dataclasses.replace(reference, text=_write(places, strategy))


def check_strategy(strategy: Strategy) -> None:
    """Refuse a strategy whose hooks cannot be called as they are called.

    Raises:
        StabbenchError: for the first such hook.
    """
    for member in _members(strategy):
        check_signatures(type(member))


def is_ours(text: str) -> bool:
    """Return whether all of a strategy comes with stabbench, as ``parse_strategy`` reads it."""
    strategy, _ = parse_strategy(text)
    return all(type(member).__module__.partition(".")[0] == "stabbench" for member in _members(strategy))


def parameters_of(strategy: Strategy) -> dict[str, Scalar]:
    """Return all parameters by name; in a combination a parameter ``k`` of ``NAME`` is ``NAME.k``."""
    if isinstance(strategy, Combined):
        return {
            f"{name}.{key}": value
            for name, member in zip(strategy.names, strategy.members, strict=True)
            for key, value in parameters_of(member).items()
        }
    return values_of(strategy)


def label_of(strategy: Strategy, reference: Reference, overrides: Mapping[str, Any]) -> str:
    """Return what a reader sees: ``NAME[:k=v,...][@k=v,...]``, equal for equal things.

    Parameters stand there if they differ from their defaults, recipe values if the session overrides
    them; both are sorted by name.
    """
    label = _write(reference.name.split("+"), strategy)
    if not overrides:
        return label
    recipe = Recipe().change(**overrides)
    return f"{label}@{assignments({key: getattr(recipe, key) for key in overrides})}"


def resolve_recipe(strategy: Strategy, model_recipe: Recipe) -> Recipe:
    """Return the recipe of a strategy for a model: first that of its base, and so on down.

    Raises:
        StabbenchError: when bases form a cycle, a base does more than set a recipe, or a ``recipe``
            hook raises.
    """
    return _resolve(strategy, model_recipe, ())


def base_recipe(strategy: Strategy, model_recipe: Recipe) -> Recipe:
    """Return the recipe that a strategy changes: that of its base, or the model's own.

    Raises:
        StabbenchError: as for ``resolve_recipe``.
    """
    return _base_recipe(strategy, model_recipe, ())


def source_digest(strategy: Strategy) -> str:
    """Return the SHA-256 of the normalised source of a strategy, see ``source.class_digest``.

    That of a combination is made of its members' digests in their order; that of a base is not part
    of it, since all that a base contributes is the recipe.
    """
    return digest([class_digest(cls) for cls in map(type, _members(strategy))])


def support_of(strategy: Strategy) -> dict[str, str | None]:
    """Return why the strategy cannot be used with a family of models, or ``None``, by the family's label."""
    return {
        family.label: strategy.unsupported({"model_type": family.model_types[0]})
        for family in families.FAMILIES
    }


def _resolve(strategy: Strategy, model_recipe: Recipe, above: tuple[str, ...]) -> Recipe:
    recipe = _base_recipe(strategy, model_recipe, above)
    hook = f"the recipe hook of {type(strategy).__name__}"
    with code_of_others(hook, "mend the hook."):
        try:
            recipe = strategy.recipe(recipe)
        except ValidationError as error:
            problem = explained(error)
            raise StabbenchError(f"{hook}: {problem.cause}", problem.action) from error
    if not isinstance(recipe, Recipe):
        raise StabbenchError(f"{hook} returned {recipe!r}.", "let it return a Recipe.")
    return recipe


def _base_recipe(strategy: Strategy, model_recipe: Recipe, above: tuple[str, ...]) -> Recipe:
    recipe = model_recipe
    if strategy.base is not None:
        base, reference = parse_strategy(strategy.base)
        if reference.text in above:
            raise StabbenchError(
                f"the bases of strategies form a cycle: {' -> '.join((*above, reference.text))}.",
                "give one of them another base.",
            )
        more = [hook for hook in hooks_of(base) if hook not in ("recipe", "unsupported", "amended")]
        if more:
            raise StabbenchError(
                f"{strategy.base} cannot be a base: only its recipe would be used, it also has {more[0]}.",
                f"write the combination {strategy.base}+NAME instead of NAME:base={strategy.base}.",
            )
        recipe = _resolve(base, model_recipe, (*above, reference.text))
    return recipe


def _find(name: str) -> tuple[type[Strategy], str]:
    """Return the class that a name or ``path.py[:Name]`` stands for, and what to call it."""
    if name.endswith(".py"):
        cls: object = _only_strategy(Path(name))
    else:
        cls = REGISTRY.get(name)
    if not (isinstance(cls, type) and issubclass(cls, Strategy)):
        raise StabbenchError(
            f"{name} is not a strategy but {cls!r}.",
            "name a class that derives from stabbench.strategies.Strategy.",
        )
    forgotten = forgotten_fields(cls)
    if forgotten:
        raise StabbenchError(
            f"{forgotten[0]!r} of {cls.__name__} looks like a parameter, but the class is no dataclass.",
            "put @dataclass above the class.",
        )
    check_names(cls)
    return cls, cls.__name__ if ".py" in name else name


def _only_strategy(path: Path) -> object:
    module = import_file(path)
    found = [
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Strategy) and thing.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(thing.__name__ for thing in found) or "none"
        raise StabbenchError(
            f"{path} defines {len(found)} strategies: {names}.", f"say which one: {path}:Name."
        )
    return found[0]


def _place(cls: type[Strategy], name: str) -> str:
    """Return what any process finds the class by: the name of an entry point, or its file."""
    if REGISTRY.is_announced(name):
        return name
    return f"{Path(inspect.getfile(cls)).resolve()}:{cls.__qualname__}"


def _build(cls: type[Strategy], name: str, given: dict[str, Scalar]) -> Strategy:
    with code_of_others(f"making {name}", "change the parameters, or mend its __post_init__."):
        try:
            strategy = cls(**typing.cast(dict[str, Any], given))
        except (TypeError, ValueError) as error:
            raise StabbenchError(f"{name}: {error}", "change the parameters.") from error
    check_values(name, strategy)
    return strategy


def _members(strategy: Strategy) -> tuple[Strategy, ...]:
    return strategy.members if isinstance(strategy, Combined) else (strategy,)


def _write(names: list[str], strategy: Strategy) -> str:
    return "+".join(written(name, member) for name, member in zip(names, _members(strategy), strict=True))
