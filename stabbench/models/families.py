"""Families of models as data: what the model classes do not say of themselves, an entry for each family.

``FAMILIES`` is the only place that knows: trainer, strategies and listings ask it (``docs/models.md``).
Recipes are Mosbach et al. (2021), Table 3, in the form in which the authors' configurations have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stabbench.recipe import Recipe

BERT = Recipe()
ROBERTA = Recipe(beta2=0.98, weight_decay=0.1, clip_norm=None)
ALBERT = Recipe(weight_decay=0.0, hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0)

Config = Mapping[str, Any]
"""What stands in a ``config.json``."""


def all_positions(config: Config) -> int | None:
    """Return how many positions a model has; ``None`` where its configuration sets no limit."""
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    return positions if isinstance(positions, int) and positions > 0 else None


def positions_after_padding(config: Config) -> int | None:
    """Return how many positions can be used if they are numbered from ``pad_token_id + 1``: 512 of 514."""
    positions, padding = all_positions(config), config.get("pad_token_id", 1)
    return None if positions is None else positions - (1 if padding is None else padding) - 1


AFTER_PADDING = (
    *("data2vec-text", "esm", "ibert", "longformer", "luke"),
    *("roberta-prelayernorm", "xlm-roberta-xl", "xmod"),
)
"""Model types of no family here that number their positions as RoBERTa does."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Model classes that are built alike. Paths are dotted names below the model's base (its encoder).

    Attributes:
        label: what readers see.
        model_types: the ``model_type`` of its configurations.
        recipe: the recipe of a model that is not registered.
        dropout: name of a dropout rate in ``Recipe`` -> its name in the configuration, for the rates it has.
        longest_input: how many tokens a model with this configuration can see at once.
        n_layers: name of the number of layers in the configuration.
        layers: path of the list of layers, lowest first; ``None`` where all depths share one.
        stack: path of what runs the layers, a module or their list, with hidden states and mask as its first
            arguments; ``None`` where they cannot run without padding.
        pooler: path of the pooler; ``None`` where the head does the pooling.
        final_norm: path of a normalisation after the last layer.
        query_and_value: last names of the linear layers that make queries and values; where one makes the
            keys too, that one.
    """

    label: str
    model_types: tuple[str, ...]
    recipe: Recipe = BERT
    dropout: Mapping[str, str]
    longest_input: Callable[[Config], int | None] = all_positions
    n_layers: str = "num_hidden_layers"
    layers: str | None
    stack: str | None = None
    pooler: str | None = None
    final_norm: str | None = None
    query_and_value: tuple[str, ...]


_BERT_DROPOUT = {
    "hidden_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout",
}

FAMILIES: tuple[Family, ...] = (
    Family(
        label="BERT",
        model_types=("bert",),
        dropout=_BERT_DROPOUT,
        layers="encoder.layer",
        stack="encoder",
        pooler="pooler",
        query_and_value=("query", "value"),
    ),
    Family(
        label="RoBERTa",
        model_types=("roberta", "xlm-roberta", "camembert"),
        recipe=ROBERTA,
        dropout=_BERT_DROPOUT,
        longest_input=positions_after_padding,
        layers="encoder.layer",
        stack="encoder",
        query_and_value=("query", "value"),
    ),
    Family(
        label="ALBERT",
        model_types=("albert",),
        recipe=ALBERT,
        dropout={**_BERT_DROPOUT, "classifier_dropout": "classifier_dropout_prob"},
        layers=None,
        stack="encoder",
        pooler="pooler",
        query_and_value=("query", "value"),
    ),
    Family(
        label="ELECTRA",
        model_types=("electra",),
        dropout=_BERT_DROPOUT,
        layers="encoder.layer",
        stack="encoder",
        query_and_value=("query", "value"),
    ),
    Family(
        label="DeBERTa",
        model_types=("deberta",),
        dropout={**_BERT_DROPOUT, "classifier_dropout": "cls_dropout"},
        layers="encoder.layer",
        query_and_value=("in_proj",),
    ),
    Family(
        label="DeBERTa-v2",
        model_types=("deberta-v2",),
        dropout={**_BERT_DROPOUT, "classifier_dropout": "cls_dropout"},
        layers="encoder.layer",
        query_and_value=("query_proj", "value_proj"),
    ),
    Family(
        label="DistilBERT",
        model_types=("distilbert",),
        dropout={
            "hidden_dropout": "dropout",
            "attention_dropout": "attention_dropout",
            "classifier_dropout": "seq_classif_dropout",
        },
        n_layers="n_layers",
        layers="transformer.layer",
        stack="transformer",
        query_and_value=("q_lin", "v_lin"),
    ),
    Family(
        label="ModernBERT",
        model_types=("modernbert",),
        dropout={
            "hidden_dropout": "mlp_dropout",
            "attention_dropout": "attention_dropout",
            "classifier_dropout": "classifier_dropout",
        },
        layers="layers",
        stack="layers",
        final_norm="final_norm",
        query_and_value=("Wqkv",),
    ),
    Family(
        label="MPNet",
        model_types=("mpnet",),
        dropout={
            "hidden_dropout": "hidden_dropout_prob",
            "attention_dropout": "attention_probs_dropout_prob",
        },
        longest_input=positions_after_padding,
        layers="encoder.layer",
        query_and_value=("q", "v"),
    ),
)


def family_of(model_type: object) -> Family | None:
    """Return the family of a ``model_type``; ``None`` if it is in none."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def unknown_family(config: Config) -> str | None:
    """Return one line that says that nothing is known of a model's inside, or ``None``."""
    kind = config.get("model_type")
    return None if family_of(kind) else f"where {kind} models keep their parts is not known here."


def no_layers(config: Config) -> str | None:
    """Return one line that says why a model has no layers that can be told apart, or ``None``."""
    family = family_of(config.get("model_type"))
    if family is not None and family.layers is None:
        return f"{family.label} shares one layer among all depths: there is no top layer."
    return unknown_family(config)


def count_layers(config: Config) -> int | None:
    """Return how many layers a model has, as far as its family and its configuration say."""
    family = family_of(config.get("model_type"))
    return config.get(family.n_layers) if family else None


def packable_stack(config: Config) -> str | None:
    """Return the path of what runs a model's layers, ``None`` where they cannot run without padding."""
    family = family_of(config.get("model_type"))
    return family.stack if family and not config.get("is_decoder") else None  # a decoder sees no later token


def dropout_keys(config: Config) -> Mapping[str, str]:
    """Return how a model's configuration names the recipe's dropout rates; empty for unknown families."""
    family = family_of(config.get("model_type"))
    return family.dropout if family else {}


def attention_rates() -> set[str]:
    """Return what the dropout rate of attention is called in the configurations of all families."""
    names = (family.dropout.get("attention_dropout") for family in FAMILIES)
    return {name for name in names if name is not None}


def longest_input(config: Config) -> int | None:
    """Return how many tokens a model can see at once; ``None`` where its configuration sets no limit."""
    kind = config.get("model_type")
    family = family_of(kind)
    if family is None:
        return positions_after_padding(config) if kind in AFTER_PADDING else all_positions(config)
    return family.longest_input(config)


def default_recipe(config: Config) -> Recipe:
    """Return the recipe of a model that is not registered: its family's, else BERT's."""
    family = family_of(config.get("model_type"))
    return family.recipe if family else BERT
