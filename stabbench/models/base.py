"""Models by registered name, local folder or hub id, resolved without importing torch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stabbench.errors import StabbenchError
from stabbench.models.checks import check_files, read_config
from stabbench.models.families import default_recipe, dropout_keys, longest_input
from stabbench.models.files import digest, folder_files, hub_files
from stabbench.recipe import Recipe
from stabbench.registry import Registry, suggest
from stabbench.stored import Frozen


class Model(Frozen):
    """A model that has a name of its own here.

    Attributes:
        summary: one line for listings.
        location: hub id or local path.
        recipe: its default recipe.
    """

    summary: str
    location: str
    recipe: Recipe


REGISTRY: Registry[Model] = Registry("model", "stabbench.models")


@dataclass(frozen=True)
class ResolvedModel:
    """A model as a run uses it.

    Attributes:
        name: registered name, hub id, or the folder's own name.
        location: local path or hub id.
        revision: commit of the hub's snapshot, or ``sha256:`` and the digest of a folder's files, so
            that a folder keeps its revision when it is moved.
        config: its ``config.json``.
        recipe: the default recipe with the checkpoint's dropout rates filled in.
    """

    name: str
    location: str
    revision: str
    config: dict[str, Any]
    recipe: Recipe


@lru_cache(maxsize=8)
def resolve(name: str) -> ResolvedModel:
    """Return a model by registered name, path of a folder, or hub id.

    Raises:
        UnknownNameError: when it is none of these.
        StabbenchError: when a folder lacks files, the hub cannot be reached, or the model cannot be
            fine-tuned here (``stabbench.models.checks``).
    """
    registered = REGISTRY.get(name) if name in REGISTRY.names() else None
    location = registered.location if registered else name
    folder = Path(location).expanduser()
    otherwise = suggest(name, REGISTRY.names())
    if folder.is_dir():
        location = str(folder.resolve())
        files, revision = folder_files(Path(location)), ""
        shown = name if registered else Path(location).name
    else:
        if location.startswith((".", "/", "~")) or location.count("/") > 1:
            raise StabbenchError(
                f"{location} is no folder.",
                f"give the folder of a saved model, a hub id, or a name: {otherwise}",
            )
        files, revision = hub_files(location, name, otherwise)
        shown = name
    check_files(files)
    config = read_config(files)
    revision = revision or digest(files)
    recipe = registered.recipe if registered else default_recipe(config)
    rates = {
        ours: _rate(shown, key, config[key])
        for ours, key in dropout_keys(config).items()
        if getattr(recipe, ours) is None and config.get(key) is not None
    }
    recipe = recipe.change(**rates)
    longest = longest_input(config)
    if longest is not None and longest < recipe.max_length:
        recipe = recipe.change(max_length=longest)
    return ResolvedModel(shown, location, revision, config, recipe)


def _rate(place: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise StabbenchError(
            f"{key} is {value!r} in the config.json of {place}.",
            "write a dropout rate there: a number from 0 to less than 1.",
        )
    return float(value)


RATES = ("hidden_dropout", "attention_dropout", "classifier_dropout")
"""The dropout rates of a recipe."""


def check_recipe(model: ResolvedModel, recipe: Recipe) -> None:
    """Refuse a recipe that the model cannot follow.

    Raises:
        StabbenchError: when its sequences are longer than the model can see, or it sets a dropout rate that
            the model does not have or that is not known here, and would change nothing but the run's key.
    """
    longest = longest_input(model.config)
    if longest is not None and recipe.max_length > longest:
        raise StabbenchError(
            f"max_length={recipe.max_length} is more than the {longest} tokens that {model.name} can see.",
            f"set max_length to {longest} or less.",
        )
    keys = dropout_keys(model.config)
    for name in RATES:
        if getattr(recipe, name) is not None and name not in keys:
            raise StabbenchError(
                f"{name}={getattr(recipe, name)} would change nothing: what {model.config['model_type']} "
                f"models like {model.name} call it is not known here.",
                f"leave {name} as the checkpoint has it.",
            )


def check_rates(
    model: ResolvedModel, label: str, recipe: Recipe, own: Recipe, names: Collection[str]
) -> None:
    """Refuse a dropout rate that is set to what it is: it would change nothing but the key of the runs.

    Args:
        model: the model, whose configuration says what ``None`` stands for.
        label: what the runs are called.
        recipe: their recipe.
        own: the recipe of the strategy alone.
        names: the values that were set.

    Raises:
        StabbenchError: for the first such rate.
    """
    keys = dropout_keys(model.config)

    def rate(of: Recipe, name: str) -> Any:
        value = getattr(of, name)
        return model.config.get(keys.get(name, "")) if value is None else value

    for name in (name for name in RATES if name in names):
        if rate(recipe, name) is not None and rate(recipe, name) == rate(own, name):
            raise StabbenchError(
                f"{name}={getattr(recipe, name)} would change nothing in {label}: it has this rate already.",
                "leave it away for this model, or set another rate.",
            )
