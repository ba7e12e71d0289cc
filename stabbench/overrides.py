"""What a session sets in every recipe (``--stab-set``): read, applied, and refused where it has no effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe, explained
from stabbench.strategies import Strategy
from stabbench.strategies.catalog import parse_strategy, resolve_recipe
from stabbench.strategies.parameters import assignments


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Return the recipe values of ``learning_rate=3e-5,epochs=10``, given once or several times.

    Raises:
        StabbenchError: when one is not ``name=value`` or comes twice.
    """
    found: dict[str, Any] = {}
    for part in (part for text in texts for part in text.split(",") if part):
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise StabbenchError(f"{part!r} is no recipe value.", "write name=value, e.g. epochs=10.")
        if name in found:
            raise StabbenchError(f"{name} is set twice.", "set it once.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = {"None": None, "True": True, "False": False}.get(value, value)
    return found


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe with some values overridden.

    Raises:
        UnknownNameError, StabbenchError: for an unknown name or a value out of range.
    """
    try:
        return recipe.change(**overrides) if overrides else recipe
    except ValidationError as error:
        raise explained(error) from error


def replaced(strategy_text: str, model_recipe: Recipe, overrides: Mapping[str, Any]) -> list[str]:
    """Return a line for each value that a strategy sets itself and the session sets otherwise.

    The session's holds; the label says so, but a reader who knows the method may expect the method's.
    """
    if not overrides:
        return []
    strategy, _ = parse_strategy(strategy_text)
    own = resolve_recipe(strategy, override(model_recipe, overrides))
    asked = override(model_recipe, overrides)
    return [
        f"{strategy_text} would train with {assignments({name: getattr(own, name)})}, "
        f"--stab-set {assignments({name: getattr(asked, name)})} takes its place."
        for name in sorted(overrides)
        if getattr(own, name) != getattr(asked, name)
    ]


def check_effect(label: str, recipe: Recipe, overrides: Mapping[str, Any], n_train: int) -> None:
    """Refuse an override that would change nothing but the key of the runs.

    A value that a strategy has already is none: a session sets it for all of its strategies alike.

    Args:
        label: what the runs are called.
        recipe: their recipe, with the overrides.
        overrides: the values that the session sets.
        n_train: number of training rows.

    Raises:
        StabbenchError: when another value of the recipe decides.
    """
    action = "leave it away for this strategy, or set {0}."
    updates = recipe.updates_per_epoch(n_train)
    useless = (
        (
            "epochs",
            recipe.steps is not None,
            f"it trains {recipe.steps} updates, whatever the epochs are",
            "steps",
        ),
        (
            "epsilon_placement",
            not recipe.bias_correction,
            "without bias correction both placements are the same",
            "bias_correction too",
        ),
        ("clipping", recipe.clip_norm is None, "it does not clip gradients", "clip_norm too"),
        (
            "evaluations_per_epoch",
            recipe.evaluations_per_epoch > updates,
            f"an epoch has {updates} updates, and no more evaluations",
            f"evaluations_per_epoch={updates} or less",
        ),
    )
    for name, is_useless, why, instead in useless:
        if name in overrides and is_useless:
            raise StabbenchError(
                f"{assignments({name: overrides[name]})} would change nothing in {label}: {why}.",
                action.format(instead),
            )


def check_length(strategy: Strategy, label: str, recipe: Recipe, base: Recipe, n_train: int) -> None:
    """Refuse a strategy that is to train longer than its base and would train less.

    Raises:
        StabbenchError: with the figures of both.
    """
    own, others = recipe.total_updates(n_train), base.total_updates(n_train)
    if strategy.lengthens and own < others:
        raise StabbenchError(
            f"{label} would train {own:,} updates, fewer than the {others:,} of the recipe that it is to "
            f"lengthen ({base.epochs} epochs of {n_train:,} rows in batches of {base.batch_size}).",
            f"ask for more: steps={3 * others} is three times as many, "
            f"--strategy {label.partition('@')[0].partition(':')[0]}:steps={3 * others}.",
        )
