"""May steps be captured? Recordings replayed on a CPU, tensors without values, and faults found by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stabbench import executors, strategies
from stabbench.cli import main
from stabbench.errors import RunError
from stabbench.runs import Store
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import capturing, graphs, plan, setup
from stabbench.training.cache import Cache
from stabbench.training.graphs import Captured, CaptureError, Eager
from stabbench.training.loop import train
from stabbench.training.optimizer import Optimizer
from stabbench.training.recorder import NotCapturableError, Recorded, Tape
from stabbench.training.setup import set_up
from stabbench.training.step import Training

CPU = torch.device("cpu")
UPDATES = 12

OURS = [
    *(
        name
        for name in strategies.REGISTRY.names()
        if name not in ("mixout", "reinit", "swa", "intermediate")
    ),
    "mixout:p=0.3",
    "mixout:layers=after_dropout,gradient=exact,head=include",
    "reinit:layers=1",
    "swa:start=0.2",
    "devlin:clipping=per_tensor",
    "bias-correction:epsilon_placement=after_correction",
    "llrd:decay=0.5",
    "pretrained-decay:head=none",
    "child-tuning+llrd+mixout:p=0.1+swa:start=0.2",
]
"""Every strategy of ours (``intermediate`` has no step of its own), and parameters that change the step."""

HEAD = """
from dataclasses import dataclass
import torch
from stabbench.strategies import Strategy

@dataclass
class Mine(Strategy):
    def __post_init__(self):
        self._kept = None
        self._count = 0
"""

FAULTS = {
    "item": (
        "    def after_step(self, model, step):\n"
        "        if model.classifier.bias.sum() > 99: raise OSError\n",
        "after_step of Mine raised NotCapturableError: aten::_local_scalar_dense",
    ),
    "a mask that gives a shape": (
        "    def after_step(self, model, step):\n        model.classifier.bias[model.classifier.bias > 0]\n",
        "after_step of Mine raised NotCapturableError: aten::index.Tensor",
    ),
    "a counter": (
        "    def loss(self, model, batch, step):\n        self._count += 1\n"
        "        return super().loss(model, batch, step) * (1 + self._count / 1000)\n",
        r"aten::mul.Tensor \(operator \d+\) is called with 1.002 in one update and 1.003 in another",
    ),
    "a counter made a tensor": (
        "    def loss(self, model, batch, step):\n        self._count += 1\n"
        "        return super().loss(model, batch, step) * torch.tensor(1 + self._count / 1000)\n",
        r"aten::lift_fresh \(operator \d+\) takes a tensor \[\]",
    ),
    "a tensor of the step before": (
        "    def loss(self, model, batch, step):\n        loss = super().loss(model, batch, step)\n"
        "        found = loss if self._kept is None else loss + 0.1 * self._kept\n"
        "        self._kept = loss.detach()\n        return found\n",
        r"aten::mul.Tensor \(operator \d+\) takes a tensor \[\] that was made before the step",
    ),
    "other operators in every second step": (
        "    def after_step(self, model, step):\n        self._count += 1\n"
        "        if self._count % 2: model.classifier.bias.sum()\n",
        r"operator \d+ is .* in one update and .* in another",
    ),
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cache() -> Cache:
    return Cache()


def planned(toy: Any, text: str, **options: Any) -> Any:
    return toy.request(text, 3, max_steps=UPDATES, **options)


@pytest.mark.parametrize("text", OURS)
def test_our_steps_are_the_same_bits_when_they_are_replayed(toy, cache: Cache, text: str) -> None:
    eager, replayed = capturing.replayed(planned(toy, text), cache)
    assert capturing.first_difference(eager, replayed) is None


@pytest.mark.parametrize("text", OURS)
def test_our_steps_need_no_value_and_no_other_device(toy, cache: Cache, text: str) -> None:
    capturing.step_without_values(planned(toy, text), cache)


def test_bf16_is_replayed_as_well(toy, cache: Cache) -> None:
    request = planned(toy, "r3f", overrides={"precision": "bf16"})
    assert capturing.first_difference(*capturing.replayed(request, cache)) is None


def test_most_steps_of_a_recorded_run_are_replays(toy, cache: Cache) -> None:
    made: list[Recorded] = []

    def recorded(run: Training) -> Recorded:
        made.append(Recorded(run))
        return made[0]

    train(planned(toy, "ours"), cache, CPU, stepper=recorded, like_gpu=True)
    assert made[0].replayed >= UPDATES - 2 * 3  # batches of two shapes


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_captured_is_found_by_name(toy, cache: Cache, tmp_path: Path, fault: str) -> None:
    body, words = FAULTS[fault]
    (tmp_path / "mine.py").write_text(HEAD + body)
    with pytest.raises((NotCapturableError, RunError), match=words):
        capturing.replayed(planned(toy, f"{tmp_path}/mine.py:Mine"), cache)


def test_a_number_for_the_rate_is_found(toy, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a CPU computes: the learning rate is a Python number there."""
    monkeypatch.setattr(setup, "Optimizer", lambda *given, tensor_rates: Optimizer(*given))
    with pytest.raises(NotCapturableError, match="aten::_fused_adamw_"):
        train(planned(toy, "ours"), cache, CPU, stepper=Recorded, like_gpu=True)


