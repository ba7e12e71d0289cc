"""The pre-trained network as a checkpoint that transformers loads; a test compares the two outputs."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from stabbench.mini.tokenizer import LONGEST_INPUT, save_tokenizer, vocabulary
from stabbench.workshop.network import Network, PretrainingRecipe


def export(network: Network, recipe: PretrainingRecipe, folder: Path) -> None:
    """Write encoder and pooler under transformers' names, the configuration and the tokenizer."""
    names = {
        "words": "embeddings.word_embeddings",
        "places": "embeddings.position_embeddings",
        "types": "embeddings.token_type_embeddings",
        "norm": "embeddings.LayerNorm",
        "pooler": "pooler.dense",
    }
    inside = {
        "attended": "attention.output.dense",
        "norm": "attention.output.LayerNorm",
        "wide": "intermediate.dense",
        "narrow": "output.dense",
        "last_norm": "output.LayerNorm",
    }
    weights: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        module, _, kind = name.rpartition(".")
        if module in names:
            weights[f"bert.{names[module]}.{kind}"] = value
        elif module.startswith("layers."):
            _, index, part = module.split(".")
            place = f"bert.encoder.layer.{index}."
            if part == "qkv":
                for role, block in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    weights[f"{place}attention.self.{role}.{kind}"] = block
            else:
                weights[f"{place}{inside[part]}.{kind}"] = value
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(vocabulary()),
        "hidden_size": recipe.hidden,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "intermediate_size": 4 * recipe.hidden,
        "max_position_embeddings": LONGEST_INPUT,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "pad_token_id": 0,
        "dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_tokenizer(folder)
