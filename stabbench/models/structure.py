"""Where things are in a loaded model: its encoder, layers and pooler, as its family says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stabbench.errors import StabbenchError
from stabbench.models.families import Family, family_of, no_layers, unknown_family

if TYPE_CHECKING:
    from torch import nn


_ACTION = "use another model, or a strategy that does not ask (`stabbench ls -v` lists them)."


def known_family(model: Any) -> Family:
    """Return the family of a loaded model.

    Raises:
        StabbenchError: when it is in none.
    """
    kind = model.config.model_type
    family = family_of(kind)
    if family is None:
        raise StabbenchError(str(unknown_family({"model_type": kind})), _ACTION)
    return family


def encoder_of(model: Any) -> nn.Module:
    """Return a classifier's encoder: everything below its head. Known for every model class."""
    encoder: nn.Module = model.base_model
    return encoder


def layers_of(model: Any) -> list[nn.Module]:
    """Return the encoder's layers, lowest first.

    Raises:
        StabbenchError: for a model of no known family, or one whose depths share their layers (ALBERT).
    """
    path = known_family(model).layers
    if path is None:
        raise StabbenchError(str(no_layers({"model_type": model.config.model_type})), _ACTION)
    return list(encoder_of(model).get_submodule(path).children())


def pooler_of(model: Any) -> nn.Module | None:
    """Return the encoder's pooler; ``None`` where it has none (its head does the pooling).

    Raises:
        StabbenchError: for a model of no known family.
    """
    path = known_family(model).pooler
    return None if path is None else encoder_of(model).get_submodule(path)


def depths_of(model: Any) -> dict[nn.Parameter, int]:
    """Return how far below the head each parameter lies.

    0 are the head, the pooler and a normalisation after the last layer; 1 is the top layer and N the lowest
    of N; N + 1 are the embeddings and whatever else the layers share.

    Raises:
        StabbenchError: as ``layers_of`` does.
    """
    family, encoder, layers = known_family(model), encoder_of(model), layers_of(model)
    depths = dict.fromkeys(model.parameters(), 0)
    for parameter in encoder.parameters():
        depths[parameter] = len(layers) + 1
    for index, layer in enumerate(layers):
        for parameter in layer.parameters():
            depths[parameter] = len(layers) - index
    for path in (family.pooler, family.final_norm):
        if path is not None:
            for parameter in encoder.get_submodule(path).parameters():
                depths[parameter] = 0
    return depths
