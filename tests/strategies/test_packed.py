"""Every strategy trains the same with packed layers as with padded ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from stabbench.models.families import packable_stack
from stabbench.strategies.catalog import parse_strategy
from stabbench.training import compiled, packing
from stabbench.training.cache import Cache
from stabbench.training.loop import train
from tests.strategies.conftest import CONFIGS, NO_DROPOUT

STRATEGIES = [
    "bias-correction",
    "child-tuning",
    "devlin",
    "llrd",
    "longer",
    "lora",
    "mixout",
    "mixout:layers=after_dropout",
    "noisytune",
    "ours",
    "pretrained-decay",
    "r-drop",
    "r3f",
    "reinit:layers=1",
    "small-lr",
    "swa",
]
FAMILIES = sorted(kind for kind in CONFIGS if packable_stack({"model_type": kind}))


COMPILED = ("tiny-bert", "tiny-roberta", "tiny-xlm-roberta", "tiny-camembert", "tiny-electra")


@pytest.fixture(scope="session")
def models(toy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folder of a tiny model of each family, with the toy's tokenizer."""
    made = {}
    for kind in FAMILIES:
        folder = tmp_path_factory.mktemp("families") / f"tiny-{kind}"
        shutil.copytree(toy.model, folder)
        words = AutoConfig.from_pretrained(toy.model).vocab_size
        torch.manual_seed(0)
        changes = {**NO_DROPOUT, "vocab_size": words, "num_hidden_layers": 2, "n_layers": 2}
        changes |= {"num_attention_heads": 1}  # of a width that compiled code takes
        config = AutoConfig.for_model(kind, **{**CONFIGS[kind], **changes})
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
        made[kind] = folder
    return made


def losses(toy, model: Path, strategy: str, monkeypatch: pytest.MonkeyPatch, packed: bool) -> np.ndarray:
    """Return the losses of a run of 50 updates."""
    torch.set_num_threads(1)
    longer = {} if strategy in ("longer", "small-lr") else {"epochs": 17}
    request = replace(toy, model=model).request(strategy, overrides=longer, max_steps=50)
    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(packing, "Rows", lambda *given, made=packing.Rows: calls.append(1) or made(*given))
        if not packed:
            patch.setattr(packing, "install", lambda model: None)
        trained = train(request, Cache(), torch.device("cpu"))
    found, way = trained.arrays["loss"], trained.record.environment["layers"]
    plain = not strategy.startswith(("lora", "mixout")) and model.name in COMPILED
    assert len(found) == 50
    assert way.startswith("compiled") == (packed and plain and compiled.library().functions is not None)
    assert (len(calls) >= 50) == packed
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_strategy_trains_the_same(
    toy, models: dict[str, Path], strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (losses(toy, models["bert"], strategy, monkeypatch, packed) for packed in (False, True))
    np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_strategy_on_every_family(
    toy, models: dict[str, Path], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for strategy in STRATEGIES:
        if parse_strategy(strategy)[0].unsupported({"model_type": kind, "num_hidden_layers": 2}):
            continue
        one, other = (losses(toy, models[kind], strategy, monkeypatch, packed) for packed in (False, True))
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=strategy)
