"""Task rows as token tensors, and batches of them padded to their own longest row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from stabbench.strategies import Batch
from stabbench.tasks import Split
from stabbench.training.packing import DeviceRows, note_rows


@dataclass(frozen=True)
class Tokens:
    """One split, tokenised.

    Attributes:
        inputs: for each input name a tensor [rows, longest], padded on the right.
        lengths: tokens of each row, [rows], always on the CPU so that slicing waits for no device.
        labels: [rows].
        on_device: the lengths once more, where the other tensors are.
    """

    inputs: dict[str, torch.Tensor]
    lengths: torch.Tensor
    labels: torch.Tensor
    on_device: torch.Tensor

    @classmethod
    def encode(cls, split: Split, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Tokens:
        """Tokenise a split; rows longer than ``max_length`` tokens are cut."""
        columns = [list(column) for column in zip(*split.texts, strict=True)]
        encoded = tokenizer(*columns, truncation=True, max_length=max_length, padding=False)
        padded = tokenizer.pad(encoded, padding=True, return_tensors="pt", padding_side="right")
        lengths = torch.tensor([len(ids) for ids in encoded["input_ids"]])
        return cls(
            inputs={name: padded[name] for name in tokenizer.model_input_names if name in padded},
            lengths=lengths,
            labels=torch.tensor(split.labels),
            on_device=lengths,
        )

    def to(self, device: torch.device) -> Tokens:
        """Return the tokens on a device; the lengths stay on the CPU, too, so that nobody waits for them."""
        inputs = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return Tokens(inputs, self.lengths, self.labels.to(device), self.lengths.to(device))

    def batch(self, rows: torch.Tensor) -> Batch:
        """Return the batch of some rows (a CPU tensor), padded to the longest of them."""
        lengths = self.lengths[rows]
        on_gpu = self.labels.device.type != "cpu"
        total = int(lengths.sum()) if on_gpu else None
        return self.gather(rows.to(self.labels.device, non_blocking=True), int(lengths.max()), total)

    def gather(self, rows: torch.Tensor, width: int, total: int | None = None) -> Batch:
        """Return the batch of some rows.

        Args:
            rows: an integer tensor on the device.
            width: each is cut after so many tokens.
            total: how many tokens the rows have, or more; with it the device needs not be asked how they lie.
        """
        batch = {name: tensor[rows, :width] for name, tensor in self.inputs.items()}
        if total is not None:
            note_rows(batch["attention_mask"], DeviceRows(self.on_device[rows], width, total))
        batch["labels"] = self.labels[rows]
        return batch

    def by_length(self, batch_size: int) -> Iterator[torch.Tensor]:
        """Yield the rows of each batch in order of length: the least padding, for evaluation."""
        order = torch.argsort(self.lengths, stable=True)
        yield from torch.split(order, batch_size)
