"""Another task first: one checkpoint for all seeds, encoder and pooler kept, the head drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stabbench.runs import Store
from stabbench.strategies.catalog import parse_strategy
from stabbench.tasks import local_task
from stabbench.training import model as models
from stabbench.training.cache import Cache
from stabbench.training.compute import WEIGHTS, compute
from stabbench.training.loop import train

CPU = torch.device("cpu")


@pytest.fixture
def three(toy) -> str:
    """Register a task of three classes over the toy's words and return its name."""
    paths = [toy.folder / "three.csv", toy.folder / "three-dev.csv"]
    for path, last in zip(paths, ("h0", "h1"), strict=True):
        rows = [f"{'abc'[i % 3]}{i % 6} {'abc'[i % 3]}{(i + 1) % 6} {last},{'xyz'[i % 3]}" for i in range(36)]
        path.write_text("\n".join(["text,label", *rows]) + "\n")
    return local_task("three", train=paths[0], dev=paths[1], text="text").name


def request(toy, three: str, seed: int = 3, text: str = "intermediate", **options: object) -> Any:
    return toy.request(f"{text}:task={three},epochs=2", seed, **{"max_steps": 6, **options})


def begin(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """Return the list of what every run from now on begins with, by name."""
    seen: list[dict[str, torch.Tensor]] = []
    copy = models.Pretrained.copy

    def watched(self, *arguments):
        model = copy(self, *arguments)
        seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return model

    monkeypatch.setattr(models.Pretrained, "copy", watched)
    return seen


def test_the_store_keeps_the_encoder_as_trained_and_the_run_begins_with_it(
    toy, three: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From three classes to two: everything below the head is the intermediate run's, bit for bit."""
    target, store, cache = request(toy, three), Store(tmp_path), Cache()
    assert compute(target, store, cache, CPU, lambda done, total: None).kind == "done"
    weights = store.folder(target.start.spec.key) / WEIGHTS
    trained = {n: p.detach() for n, p in train(target.start, cache, CPU).model.named_parameters()}
    saved = load_file(weights)
    assert saved.keys() >= trained.keys()
    assert all(torch.equal(saved[name], weight) for name, weight in trained.items())
    assert trained["classifier.weight"].shape[0] == 3

    seen = begin(monkeypatch)
    train(target, cache, CPU, weights)
    train(toy.request("devlin", 3, max_steps=6), cache, CPU)
    started, plain = seen
    encoder = [name for name in started if name.startswith("bert.")]
    assert all(torch.equal(started[name], trained[name]) for name in encoder)
    assert any("pooler" in name for name in encoder)
    assert not torch.equal(started["bert.pooler.dense.weight"], plain["bert.pooler.dense.weight"])
    head = [name for name in started if not name.startswith("bert.")]
    assert head
    assert all(torch.equal(started[name], plain[name]) for name in head)  # the seed's own, as in any run


def test_a_run_that_cannot_start_is_noted_as_errored_too(toy, three: str, tmp_path: Path) -> None:
    target, store = request(toy, three), Store(tmp_path)
    start = target.start.model_copy(update={"model": str(tmp_path / "gone")})
    outcome = compute(
        target.model_copy(update={"start": start}), store, Cache(), CPU, lambda done, total: None
    )
    assert outcome.kind == "errored"
    assert store.errors() == sorted([target.spec.key, start.spec.key])
    assert store.error(target.spec.key) == outcome.note


def test_all_seeds_start_from_one_run_that_keeps_its_weights(toy, three: str) -> None:
    requests = toy.group(f"intermediate:task={three},epochs=2", [1, 5, 9], max_steps=6).requests
    assert len({one.start.spec.key for one in requests}) == 1
    assert len({one.spec.key for one in requests}) == 3
    for one in requests:
        assert one.work.start == one.start.spec
        assert (one.start.spec.seed, one.start.save_model, one.save_model) == (0, True, False)
        assert (one.start.spec.work.task.name, one.start.spec.work.task.n_labels) == (three, 3)


def test_the_intermediate_run_is_an_artefact_with_a_key_of_its_own(toy, three: str) -> None:
    """What it is made of counts: the task, the epochs, the recipe; what happens after it does not."""
    one = request(toy, three)
    assert one.start.spec.work.recipe.epochs == 2
    assert one.start.spec.work.strategy.name == "bias-correction"
    other = toy.request(f"intermediate:task={three},epochs=1", 3, max_steps=6)
    assert other.start.spec.key != one.start.spec.key
    assert other.spec.key != one.spec.key
    on_ours = toy.request(f"intermediate:task={three},epochs=2,base=ours", 3, max_steps=6)
    assert on_ours.start.spec.work.strategy.name == "ours"
    assert on_ours.spec.work.recipe.bias_correction
    assert on_ours.start.spec.work.recipe.bias_correction


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", 8), ("precision", "bf16"), ("max_length", 16), ("learning_rate", 5e-5)]
)
def test_what_the_session_sets_holds_for_the_intermediate_run(toy, three: str, name: str, value: Any) -> None:
    one, other = request(toy, three), request(toy, three, overrides={name: value})
    for run in (other, other.start):
        assert getattr(run.spec.work.recipe, name) == value
    assert other.start.spec.key != one.start.spec.key
    assert f"{name}=" in other.start.spec.work.strategy.label


@pytest.mark.parametrize("overrides", [{"epochs": 7}, {"steps": 5}, {"evaluations_per_epoch": 3}])
def test_its_length_is_the_strategys_own(toy, three: str, overrides: dict[str, int]) -> None:
    one, other = request(toy, three), request(toy, three, overrides=overrides)
    assert other.start.spec.key == one.start.spec.key
    assert other.spec.key != one.spec.key


def test_it_takes_mnli_unless_told_otherwise() -> None:
    strategy, _ = parse_strategy("intermediate")
    meant = strategy.initial_weights()
    assert meant is not None
    assert (meant.task, meant.epochs) == ("mnli", 3)


def test_what_remembers_weights_remembers_those_of_the_intermediate_run(
    toy, three: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """intermediate+mixout mixes with the intermediate weights, which are where fine-tuning starts."""
    text = f"intermediate:task={three},epochs=2+mixout:p=0.5"
    target, store, cache = toy.request(text, 3, max_steps=6), Store(tmp_path), Cache()
    assert compute(target, store, cache, CPU, lambda done, total: None).kind == "done"
    weights = store.folder(target.start.spec.key) / WEIGHTS
    model = train(target, cache, CPU, weights).model
    mixing = dict(model.named_buffers())
    saved = load_file(weights)
    found = [name for name in mixing if name.endswith(".pretrained")]
    assert found
    for name in found:
        assert torch.equal(mixing[name], saved[name.removesuffix("pretrained") + "weight"])


def test_weights_of_another_kind_of_model_are_refused(toy, three: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from stabbench.errors import StabbenchError

    path = tmp_path / "other.safetensors"
    save_file({"roberta.embeddings.word_embeddings.weight": torch.zeros(3, 4)}, path)
    with pytest.raises(StabbenchError, match="does not hold an encoder"):
        train(request(toy, three), Cache(), CPU, path)
