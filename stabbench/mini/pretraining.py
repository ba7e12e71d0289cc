"""Pre-training of the mini encoder: BERT, on three losses, in well under an hour on one core.

Recipe: inputs of one length a batch (no padding), AdamW with beta2 0.98, linear warm-up and decay, no
dropout. A step sees a batch of pairs and one of single sentences:

- pairs, half of them with masked words: *does the second sentence restate the first?* (through the pooler,
  as BERT's next-sentence prediction) and the masked words;
- single sentences with masked and with replaced words: the masked words, and *was this word replaced?*
  for every word (ELECTRA's loss, Clark et al. 2020, section 2, with random replacements).

The network is written for speed; :func:`export` writes it as transformers' BERT, and a test compares the two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from stabbench.mini.corpus import Bucket, Shelf, Swaps, shelves, words_of
from stabbench.mini.tokenizer import LONGEST_INPUT, save_tokenizer, vocabulary


@dataclass(frozen=True)
class PretrainingRecipe:
    """Everything that the encoder depends on beside its seed and its number of steps."""

    layers: int = 6
    hidden: int = 64
    heads: int = 2
    pairs: int = 120_000
    pair_batch: int = 32
    single_batch: int = 32
    learning_rate: float = 1e-3
    warmup_steps: int = 500
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip: float = 1.0
    pair_mask: float = 0.15
    single_mask: float = 0.10
    replaced: float = 0.10
    replaced_weight: float = 5.0
    restated_weight: float = 1.0


INIT = float(os.environ.get("INIT", "0.02"))


class Layer(nn.Module):
    """One post-layer-norm transformer layer; query, key and value are one matrix."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.wide = nn.Linear(hidden, 4 * hidden)
        self.narrow = nn.Linear(4 * hidden, hidden)
        self.last_norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, length, hidden]`` to the same shape."""
        batch, length, hidden = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, hidden // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * (hidden // self.heads) ** -0.5).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, hidden)
        x = self.norm(x + self.attended(mixed))
        return self.last_norm(x + self.narrow(functional.gelu(self.wide(x))))  # type: ignore[no-any-return]


class Network(nn.Module):
    """The encoder with the three heads of its pre-training."""

    def __init__(self, recipe: PretrainingRecipe) -> None:
        super().__init__()
        hidden, words = recipe.hidden, len(vocabulary())
        self.words = nn.Embedding(words, hidden)
        self.places = nn.Embedding(LONGEST_INPUT, hidden)
        self.types = nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, recipe.heads) for _ in range(recipe.layers))
        self.pooler = nn.Linear(hidden, hidden)
        self.restated = nn.Linear(hidden, 1)
        self.replaced = nn.Linear(hidden, 1)
        self.transform = nn.Linear(hidden, hidden)
        self.transform_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(words))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INIT)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, types: Tensor) -> Tensor:
        """Encode ids and types ``[batch, length]`` as ``[batch, length, hidden]``."""
        x: Tensor = self.norm(self.words(ids) + self.places.weight[: ids.shape[1]] + self.types(types))
        for layer in self.layers:
            x = layer(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """BERT's pooler: the first position through a layer and tanh."""
        return torch.tanh(self.pooler(x[:, 0]))

    def guess(self, x: Tensor) -> Tensor:
        """Logits over the vocabulary for hidden states ``[n, hidden]``; the output embedding is tied."""
        x = self.transform_norm(functional.gelu(self.transform(x)))
        return functional.linear(x, self.words.weight, self.bias)


@dataclass(frozen=True)
class Batch:
    """One step's inputs, with what was done to them."""

    pairs: Tensor
    pair_types: Tensor
    pair_words: Tensor
    pair_masked: Tensor
    restated: Tensor
    singles: Tensor
    single_words: Tensor
    single_masked: Tensor
    replaced: Tensor
    scored: Tensor


class Batches:
    """The batches of a pre-training; a batch depends on the seed and its step only."""

    def __init__(self, recipe: PretrainingRecipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self.pairs, self.singles = shelves(seed, recipe.pairs)
        self.swaps = Swaps()
        self.mask = vocabulary()["[MASK]"]

    def at(self, step: int) -> Batch:
        """Make the batch of a step."""
        recipe, chance = self.recipe, np.random.default_rng([self.seed, step])
        pairs = self.pairs.batch(chance, recipe.pair_batch)
        masked = (chance.random(pairs.ids.shape) < recipe.pair_mask) & words_of(pairs.ids)
        masked[: recipe.pair_batch // 2] = False
        singles = self.singles.batch(chance, recipe.single_batch)
        draw = chance.random(singles.ids.shape)
        single_masked = (draw < recipe.single_mask) & words_of(singles.ids)
        swap = (draw >= recipe.single_mask) & (draw < recipe.single_mask + recipe.replaced)
        swap &= self.swaps.swappable[singles.ids]
        shown = np.where(swap, self.swaps.swap(chance, singles.ids), singles.ids)
        shown = np.where(single_masked, self.mask, shown)
        arrays = (
            np.where(masked, self.mask, pairs.ids),
            pairs.types,
            pairs.ids[masked],
            masked,
            pairs.labels.astype(np.float32),
            shown,
            singles.ids[single_masked],
            single_masked,
            swap.astype(np.float32),
            words_of(singles.ids) & ~single_masked,
        )
        return Batch(*(torch.from_numpy(array) for array in arrays))


def losses(network: Network, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three losses: masked words, replaced words, restated sentences."""
    pairs = network(batch.pairs, batch.pair_types)
    singles = network(batch.singles, torch.zeros_like(batch.singles))
    hidden = torch.cat([pairs[batch.pair_masked], singles[batch.single_masked]])
    words = torch.cat([batch.pair_words, batch.single_words])
    masked = functional.cross_entropy(network.guess(hidden), words)
    judged = network.replaced(singles).squeeze(-1)
    replaced = functional.binary_cross_entropy_with_logits(judged[batch.scored], batch.replaced[batch.scored])
    restated = functional.binary_cross_entropy_with_logits(
        network.restated(network.pooled(pairs)).squeeze(-1), batch.restated
    )
    return masked, replaced, restated
