"""Why runs fail in the mini world, on real runs: the paper's why (Mosbach et al., 2021, section 4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stabbench import models
from stabbench.planning import PlanOptions, plan_group
from stabbench.samples.failed import is_failed
from stabbench.suite import Suite
from stabbench.training.cache import Cache
from stabbench.training.loop import Trained, train

HIGH = 1.2e-3
"""A learning rate far beyond what Adam without bias correction bears, and within what it bears with it."""


def trained(strategy: str) -> Trained:
    """Train one seed, at the same learning rate with and without bias correction."""
    torch.set_num_threads(1)
    suite = Suite(task="mini-cola", models=["mini-bert"], seeds=1)
    options = PlanOptions(overrides={"learning_rate": HIGH})
    request = plan_group(suite, "mini-cola", "mini-bert", strategy, options).requests[0]
    return train(request, Cache(), torch.device("cpu"))


@pytest.fixture(scope="module")
def failed() -> Trained:
    return trained("devlin")


@pytest.fixture(scope="module")
def learned() -> Trained:
    return trained("bias-correction")


def low_layers(run: Trained) -> np.ndarray:
    """Return the gradient norms of embeddings and the three lowest layers, a row for each traced update."""
    names = ("embeddings", "layer.0", "layer.1", "layer.2")
    return run.arrays["layer_norms"][:, [run.record.layers.index(name) for name in names]]


def test_without_bias_correction_the_loss_stays_at_the_label_entropy(failed: Trained) -> None:
    record = failed.record
    assert is_failed(record)
    assert record.train_loss == pytest.approx(record.label_entropy, rel=0.05)


def test_and_the_model_predicts_one_class(failed: Trained) -> None:
    record = failed.record
    predicted = failed.arrays["logits"].argmax(1)
    assert len(set(predicted.tolist())) == 1
    assert record.last.value == record.constant


def test_with_bias_correction_the_loss_falls_and_the_model_beats_the_majority(learned: Trained) -> None:
    record = learned.record
    assert not is_failed(record)
    assert record.train_loss < 0.85 * record.label_entropy
    assert record.last.value > record.constant + 0.3


def test_the_gradients_of_the_lower_layers_vanish_in_the_failed_run_only(
    failed: Trained, learned: Trained
) -> None:
    """Though both begin alike: the same head and the same batches give the same first loss."""
    assert failed.arrays["loss"][0] == learned.arrays["loss"][0]
    last = slice(-len(low_layers(failed)) // 4, None)
    vanished, there = (low_layers(run)[last].mean(0) for run in (failed, learned))
    assert (vanished < 0.05 * there).all()
    assert (vanished < 0.2 * low_layers(failed)[0]).all()


def test_the_encoder_loads_with_plain_transformers() -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from stabbench.mini import checkpoint_path

    place = checkpoint_path()
    model = AutoModelForSequenceClassification.from_pretrained(place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert model(**tokenizer("the dogs chase one farmer", return_tensors="pt")).logits.shape == (1, 2)
    assert sum(path.stat().st_size for path in place.iterdir()) < 3_000_000


def test_the_default_learning_rate_is_what_the_search_found() -> None:
    from pathlib import Path

    from stabbench.samples.archive import read_archive
    from stabbench.workshop.search import cells, chosen_rate

    archive = Path(__file__).parents[2] / "baselines" / "mini-grid.runs.jsonl.gz"
    grid = cells(run.record for run in read_archive(archive).runs)
    assert models.resolve("mini-bert").recipe.learning_rate == chosen_rate(grid)
