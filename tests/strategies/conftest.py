"""Tiny random models of every family that strategies must work on, or say why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from stabbench.models.families import FAMILIES

COMMON = {"vocab_size": 40, "num_labels": 2}
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
}
DEBERTA = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": SIZES,
    "roberta": {**SIZES, "max_position_embeddings": 26, "pad_token_id": 1},
    "albert": {**SIZES, "embedding_size": 8},
    "electra": {**SIZES, "embedding_size": 8},
    "deberta": {**SIZES, **DEBERTA},
    "deberta-v2": {
        **SIZES,
        **DEBERTA,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
    },
    "distilbert": {"dim": 16, "n_layers": 4, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 24},
    "modernbert": {
        **SIZES,
        "global_attn_every_n_layers": 2,
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
    },
    "mpnet": {**SIZES, "max_position_embeddings": 26, "pad_token_id": 1},
}


NO_DROPOUT = {
    name: 0.0
    for family in FAMILIES
    for name in (*family.dropout.values(), "classifier_dropout", "classifier_dropout_prob", "cls_dropout")
}
"""No dropout, under every name that it has in a configuration."""


def tiny(kind: str) -> PreTrainedModel:
    """Return a small random classifier of a model class; the same one every time."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{**COMMON, **CONFIGS[kind]})
    return AutoModelForSequenceClassification.from_config(config)


@pytest.fixture(params=sorted(CONFIGS))
def kind(request: pytest.FixtureRequest) -> str:
    """Return a model class."""
    name: str = request.param
    return name


@pytest.fixture
def make() -> Callable[[str], PreTrainedModel]:
    """Return the maker of tiny models."""
    return tiny


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Return six rows, some of them padded."""
    chance = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 40, (6, 9), generator=chance)
    mask = torch.ones_like(ids)
    mask[3:, 6:] = 0
    return {
        "input_ids": ids.masked_fill(mask == 0, 0),
        "attention_mask": mask,
        "labels": torch.tensor([0, 1, 1, 0, 1, 1]),
    }
