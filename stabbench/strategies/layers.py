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
