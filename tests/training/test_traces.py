"""Gradient norms by layer: what they measure, and when."""

from __future__ import annotations

import pytest
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
    traces.gradients(torch.tensor(0))
    parts = [net.base["embeddings"], *net.base["layers"], net.head]
    expected = [
        nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None]) for part in parts
    ]
    assert list(traces.layers) == ["embeddings", "layer.0", "layer.1", "head"]
    assert torch.equal(traces.layer_norms[0], torch.stack(expected))
    assert expected[1] == 0


def test_norms_are_taken_about_sixty_times_a_run() -> None:
    traces = Traces(Net(), "base", 600)
    assert [update for update in range(600) if traces.is_due(update)] == list(range(0, 600, 10))
    assert traces.arrays(600)["trace_steps"].tolist() == list(range(0, 600, 10))
    assert traces.arrays(600)["layer_norms"].shape == (60, 4)


def test_a_number_stands_where_its_update_does() -> None:
    """The update's number is a tensor; a run that ended early has no more than it has seen."""
    net = Net()
    traces = Traces(net, "base", 130)
    for update in range(5):
        if traces.is_due(update):
            net.head.weight.grad = torch.full_like(net.head.weight, update / 10**0.5)
            traces.gradients(torch.tensor(update))
        traces.update(torch.tensor(update), torch.tensor(10.0 + update), torch.tensor(float("inf")))
    found = traces.arrays(5)
    assert found["loss"].tolist() == [10, 11, 12, 13, 14]
    assert found["trace_steps"].tolist() == [0, 2, 4]
    assert found["layer_norms"][:, -1].tolist() == pytest.approx([0, 2, 4])
    assert traces.first_nonfinite(0, 5) is None
    assert not found["layer_norms"][:, 0].any()


def test_the_first_loss_that_is_no_number_is_found_behind_a_start() -> None:
    traces = Traces(Net(), "base", 9)
    for update, loss in enumerate([float("nan"), 1.0, 2.0, float("inf"), float("nan")]):
        traces.update(torch.tensor(update), torch.tensor(loss), torch.ones(()))
    assert traces.first_nonfinite(0, 5) == 0
    assert traces.first_nonfinite(1, 5) == 3
    assert traces.first_nonfinite(1, 3) is None
