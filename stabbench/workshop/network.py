"""What is pre-trained: the recipe, the network (BERT, written for speed) and its three losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stabbench.mini.tokenizer import LONGEST_INPUT, vocabulary
from stabbench.workshop.corpus import Batch

LOSSES = ("masked", "replaced", "restated")
"""Names of the losses, in the order of :func:`losses`."""


@dataclass(frozen=True)
class PretrainingRecipe:
    """Everything that the encoder depends on beside its seed and its number of steps."""

    layers: int = 6
    hidden: int = 64
    heads: int = 2
    pairs: int = 120_000
    batch: int = 32
    learning_rate: float = 1.5e-3
    warmup_steps: int = 500
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip: float = 1.0
    pair_mask: float = 0.15
    single_mask: float = 0.10
    replaced: float = 0.10
    replaced_weight: float = 5.0
    restated_weight: float = 1.0


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
                nn.init.normal_(module.weight, std=0.02)
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


def losses(network: Network, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three losses: masked words, replaced words, restated sentences."""
    at = {name: torch.from_numpy(array) for name, array in vars(batch).items()}
    at = {name: tensor.to(network.bias.device) for name, tensor in at.items()}
    pairs = network(at["pairs"], at["pair_types"])
    singles = network(at["singles"], torch.zeros_like(at["singles"]))
    hidden = torch.cat([pairs[at["pair_masked"]], singles[at["single_masked"]]])
    words = torch.cat([at["pair_words"], at["single_words"]])
    masked = functional.cross_entropy(network.guess(hidden), words)
    judged, scored = network.replaced(singles).squeeze(-1), at["scored"]
    replaced = functional.binary_cross_entropy_with_logits(judged[scored], at["replaced"][scored])
    restated = functional.binary_cross_entropy_with_logits(
        network.restated(network.pooled(pairs)).squeeze(-1), at["restated"]
    )
    return masked, replaced, restated
