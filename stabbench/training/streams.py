"""Four independent random streams, derived statelessly from the seeds: adding a consumer moves no other."""

from __future__ import annotations

import torch

from stabbench.spec import Seeds, stream_seed


def generator(seed: int, stream: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator of a named stream."""
    return torch.Generator(device=device).manual_seed(stream_seed(seed, stream))


def seed_dropout(seeds: Seeds) -> None:
    """Seed torch's global generators, which serve dropout alone during training."""
    torch.manual_seed(stream_seed(seeds.dropout, "dropout"))


def epoch_order(rows: int, order: torch.Generator) -> torch.Tensor:
    """Return the order of the rows in the next epoch, an integer tensor [rows] on the CPU."""
    return torch.randperm(rows, generator=order)
