"""A run: deterministic, its streams separate, its failures data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from stabbench.errors import RunError, StabbenchError
from stabbench.recipe import evaluation_points
from stabbench.requests import Request
from stabbench.spec import Seeds
from stabbench.training import model as models
from stabbench.training.cache import Cache
from stabbench.training.loop import Trained, train

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(request: Request, cache: Cache | None = None) -> Trained:
    return train(request, cache or Cache(), CPU)


def with_seeds(request: Request, **seeds: int) -> Request:
    spec = request.spec.model_copy(update={"seeds": Seeds(**{**Seeds.all(0).model_dump(), **seeds})})
    return request.model_copy(update={"spec": spec})


def same(a: Trained, b: Trained) -> bool:
    return a.record.result() == b.record.result() and all(
        a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in a.arrays | b.arrays
    )


def test_a_record_is_whole(toy) -> None:
    found = run(toy.request())
    record, arrays = found.record, found.arrays
    assert record.status == "completed"
    assert record.last.step == 8
    assert record.n_dev == 30
    assert record.dev_counts == (10, 20)
    assert record.constant == pytest.approx(20 / 30)
    assert sum(map(sum, record.last.confusion)) == 30
    assert arrays["loss"].shape == arrays["gradient_norm"].shape == (8,)
    assert arrays["layer_norms"].shape == (8, len(record.layers))
    assert record.layers == ("embeddings", "layer.0", "layer.1", "pooler", "head")
    assert arrays["logits"].shape == (30, 2)
    predicted = arrays["logits"].argmax(1)
    assert (predicted == arrays["dev_labels"]).sum() == sum(record.last.confusion[i][i] for i in range(2))
    np.testing.assert_allclose(
        np.sqrt((arrays["layer_norms"] ** 2).sum(1)), arrays["gradient_norm"], rtol=1e-4
    )
    assert record.environment["threads"] == 1


def test_invariant_1_a_result_depends_on_its_specification_only(toy) -> None:
    """Cold, and warm after three others, bit for bit."""
    request = toy.request(seed=5)
    cold = run(request)
    cache = Cache()
    for other in (toy.request("devlin", 1), toy.request("ours", 2), toy.request("mixout", 3)):
        run(other, cache)
    torch.manual_seed(99)
    assert same(cold, run(request, cache))


def test_the_seed_has_an_effect(toy) -> None:
    assert not same(run(toy.request(seed=0)), run(toy.request(seed=1)))


@pytest.mark.parametrize("stream", ["head", "order", "dropout"])
def test_each_stream_has_an_effect_of_its_own(toy, stream: str) -> None:
    request = with_seeds(toy.request())
    base, other = run(request), run(with_seeds(request, **{stream: 1}))
    assert base.arrays["loss"].tobytes() != other.arrays["loss"].tobytes()


def test_the_strategy_stream_moves_nothing_that_does_not_use_it(toy) -> None:
    request = with_seeds(toy.request())
    assert (
        run(request).arrays["loss"].tobytes() == run(with_seeds(request, strategy=1)).arrays["loss"].tobytes()
    )


GREEDY = """
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Greedy(Strategy):
    def prepare(self, model, generator):
        import torch
        torch.rand(1000)
        torch.rand(1000, generator=generator)
    def after_step(self, model, step):
        import torch
        torch.rand(10, generator=step.generator)

@dataclass
class Plain(Strategy):
    pass

@dataclass
class Raises(Strategy):
    hook: str = "loss"
    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "hook"):
            raise_it = 1
            def broken(*_):
                return {}["nothing"]
            return broken
        return object.__getattribute__(self, name)

@dataclass
class Misses(Strategy):
    def parameter_groups(self, model, recipe):
        return super().parameter_groups(model, recipe)[:1]

@dataclass
class Explodes(Strategy):
    def phase(self, update, total):
        return update >= 4
    def loss(self, model, batch, step):
        return super().loss(model, batch, step) * (float("nan") if step.phase else 1.0)
