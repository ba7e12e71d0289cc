"""Gradient norms by layer: what they measure, and when."""

from __future__ import annotations

import torch
from torch import nn

from stabbench.training.traces import Traces


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict({"words": nn.Embedding(7, 3)}),
                "layers": nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 5)]),
            }
        )
        self.head = nn.Linear(5, 2)


def test_norms_of_each_part_with_gradients_missing() -> None:
    """Bit for bit what torch gives for each part alone; 0 for a part without gradients."""
    net = Net()
    torch.manual_seed(0)
    for scale, parameter in enumerate(net.parameters(), start=1):
        parameter.grad = torch.randn_like(parameter) * 10**scale
    net.base["layers"][0].weight.grad = net.base["layers"][0].bias.grad = None  # the whole part
    net.head.bias.grad = None  # some of a part
    traces = Traces(net, "base", 10)
    traces.gradients(0)
    parts = [net.base["embeddings"], *net.base["layers"], net.head]
    expected = [
        nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None]) for part in parts
    ]
    assert list(traces.layers) == ["embeddings", "layer.0", "layer.1", "head"]
    assert torch.equal(traces.layer_norms[0], torch.stack(expected))
    assert expected[1] == 0


def test_norms_are_taken_about_sixty_times_a_run() -> None:
    net = Net()
    net.head.weight.grad = torch.ones_like(net.head.weight)
    traces = Traces(net, "base", 600)
    for update in range(600):
        traces.gradients(update)
        traces.update(torch.ones(()), torch.ones(()))
    assert traces.arrays()["trace_steps"].tolist() == list(range(0, 600, 10))
    assert traces.arrays()["layer_norms"].shape == (60, 4)
