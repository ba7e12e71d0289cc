"""Model families: their default recipes and how their configurations name dropout.

Recipes are Mosbach et al. (2021), Table 3, in the form in which the authors' configurations have them.
"""

from __future__ import annotations

from typing import Any

from stabbench.spec import Recipe

BERT = Recipe()
ROBERTA = Recipe(beta2=0.98, weight_decay=0.1, clip_norm=None)
ALBERT = Recipe(weight_decay=0.0, hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0)

_RECIPES = {"roberta": ROBERTA, "xlm-roberta": ROBERTA, "albert": ALBERT}

_BERT_KEYS = {
    "hidden_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "classifier_dropout": "classifier_dropout",
}
_DROPOUT_KEYS = {
    "bert": _BERT_KEYS,
    "roberta": _BERT_KEYS,
    "xlm-roberta": _BERT_KEYS,
    "electra": _BERT_KEYS,
    "albert": {**_BERT_KEYS, "classifier_dropout": "classifier_dropout_prob"},
    "deberta": {**_BERT_KEYS, "classifier_dropout": "cls_dropout"},
    "deberta-v2": {**_BERT_KEYS, "classifier_dropout": "cls_dropout"},
    "distilbert": {
        "hidden_dropout": "dropout",
        "attention_dropout": "attention_dropout",
        "classifier_dropout": "seq_classif_dropout",
    },
    "modernbert": {
        "hidden_dropout": "mlp_dropout",
        "attention_dropout": "attention_dropout",
        "classifier_dropout": "classifier_dropout",
    },
}


def dropout_keys(config: dict[str, Any]) -> dict[str, str]:
    """Return how a model's configuration names the recipe's dropout rates; empty for unknown families."""
    return _DROPOUT_KEYS.get(str(config.get("model_type")), {})


def longest_input(config: dict[str, Any]) -> int | None:
    """Return how many tokens a model can see at once; ``None`` where its configuration sets no limit.

    RoBERTa numbers positions from ``pad_token_id + 1``: 512 of its 514 can be used.
    """
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.get("model_type") in ("roberta", "xlm-roberta"):
        positions -= int(config.get("pad_token_id", 1)) + 1
    return positions


def default_recipe(config: dict[str, Any]) -> Recipe:
    """Return the recipe of a model that is not registered: its family's, else BERT's."""
    return _RECIPES.get(str(config.get("model_type")), BERT)
