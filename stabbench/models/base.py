"""Models by registered name, local folder or hub id, resolved without importing torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stabbench.errors import StabbenchError
from stabbench.models.families import default_recipe, dropout_keys, longest_input
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
        StabbenchError: when a folder lacks files or the hub cannot be reached.
    """
    registered = REGISTRY.get(name) if name in REGISTRY.names() else None
    location = registered.location if registered else name
    folder = Path(location).expanduser()
    if folder.is_dir():
        location = str(folder.resolve())
        config, revision = _folder(Path(location))
        shown = name if registered else Path(location).name
    else:
        if location.startswith((".", "/", "~")) or location.count("/") > 1:
            raise StabbenchError(
                f"{location} is no folder.",
                f"give the folder of a saved model, a hub id, or a name: {suggest(name, REGISTRY.names())}",
            )
        config, revision = _hub(location, name)
        shown = name
    recipe = registered.recipe if registered else default_recipe(config)
    rates = {
        ours: float(config[key])
        for ours, key in dropout_keys(config).items()
        if getattr(recipe, ours) is None and config.get(key) is not None
    }
    recipe = recipe.change(**rates)
    longest = longest_input(config)
    if longest is not None and longest < recipe.max_length:
        recipe = recipe.change(max_length=longest)
    return ResolvedModel(shown, location, revision, config, recipe)


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
    for name in ("hidden_dropout", "attention_dropout", "classifier_dropout"):
        if getattr(recipe, name) is not None and name not in keys:
            raise StabbenchError(
                f"{name}={getattr(recipe, name)} would change nothing: what {model.config['model_type']} "
                f"models like {model.name} call it is not known here.",
                f"leave {name} as the checkpoint has it.",
            )


def folder_revision(folder: Path) -> str:
    """Return the revision of a folder as its files are now (see ``ResolvedModel``).

    Raises:
        StabbenchError: when files are missing.
    """
    return _folder(folder)[1]


def _folder(folder: Path) -> tuple[dict[str, Any], str]:
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")])
    tokenizer = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    for found, what in (
        ((folder / "config.json").is_file(), "config.json"),
        (bool(weights), "weights (model.safetensors)"),
        (any(path.name not in SETTINGS for path in tokenizer), "tokenizer (tokenizer.json or vocab.txt)"),
    ):
        if not found:
            raise StabbenchError(
                f"{folder} has no {what}.",
                "save model and tokenizer there with save_pretrained.",
            )
    state = hashlib.sha256()
    for path in (folder / "config.json", *weights, *tokenizer):
        state.update(path.name.encode())
        with path.open("rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return _config((folder / "config.json").read_text(encoding="utf-8"), str(folder)), (
        f"sha256:{state.hexdigest()}"
    )


SETTINGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    *SETTINGS,
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
)


def _hub(location: str, name: str) -> tuple[dict[str, Any], str]:
    from huggingface_hub import hf_hub_download

    try:
        path = Path(hf_hub_download(location, "config.json"))
    except Exception as error:  # the hub's client raises a dozen kinds, by version
        raise StabbenchError(
            f"the model {name} is neither a folder nor to be had from the hub: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            "go online once so that it is cached, or pass --stab-model FOLDER of a saved model; "
            + suggest(name, REGISTRY.names()),
        ) from error
    return _config(path.read_text(encoding="utf-8"), location), path.parent.name


def _config(text: str, place: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise StabbenchError(f"the config.json of {place} is no JSON ({error}).", "save it again.") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise StabbenchError(
            f"the config.json of {place} names no model_type.", "use a model that transformers saved."
        )
    return config
