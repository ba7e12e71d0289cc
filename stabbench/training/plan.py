"""The rows of every update of a run, on the device before it begins, so that no step waits for the host."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stabbench.strategies import Batch
from stabbench.training import streams
from stabbench.training.batches import Tokens

GPU_MULTIPLE = 16
"""Batches on a GPU are as wide as the next multiple of this: few shapes, each captured once."""


@dataclass(frozen=True)
class Shape:
    """What a batch looks like: its rows, and the tokens to which each of them is padded."""

    rows: int
    tokens: int


def bucket(rows: int, longest: int, widest: int, multiple: int) -> Shape:
    """Return the shape in which a batch is computed; batches of one shape can share a captured graph.

    Args:
        rows: its rows.
        longest: tokens of the longest of them.
        widest: tokens of the longest row of the whole split.
        multiple: its width is rounded up to a multiple of this, but not beyond ``widest``.
    """
    return Shape(rows, min(widest, -(-longest // multiple) * multiple))


class Plan:
    """Which rows each update trains on.

    Args:
        tokens: the training rows, on the device of the run.
        batch_size: rows of an update; the last batch of an epoch may be smaller.
        updates: how many there are.
        order: the stream that shuffles the rows of every epoch.
        multiple: see ``bucket``.

    Attributes:
        shapes: the shape of each update's batch.
    """

    def __init__(
        self, tokens: Tokens, batch_size: int, updates: int, order: torch.Generator, multiple: int = 1
    ) -> None:
        self._tokens = tokens
        count = len(tokens.lengths)
        widest = int(tokens.lengths.max())
        batches: list[torch.Tensor] = []
        while len(batches) < updates:
            batches += torch.split(streams.epoch_order(count, order), batch_size)
        del batches[updates:]
        longest = [int(tokens.lengths[rows].max()) for rows in batches]
        self.shapes = [
            bucket(len(rows), length, widest, multiple) for rows, length in zip(batches, longest, strict=True)
        ]
        # a short batch is filled up with rows that nobody takes
        table = torch.nn.utils.rnn.pad_sequence(batches, batch_first=True)
        self._rows = table.to(tokens.labels.device)

    def batch(self, index: torch.Tensor, shape: Shape) -> Batch:
        """Return the batch of an update.

        Args:
            index: number of the update, an integer tensor [] on the device.
            shape: its shape, as ``shapes`` has it.
        """
        rows = self._rows.index_select(0, index)[0, : shape.rows]
        return self._tokens.gather(rows, shape.tokens)
