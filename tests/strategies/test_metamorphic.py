"""Runs that must be the same bit for bit, and streams that no strategy may shift."""

from __future__ import annotations

import pytest
import torch

from stabbench.strategies import REGISTRY
from stabbench.training import batches
from stabbench.training import model as models
from stabbench.training.cache import Cache
from stabbench.training.loop import Trained, train

NEUTRAL = [
    ("mixout:p=0", "devlin"),
    ("mixout:p=0,base=ours", "ours"),
    ("reinit:layers=0", "bias-correction"),
    ("llrd:decay=1", "bias-correction"),
    ("pretrained-decay:lambda=0", "bias-correction"),
    ("longer:steps=9", "bias-correction"),
    ("small-lr:factor=1,epochs=3", "devlin"),
    ("noisytune:lambda=0", "bias-correction"),
    ("child-tuning:p=1", "bias-correction"),
    ("r-drop:alpha=0", "bias-correction"),
    ("r3f:lambda=0", "bias-correction"),
    ("swa:start=1", "bias-correction"),
    ("reinit:layers=0+llrd:decay=1+mixout:p=0", "bias-correction"),
]
ALL = [
    name if name != "reinit" else "reinit:layers=1"
    for name in ("devlin", *sorted(set(REGISTRY.names()) - {"devlin", "intermediate"}))
]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def run(toy, strategy: str, **options: object) -> Trained:
    return train(toy.request(strategy, 3, **options), Cache(), torch.device("cpu"))


def same(a: Trained, b: Trained) -> bool:
    return a.arrays.keys() == b.arrays.keys() and all(
        a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in a.arrays
    )


@pytest.mark.parametrize(("neutral", "base"), NEUTRAL)
def test_a_strategy_turned_off_is_its_base_bit_for_bit(toy, neutral: str, base: str) -> None:
    one, other = run(toy, neutral), run(toy, base)
    assert same(one, other)
    assert one.record.last == other.record.last
    assert one.record.evaluations == other.record.evaluations


@pytest.mark.parametrize(
    "text",
    [
        "mixout:p=0.5",
        "reinit:layers=1",
        "llrd:decay=0.5",
        "pretrained-decay:lambda=0.5",
        "noisytune",
        "child-tuning",
        "r-drop",
        "r3f:epsilon=0.1",
        "swa:start=0.5",
        "lora",
    ],
)
def test_a_strategy_turned_on_is_not_its_base(toy, text: str) -> None:
    base = "devlin" if text.startswith("mixout") else "bias-correction"
    assert not same(run(toy, text), run(toy, base))


@pytest.mark.parametrize("strategy", ALL)
def test_invariant_7_every_strategy_sees_the_same_head_and_the_same_order(
    toy, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, orders = [], []
    copy, gather = models.Pretrained.copy, batches.Tokens.gather

    def seen_copy(self, *arguments):
        model = copy(self, *arguments)
        heads.append(model.classifier.weight.detach().clone())
        return model

    def seen_batch(self, rows, *shape):
        orders[-1].append(rows.tolist())
        return gather(self, rows, *shape)

    monkeypatch.setattr(models.Pretrained, "copy", seen_copy)
    monkeypatch.setattr(batches.Tokens, "gather", seen_batch)
    for text in ("devlin", strategy):
        orders.append([])
        run(toy, text, max_steps=5)
    assert torch.equal(*heads)
    trained = [[rows for rows in order if len(rows) == 16] for order in orders]
    assert trained[0][:5] == trained[1][:5]


@pytest.mark.parametrize("strategy", ["child-tuning", "swa", "llrd:decay=0.5", "pretrained-decay"])
def test_drawing_random_numbers_shifts_no_dropout(toy, strategy: str) -> None:
    """The rate of the first update is 0: until the third the losses are the base's, dropout and all."""
    warm = {"overrides": {"warmup_ratio": 0.5}}
    one, base = (run(toy, text, **warm).arrays["loss"] for text in (strategy, "bias-correction"))
    assert one[:2].tobytes() == base[:2].tobytes()


def generators(toy, strategy: str, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the state of torch's own generator, dropout's, when each batch is taken."""
    states: list[bytes] = []
    gather = batches.Tokens.gather

    def watched(self, rows, *shape):
        states.append(torch.get_rng_state().numpy().tobytes())
        return gather(self, rows, *shape)

    monkeypatch.setattr(batches.Tokens, "gather", watched)
    run(toy, strategy, max_steps=6)
    monkeypatch.undo()
    return states


@pytest.mark.parametrize(
    "strategy",
    [
        "ours",
        "reinit:layers=2",
        "llrd",
        "pretrained-decay",
        "noisytune",
        "child-tuning",
        "swa",
        "lora",
        "reinit:layers=1+noisytune+child-tuning+llrd",
    ],
)
def test_what_draws_in_a_stream_of_its_own_leaves_dropout_where_it_was(
    toy, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = generators(toy, strategy, monkeypatch)
    assert found == generators(toy, "devlin", monkeypatch)
    assert len(set(found)) > 5  # dropout does move it


def test_mixout_draws_no_dropout_and_nothing_from_its_stream(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(set(generators(toy, "mixout:p=0.5,head=include", monkeypatch))) == 1


@pytest.mark.parametrize("strategy", [*ALL, "reinit:layers=1+llrd", "noisytune+mixout:p=0.3", "llrd+swa"])
def test_a_run_is_the_same_twice(toy, strategy: str) -> None:
    assert same(run(toy, strategy, max_steps=4), run(toy, strategy, max_steps=4))
