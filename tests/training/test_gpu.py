"""On a GPU: captured steps are the eager ones, whatever was there before and runs beside them.

Nothing here runs without one. ``test_capturing.py`` has what can be told on a CPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stabbench import executors
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.training import capturing
from stabbench.training.cache import Cache
from stabbench.training.environment import prepare
from stabbench.training.graphs import Captured, Eager, Stepper
from stabbench.training.loop import Trained, train

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU, and this machine has none"
)

GPU = torch.device("cuda:0")
UPDATES = 60
LARGEST_BYTES = 12 * 10**9


@pytest.fixture(autouse=True)
def _as_a_trainer() -> None:
    prepare(1)


def run(request: Request, stepper: Stepper) -> Trained:
    return train(request, Cache(), GPU, stepper=stepper)


def planned(toy: Any, text: str, seed: int = 3, **options: Any) -> Request:
    return toy.request(text, seed, **{"max_steps": UPDATES, **options})


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
@pytest.mark.parametrize("text", ["ours", "longer", "ours+mixout:p=0.3,base=ours", "longer+llrd+swa"])
def test_captured_is_eager_bit_for_bit(toy, text: str, precision: str) -> None:
    """With dropout, over all widths and a short last batch."""
    request = planned(toy, text, overrides={"precision": precision, "batch_size": 10})
    eager, captured = run(request, Eager), run(request, Captured)
    assert capturing.first_difference(eager, captured) is None
    assert captured.record.environment["step"] == "captured"
    assert eager.record.environment["step"] == "eager"


@pytest.mark.parametrize("method", ["child-tuning", "r-drop", "r3f", "pretrained-decay"])
def test_strategies_that_draw_or_pass_twice_are_captured(toy, method: str) -> None:
    request = planned(toy, f"longer+{method}")
    assert capturing.first_difference(run(request, Eager), run(request, Captured)) is None


def test_two_captures_are_equal_and_another_seed_is_another_run(toy) -> None:
    one, two = (run(planned(toy, "ours"), Captured) for _ in range(2))
    assert capturing.first_difference(one, two) is None
    assert capturing.first_difference(one, run(planned(toy, "ours", 4), Captured)) is not None


def arrays_of(toy: Any, folder: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Train seeds at the same time, each in a session of its own, and return their arrays."""
    requests = [planned(toy, "ours", seed) for seed in seeds]
    files = [folder / f"{number}.json" for number in range(len(seeds))]
    for file, request in zip(files, requests, strict=True):
        file.write_text(request.model_dump_json())
    command = [sys.executable, "-m", "stabbench", "exec", "--device", "cuda:0", "--store"]
    running = [
        subprocess.Popen([*command, str(folder / f"store-{number}"), str(file)])
        for number, file in enumerate(files)
    ]
    assert [process.wait() for process in running] == [0] * len(seeds)
    stores = [Store(folder / f"store-{number}") for number in range(len(seeds))]
    return [
        store.arrays(store.read(request.spec.key)) for store, request in zip(stores, requests, strict=True)
    ]


def test_alone_is_beside_neighbours_and_cold_is_warm(toy, tmp_path: Path) -> None:
    """A GPU takes two captured runs: the seed and one other."""
    (alone := tmp_path / "alone").mkdir()
    (beside := tmp_path / "beside").mkdir()
    here = run(planned(toy, "ours", 3), Captured).arrays
    for found in (arrays_of(toy, alone, [3])[0], arrays_of(toy, beside, [3, 4])[0]):
        assert all(found[name].tobytes() == values.tobytes() for name, values in here.items())


def test_a_cpu_and_a_gpu_agree_without_dropout(toy) -> None:
    request = planned(toy, "ours", overrides={"hidden_dropout": 0.0, "attention_dropout": 0.0})
    cpu = train(request, Cache(), torch.device("cpu")).arrays["loss"][:20]
    np.testing.assert_allclose(run(request, Captured).arrays["loss"][:20], cpu, atol=1e-4)


CANNOT = """
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Mine(Strategy):
    base: str | None = "ours"
    def after_step(self, model, step):
        if model.classifier.bias.sum() > 1e9: raise OSError
"""


def test_a_capture_that_fails_ends_in_a_fresh_process_without(toy, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CANNOT)
    request = planned(toy, f"{tmp_path}/mine.py:Mine")
    store = Store(tmp_path / "store")
    options = executors.ExecutorOptions(devices=("cuda:0",))
    with executors.create("process", store.root, options) as executor:
        assert executors.compute_one(executor, request).kind == "done"
        after = executors.compute_one(executor, planned(toy, "ours"))
    record = store.read(request.spec.key)
    assert record is not None
    assert record.environment["step"] == "eager"
    (reason,) = store.eager()
    assert "is trained more slowly: a step cannot be captured" in reason
    assert after.kind == "done"  # the trainer process goes on
    other = store.read(planned(toy, "ours").spec.key)
    assert other is not None
    assert other.environment["step"] == "captured"


@pytest.mark.skipif("STABBENCH_GPU_MODEL" not in os.environ, reason="STABBENCH_GPU_MODEL names no model")
def test_a_large_encoder_takes_less_than_12_gb(toy) -> None:
    from stabbench import Suite
    from stabbench.planning import PlanOptions, plan_group

    model = os.environ["STABBENCH_GPU_MODEL"]
    toy.register()
    options = PlanOptions(max_steps=40, overrides={"precision": "bf16"})
    group = plan_group(Suite(task="toy", models=[model], seeds=1), "toy", model, "ours", options)
    torch.cuda.reset_peak_memory_stats()
    run(group.requests[0], Captured)
    assert torch.cuda.max_memory_reserved() < LARGEST_BYTES