"""


@pytest.fixture
def greedy(tmp_path: Path) -> Path:
    file = tmp_path / "methods.py"
    file.write_text(GREEDY)
    return file


def test_invariant_7_a_strategy_that_draws_shifts_no_other_stream(toy, greedy: Path) -> None:
    a, b = run(toy.request(f"{greedy}:Greedy")), run(toy.request(f"{greedy}:Plain"))
    assert a.arrays["loss"].tobytes() == b.arrays["loss"].tobytes()
    assert a.arrays["logits"].tobytes() == b.arrays["logits"].tobytes()


@pytest.mark.parametrize(
    "hook", ["prepare", "parameter_groups", "loss", "penalty", "before_step", "after_step", "evaluated"]
)
def test_a_hook_that_raises_is_named(toy, greedy: Path, hook: str) -> None:
    with pytest.raises(RunError, match=f"the hook {hook} of Raises raised KeyError"):
        run(toy.request(f"{greedy}:Raises:hook={hook}"))


def test_groups_that_miss_a_parameter_are_refused(toy, greedy: Path) -> None:
    with pytest.raises(StabbenchError, match=r"the parameter groups miss bert\.embeddings"):
        run(toy.request(f"{greedy}:Misses"))


def test_invariant_8_a_nan_loss_is_a_failed_run_with_its_reason(toy, greedy: Path) -> None:
    found = run(toy.request(f"{greedy}:Explodes"))
    record = found.record
    assert record.status == "diverged"
    assert "NaN or infinite at update 5 of 8" in record.reason
    assert record.last.value == record.constant
    assert len(record.evaluations) == 1  # the first epoch's, of three updates, was sound
    from stabbench.samples.failed import is_failed

    assert is_failed(record)


def test_two_strategies_with_one_seed_see_the_same_head(toy) -> None:
    recipe = toy.request().spec.work.recipe
    one = models.Pretrained.load(str(toy.model), "", 2, recipe)
    heads = [one.copy(7).classifier.weight for _ in range(2)]
    assert torch.equal(*heads)
    assert not torch.equal(heads[0], one.copy(8).classifier.weight)
    assert torch.equal(one.copy(7).bert.pooler.dense.weight, one.model.bert.pooler.dense.weight)
    wide = torch.cat([one.copy(seed).classifier.weight.flatten() for seed in range(60)])
    assert float(wide.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_float32_is_asked_for(toy, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    half = tmp_path / "half"
    AutoModelForSequenceClassification.from_pretrained(toy.model, dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(toy.model).save_pretrained(half)
    loaded = models.Pretrained.load(str(half), "", 2, toy.request().spec.work.recipe)
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_evaluation_points() -> None:
    assert evaluation_points(9, 3, 1) == {3, 6, 9}
    assert evaluation_points(8, 3, 1) == {3, 6, 8}
    assert evaluation_points(468, 156, 3) == {52, 104, 156, 208, 260, 312, 364, 416, 468}


def test_bf16_is_part_of_the_recipe_and_runs(toy) -> None:
    plain, half = toy.request(), toy.request(overrides={"precision": "bf16"})
    assert plain.spec.key != half.spec.key
    assert run(half).record.status == "completed"


def test_changed_data_is_noticed(toy, tmp_path: Path) -> None:
    request = toy.request()
    other = tmp_path / "other.csv"
    other.write_text(toy.dev.read_text().replace("a1", "b1"))
    source = request.task.source.model_copy(update={"dev": str(other)})
    moved = request.model_copy(update={"task": request.task.model_copy(update={"source": source})})
    with pytest.raises(StabbenchError, match="not what the run was planned with"):
        run(moved)


@dataclass(frozen=True)
class Pinned:
    """Numbers of a micro-run under a trainer version: when they move, the version must be raised."""

    trainer: int
    losses: tuple[float, ...]


PINNED = Pinned(2, (0.69499, 0.6878, 0.68708, 0.65723, 0.72107, 0.64449, 0.71127, 0.62406))


def test_the_trainer_computes_what_its_version_says(toy) -> None:
    from stabbench.spec import TRAINER_VERSION

    losses = run(toy.request("ours", 3, overrides={"learning_rate": 1e-2})).arrays["loss"]
    assert PINNED.trainer == TRAINER_VERSION, "pin the numbers of the new version"
    np.testing.assert_allclose(losses, PINNED.losses, atol=2e-4, err_msg="raise TRAINER_VERSION")
