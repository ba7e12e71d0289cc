"""Is a row's result its own? Logits of rows alone against the same rows padded beside a longer one.

A model that reads its padding is trained on something else in every batch, silently: what it sees of a row
depends on the rows beside it. The comparison is made once for each model, before its first run, on
rows tokenised and padded as the trainer does it. It draws no random number and leaves the model as it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from stabbench.errors import StabbenchError
from stabbench.models.families import longest_input
from stabbench.tasks import Split
from stabbench.training.batches import Tokens
from stabbench.training.model import Pretrained

LARGEST = 1e-3
"""Largest difference that passes, in units of the logits' spread; sound models differ by about 1e-5."""

ROUNDING = 1e-5
"""A difference below this share of the largest logit is rounding, however small the spread is."""

NOTHING = 1e-7
"""A spread of this share of the largest logit is none: the precision of a single number."""

WORDS = (2, 5, 16)
"""How many words the compared rows have."""

LONGEST = 32
"""No row has more tokens than this."""


@dataclass(frozen=True)
class Comparison:
    """Logits alone against logits padded.

    Attributes:
        difference: the largest difference of a logit.
        spread: standard deviation of the logits of a label over the rows, its mean over the labels.
        scale: the largest logit.
    """

    difference: float
    spread: float
    scale: float

    @property
    def share(self) -> float:
        """The difference in units of the spread, or of what rounding may do if that is more."""
        unit = max(self.spread, self.scale * ROUNDING / LARGEST)
        return self.difference / unit if unit else 0.0


def check(pretrained: Pretrained, place: str) -> Comparison:
    """Return the comparison of a model.

    Args:
        pretrained: the model as loaded.
        place: what to call it in an error.

    Raises:
        StabbenchError: when padding changes its logits, or it cannot be called.
    """
    try:
        found = compare(pretrained)
    except Exception as error:
        raise StabbenchError(
            f"the model {place} raised {type(error).__name__} when it was first called: {error}",
            "use another model: a forward pass of a few short rows must work.",
        ) from error
    if not math.isfinite(found.share):
        raise StabbenchError(
            f"the logits of {place} are NaN or infinite before any training.", "use another checkpoint."
        )
    if found.scale > 0 and found.spread <= found.scale * NOTHING:
        raise StabbenchError(
            f"{place} gives rows of different words the same logits: it does not see them.",
            "use another model; does its config.json fit its class?",
        )
    if found.share > LARGEST:
        raise StabbenchError(
            f"{place} reads its padding: the logits of a row change with the rows beside it, by "
            f"{found.share:.2g} of their spread ({LARGEST:g} is allowed).",
            "use another model: its results would depend on how rows fall into batches.",
        )
    return found


def compare(pretrained: Pretrained) -> Comparison:
    """Compare the logits of a few rows alone and padded beside the longest of them, in evaluation mode."""
    model = pretrained.model
    tokens = _rows(pretrained)
    rows = torch.arange(len(tokens.lengths))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        padded = _logits(model, tokens, rows)
        alone = torch.cat([_logits(model, tokens, rows[row : row + 1]) for row in rows.tolist()])
    model.train(was_training)
    return Comparison(
        float((padded - alone).abs().max()), float(alone.std(dim=0).mean()), float(alone.abs().max())
    )


def _rows(pretrained: Pretrained) -> Tokens:
    """Return rows of words from all over the vocabulary."""
    tokenizer = pretrained.tokenizer
    plain = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    step = max(1, len(plain) // sum(WORDS))
    words = [tokenizer.decode([number]).strip() for number in plain[::step]]
    words = [word for word in words if word] or ["a"]
    texts, at = [], 0
    for count in WORDS:
        texts.append((" ".join(words[(at + n) % len(words)] for n in range(count)),))
        at += count
    config = pretrained.model.config.to_dict()
    longest = min(LONGEST, longest_input(config) or LONGEST)
    return Tokens.encode(Split(tuple(texts), (0,) * len(texts)), tokenizer, longest)


def _logits(model: torch.nn.Module, tokens: Tokens, rows: torch.Tensor) -> torch.Tensor:
    longest = int(tokens.lengths[rows].max())
    batch = {name: tensor[rows, :longest] for name, tensor in tokens.inputs.items()}
    logits: torch.Tensor = model(**batch).logits
    return logits.double()