@pytest.mark.parametrize(
    "body",
    [
        "    def after_step(self, model, step):\n        model.classifier.bias.tolist()\n",
        "    def after_step(self, model, step):\n        model.classifier.bias + torch.ones(2)\n",
    ],
)
def test_a_value_or_another_device_is_found(toy, cache: Cache, tmp_path: Path, body: str) -> None:
    (tmp_path / "mine.py").write_text(HEAD + body)
    with pytest.raises(RunError, match="the hook after_step of Mine raised"):
        capturing.step_without_values(planned(toy, f"{tmp_path}/mine.py:Mine"), cache)


def test_a_change_after_the_recordings_is_found(toy, cache: Cache, tmp_path: Path) -> None:
    body = "    def after_step(self, model, step):\n        self._count += 1\n"
    body += "        if self._count == 6: model.classifier.bias.data.mul_(0.5)\n"
    (tmp_path / "mine.py").write_text(HEAD + body)
    request = planned(toy, f"{tmp_path}/mine.py:Mine", overrides={"learning_rate": 1e-2})
    found = capturing.first_difference(*capturing.replayed(request, cache))
    assert found is not None
    assert "loss differs from row 6 on" in found


def test_the_command_tells_authors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body, _ = FAULTS["a counter"]
    opted_out = HEAD.replace("Mine", "Out") + "    capturable = False\n"
    (tmp_path / "mine.py").write_text(HEAD + body + opted_out)
    assert main(["check-strategy", f"{tmp_path}/mine.py:Mine"]) == 1
    assert "aten::mul.Tensor" in capsys.readouterr().out
    assert main(["check-strategy", f"{tmp_path}/mine.py:Out"]) == 0
    assert "not captured" in capsys.readouterr().out


def test_a_combination_is_captured_if_all_its_members_are(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + "    capturable = False\n")
    assert parse_strategy("llrd+mixout")[0].capturable
    assert not parse_strategy(f"llrd+{tmp_path}/mine.py:Mine")[0].capturable


class Graph:
    """A CUDA graph without CUDA: what is called while it captures leaves no trace but on its tape."""

    made: list[Graph]

    def __init__(self) -> None:
        self.tape = Tape()
        self.generators: list[torch.Generator] = [torch.default_generator]
        self.replays = 0
        Graph.made.append(self)

    def register_generator_state(self, generator: torch.Generator) -> None:
        self.generators.append(generator)

    def replay(self) -> None:
        self.replays += 1
        self.tape.replay()


class Capture(torch.utils._python_dispatch.TorchDispatchMode):
    """``torch.cuda.graph`` for ``Graph``: puts back all memory and all streams that a step has changed."""

    def __init__(self, graph: Graph, pool: object, stream: object) -> None:
        super().__init__()
        self.graph = graph
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self.states = [generator.get_state() for generator in graph.generators]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for leaf in torch.utils._pytree.tree_leaves((args, kwargs)):
            if isinstance(leaf, torch.Tensor):
                storage = leaf.untyped_storage()
                self.before.setdefault(storage._cdata, (storage, storage.clone()))
        return self.graph.tape.__torch_dispatch__(func, types, args, kwargs)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for storage, copy in self.before.values():
            storage.copy_(copy)
        for generator, state in zip(self.graph.generators, self.states, strict=True):
            generator.set_state(state)


