"""Where things are in an encoder: its layers and its pooler, by structure, for every family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stabbench.errors import StabbenchError

if TYPE_CHECKING:
    from torch import nn

LAYER_LISTS = ("encoder.layer", "transformer.layer", "layers")
"""Where families keep their layers: BERT and its kin, DistilBERT, ModernBERT."""


def encoder_of(model: Any) -> nn.Module:
    """Return a classifier's encoder: everything below its head."""
    encoder: nn.Module = model.base_model
    return encoder


def layers_of(model: Any) -> list[nn.Module]:
    """Return the encoder's layers, lowest first.

    Raises:
        StabbenchError: for a family whose layers are kept somewhere else, or shared (ALBERT).
    """
    encoder = encoder_of(model)
    for path in LAYER_LISTS:
        found: Any = encoder
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not None:
            return list(found)
    raise StabbenchError(
        f"{type(model).__name__} keeps its layers in none of {', '.join(LAYER_LISTS)}.",
        "use another model, or a strategy that does not tell layers apart.",
    )


def pooler_of(model: Any) -> nn.Module | None:
    """Return the encoder's pooler; ``None`` where it has none (its head does the pooling)."""
    pooler: nn.Module | None = getattr(encoder_of(model), "pooler", None)
    return pooler


def shared_layers(config: dict[str, Any]) -> str | None:
    """Return why there are no layers to tell apart, or ``None``."""
    if config.get("model_type") == "albert":
        return "ALBERT shares one layer among all depths: there is no top layer."
    return None


def depths_of(model: Any) -> dict[nn.Parameter, int]:
    """Return how far below the head each parameter lies.

    0 are the head, the pooler and a normalisation after the last layer; 1 is the top layer and N the lowest
    of N; N + 1 are the embeddings and whatever else the layers share.
    """
    encoder, layers = encoder_of(model), layers_of(model)
    depths = dict.fromkeys(model.parameters(), 0)
    for parameter in encoder.parameters():
        depths[parameter] = len(layers) + 1
    for index, layer in enumerate(layers):
        for parameter in layer.parameters():
            depths[parameter] = len(layers) - index
    for part in (pooler_of(model), getattr(encoder, "final_norm", None)):
        if part is not None:
            for parameter in part.parameters():
                depths[parameter] = 0
    return depths
