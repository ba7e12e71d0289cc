"""The rows of every update of a run, on the device before it begins, so that no step waits for the host."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stabbench.strategies import Batch
from stabbench.training import streams
from stabbench.training.batches import Tokens

WIDTHS = 16
"""Batches on a GPU are as wide as the next multiple of this,"""

TOTALS = 64
"""and are packed to the next multiple of this or, of long rows, of twice as many: few shapes to capture."""


@dataclass(frozen=True)
class Shape:
    """What a batch looks like.

    Attributes:
        rows: its rows.
        width: tokens to which each of them is padded.
        total: tokens to which all of them are packed; ``None`` where that is looked at when it is computed.
    """

    rows: int
    width: int
    total: int | None = None


def bucket(lengths: torch.Tensor, widest: int) -> Shape:
    """Return the shape in which a GPU computes a batch; batches of one shape can share a captured graph.

    Args:
        lengths: tokens of its rows.
        widest: tokens of the longest row of the whole split.
    """
    totals = TOTALS if widest <= TOTALS else 2 * TOTALS
    width = min(widest, _next(int(lengths.max()), WIDTHS))
    return Shape(len(lengths), width, _next(int(lengths.sum()), totals))


def _next(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


class Plan:
    """Which rows each update trains on.

    Args:
        tokens: the training rows, on the device of the run.
        batch_size: rows of an update; the last batch of an epoch may be smaller.
        updates: how many there are.
        order: the stream that shuffles the rows of every epoch.
        on_gpu: whether batches have few shapes, see ``bucket``.

    Attributes:
        shapes: the shape of each update's batch.
    """

    def __init__(
        self, tokens: Tokens, batch_size: int, updates: int, order: torch.Generator, on_gpu: bool = False
    ) -> None:
        self._tokens = tokens
        count = len(tokens.lengths)
        widest = int(tokens.lengths.max())
        batches: list[torch.Tensor] = []
        while len(batches) < updates:
            batches += torch.split(streams.epoch_order(count, order), batch_size)
        del batches[updates:]
        lengths = [tokens.lengths[rows] for rows in batches]
        self.shapes = [bucket(own, widest) if on_gpu else Shape(len(own), int(own.max())) for own in lengths]
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
        return self._tokens.gather(rows, shape.width, shape.total)