@pytest.fixture
def graphs_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    Graph.made = []
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Capture)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(graphs, "WORTH", 4)


@pytest.mark.parametrize("text", ["ours", "mixout:p=0.3", "swa:start=0.3", "child-tuning"])
def test_captured_steps_are_the_eager_ones(toy, cache: Cache, graphs_without_cuda: None, text: str) -> None:
    """Bit for bit: a capture itself computes nothing and draws nothing; every other step is a replay."""
    request = toy.request(text, 3, max_steps=40, overrides={"batch_size": 10})
    eager = train(request, cache, CPU, stepper=Eager, like_gpu=True)
    captured = train(request, cache, CPU, stepper=Captured, like_gpu=True)
    assert capturing.first_difference(eager, captured) is None
    assert sum(graph.replays for graph in Graph.made) >= 8
    assert all(len(graph.generators) == 2 for graph in Graph.made)


def test_keys_that_come_often_are_captured_the_largest_first(
    toy, cache: Cache, graphs_without_cuda: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of two rows, of 7, 9 or 11 tokens: a narrower one comes often enough first, and waits."""
    monkeypatch.setattr(plan, "bucket", lambda own, widest: plan.Shape(len(own), int(own.max()), 64))
    run = set_up(toy.request("ours", 3, max_steps=30, overrides={"batch_size": 2}), cache, CPU, like_gpu=True)
    widths = [shape.width for shape in run.plan.shapes]
    seen = [widths[:update].count(width) for update, width in enumerate(widths)]
    assert widths[seen.index(graphs.WARM_UP)] == 9
    steps, captured = Captured(run), []
    run.model.train()
    for width, update in zip(widths, range(30), strict=True):
        made = len(Graph.made)
        steps.step(update)
        captured += [width] * (len(Graph.made) - made)
    assert captured[:2] == [11, 9]
    assert {*captured} == {width for width in widths if widths.count(width) >= graphs.WORTH}
    assert int(run.index) == 30


FREEZES = """
from stabbench.strategies import Strategy

class Early(Strategy):
    def phase(self, update, total):
        return update < 20
    def before_step(self, model, step):
        if step.phase:
            model.classifier.bias.grad = None
"""


def test_weights_that_are_frozen_by_and_by_are_refused(
    toy, cache: Cache, graphs_without_cuda: None, tmp_path: Path
) -> None:
    (tmp_path / "early.py").write_text(FREEZES)
    request = toy.request(f"{tmp_path}/early.py:Early", 3, max_steps=40)
    with pytest.raises(CaptureError, match="weights that have gradients") as refused:
        train(request, cache, CPU, stepper=Captured, like_gpu=True)
    assert "capturable = False" in refused.value.action


UNTIL_A_FRESH_PROCESS = """
from dataclasses import dataclass
from pathlib import Path
import os
from stabbench.strategies import Strategy
from stabbench.training.graphs import CaptureError

@dataclass
class Once(Strategy):
    def prepare(self, model, generator):
        pids = Path(__file__).with_name("pids")
        tried = pids.exists()
        with pids.open("a") as file:
            file.write(f"{os.getpid()} ")
        if not tried:
            raise CaptureError("a step cannot be captured: because of this.", "mend it.")

@dataclass
class Always(Strategy):
    def prepare(self, model, generator):
        raise CaptureError("never.", "mend it.")
"""


def test_a_failed_capture_is_tried_again_by_a_fresh_process(toy, tmp_path: Path) -> None:
    """Once: what fails without capturing anything has errored."""
    (tmp_path / "mine.py").write_text(UNTIL_A_FRESH_PROCESS)
    once, always = (planned(toy, f"{tmp_path}/mine.py:{name}") for name in ("Once", "Always"))
    store = Store(tmp_path / "store")
    with executors.create("process", store.root) as executor:
        assert executors.compute_one(executor, once).kind == "done"
        assert executors.compute_one(executor, always).kind == "errored"
    assert len({*(tmp_path / "pids").read_text().split()}) == 2
    reasons = store.eager()
    assert len(reasons) == 2
    assert any("Once is trained more slowly: a step cannot be captured: because of" in r for r in reasons)
