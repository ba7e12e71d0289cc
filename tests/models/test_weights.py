"""The encoder's weights come from the file: what it lacks is refused, but for a head and a pooler."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
)

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.training.model import Pretrained
from tests.strategies.conftest import CONFIGS

GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40}
FAMILIES = {**CONFIGS, "xlm-roberta": CONFIGS["roberta"], "camembert": CONFIGS["roberta"], "gpt2": GPT2}
CLASSES = {
    "base": AutoModel,
    "language": AutoModelForMaskedLM,
    "pretraining": AutoModelForPreTraining,
    "classifier": AutoModelForSequenceClassification,
}

Tensors = dict[str, torch.Tensor]


def tokenizer(toy, folder: Path) -> Path:
    for path in toy.model.glob("*token*"):
        shutil.copy(path, folder)
    return folder


PAIRS = [
    (kind, saved) for kind in FAMILIES for saved in CLASSES if (kind, saved) != ("modernbert", "pretraining")
]


@pytest.mark.parametrize(("kind", "saved"), PAIRS)
def test_an_encoder_loads_whatever_class_it_was_saved_from(
    toy, tmp_path: Path, kind: str, saved: str
) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **{"vocab_size": 53, **FAMILIES[kind]})
    made = AutoModelForCausalLM if (kind, saved) == ("gpt2", "language") else CLASSES[saved]
    model = made.from_config(config)
    model.save_pretrained(tmp_path)
    base = getattr(model, model.base_model_prefix, model)
    loaded = Pretrained.load(str(tokenizer(toy, tmp_path)), "", 3, Recipe())
    encoder = getattr(loaded.model, loaded.model.base_model_prefix)
    weights = base.state_dict()
    for name, parameter in encoder.named_parameters():
        if "pooler" not in name:
            assert torch.equal(parameter, weights[name]), name
    fresh = {name for name in loaded.fresh if name.startswith(loaded.model.base_model_prefix + ".")}
    assert all("pooler" in name for name in fresh)
    assert {name.partition(".")[0] for name in loaded.fresh - fresh} <= {
        *("classifier", "pre_classifier", "pooler", "head", "score"),
    }


@pytest.fixture
def copied(toy, tmp_path: Path) -> Path:
    """Return a copy of the tiny BERT, to be spoilt."""
    return shutil.copytree(toy.model, tmp_path / "copied")


def rename(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    place = folder / "model.safetensors"
    tensors = {name: value.clone() for name, value in change(load_file(place)).items()}
    save_file(tensors, place, {"format": "pt"})


@pytest.mark.parametrize("part", ["bert.", ""])
@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "base_model.model.", "net.encoder."])
def test_names_of_a_wrapper_are_refused_with_what_to_do(copied: Path, wrapper: str, part: str) -> None:
    rename(copied, lambda t: {wrapper + part + k.removeprefix("bert."): v for k, v in t.items()})
    with pytest.raises(
        StabbenchError, match=r"lack \d+ of the \d+ parameters of its encoder: bert\."
    ) as error:
        Pretrained.load(str(copied), "", 2, Recipe())
    assert f"begin with {wrapper!r}" in error.value.action


LACKING: dict[str, Callable[[Tensors], Tensors]] = {
    "the head only": lambda t: {k: v for k, v in t.items() if not k.startswith("bert.")},
    "a layer": lambda t: {k: v for k, v in t.items() if "layer.1." not in k},
    "one tensor": lambda t: {k: v for k, v in t.items() if k != "bert.embeddings.LayerNorm.bias"},
    "all": lambda t: {"x": torch.zeros(1)},
}


@pytest.mark.parametrize("lacking", LACKING)
def test_weights_that_lack_some_of_the_encoder_are_refused(copied: Path, lacking: str) -> None:
    rename(copied, LACKING[lacking])
    with pytest.raises(StabbenchError, match=r"the weights of .* lack \d+ of the \d+ parameters") as error:
        Pretrained.load(str(copied), "", 2, Recipe())
    assert "save them together" in error.value.action
    assert lacking == "one tensor" or "more." in error.value.cause
    assert len(error.value.cause.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 6}, "lack .* parameters of its encoder"),
        ({"num_hidden_layers": 1}, r"layers that its config.json has not: bert\.encoder\.layer\.1\."),
        ({"model_type": "roberta"}, r"lack (\d+) of the \1 parameters of its encoder: roberta\."),
        ({"vocab_size": 60}, r"word_embeddings\.weight \(the first is \[53, \d+\], not \[60, "),
        ({"max_position_embeddings": 64}, r"other shapes .* in 1 of .*position_embeddings"),
        ({"intermediate_size": 64}, "other shapes than its config.json says"),
    ],
)
def test_a_configuration_unlike_the_weights_is_refused(copied: Path, changes: dict, message: str) -> None:
    config = copied / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))
    with pytest.raises(StabbenchError, match=message):
        Pretrained.load(str(copied), "", 2, Recipe())


def test_an_encoder_that_cannot_be_told_from_its_head_is_refused(copied: Path, monkeypatch) -> None:
    """All of it would count as head, and be drawn anew."""
    monkeypatch.setattr(BertForSequenceClassification, "base_model_prefix", "nothing")
    with pytest.raises(StabbenchError, match="cannot be told from its head: it has no part called 'nothing'"):
        Pretrained.load(str(copied), "", 2, Recipe())


def test_a_head_for_other_labels_and_no_pooler_are_drawn_anew(copied: Path) -> None:
    def other(tensors: Tensors) -> Tensors:
        kept = {k: v for k, v in tensors.items() if "pooler" not in k}
        return {**kept, "classifier.weight": torch.zeros(5, 16), "classifier.bias": torch.zeros(5)}

    rename(copied, other)
    assert sorted(Pretrained.load(str(copied), "", 2, Recipe()).fresh) == [
        *("bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"),
    ]


def test_a_model_that_was_saved_to_return_tuples_returns_outputs(copied: Path) -> None:
    config = copied / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "return_dict": False}))
    model = Pretrained.load(str(copied), "", 2, Recipe()).copy(0)
    assert model(torch.tensor([[2, 9, 3]])).logits.shape == (1, 2)
