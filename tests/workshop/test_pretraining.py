"""Pre-training: deterministic, resumable, and exported as the BERT that it is."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from stabbench.workshop import pretraining
from stabbench.workshop.corpus import Batches
from stabbench.workshop.export import export
from stabbench.workshop.network import Network, PretrainingRecipe
from stabbench.workshop.pretraining import pretrain

SMALL = PretrainingRecipe(layers=2, hidden=16, pairs=400, batch=8, warmup_steps=4)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_encoder_and_another_another(tmp_path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        pretrain(tmp_path / name, seed, 6, "cpu", recipe=SMALL)
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")


def test_stopped_and_resumed_it_is_the_same_encoder(tmp_path, monkeypatch) -> None:
    pretrain(tmp_path / "whole", 0, 8, "cpu", recipe=SMALL, save_every=4)
    rate = pretraining.rate

    def stopped(recipe, step, steps):
        if step == 6:
            raise KeyboardInterrupt
        return rate(recipe, step, steps)

    monkeypatch.setattr(pretraining, "rate", stopped)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tmp_path / "half", 0, 8, "cpu", recipe=SMALL, save_every=4)
    assert not (tmp_path / "half" / "model.safetensors").exists()
    monkeypatch.setattr(pretraining, "rate", rate)
    pretrain(tmp_path / "half", 0, 8, "cpu", recipe=SMALL, save_every=4)
    assert same(tmp_path / "whole", tmp_path / "half")
    report = json.loads((tmp_path / "half" / "pretraining.json").read_text())
    assert [entry["step"] for entry in report["losses"]] == [4, 8]


def test_transformers_computes_what_the_network_computes(tmp_path) -> None:
    torch.manual_seed(0)
    network = Network(SMALL)
    export(network, SMALL, tmp_path)
    bert = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    batch = Batches(0, 200, 8, 0.15, 0.1, 0.1).at(0)
    ids, types = torch.from_numpy(batch.pairs), torch.from_numpy(batch.pair_types)
    found = bert(input_ids=ids, token_type_ids=types)
    hidden = network(ids, types)
    torch.testing.assert_close(found.last_hidden_state, hidden, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.pooler_output, network.pooled(hidden), rtol=1e-4, atol=1e-5)


def test_the_losses_fall(tmp_path) -> None:
    pretrain(tmp_path / "a", 0, 60, "cpu", recipe=SMALL, save_every=20)
    losses = json.loads((tmp_path / "a" / "pretraining.json").read_text())["losses"]
    assert losses[-1]["masked"] < losses[0]["masked"]
