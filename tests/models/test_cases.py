"""Models that look right and are not: refused at planning or at loading, in one line that says what to do."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, BertModel

from stabbench import Suite, models
from stabbench.errors import RunError, StabbenchError
from stabbench.models.families import FAMILIES, longest_input
from stabbench.planning import PlanOptions, plan_group
from stabbench.recipe import Recipe
from stabbench.training import padding
from stabbench.training.cache import Cache
from stabbench.training.loop import train
from stabbench.training.model import Pretrained
from tests.strategies.conftest import CONFIGS, SIZES
from tests.tasks.hub import hub

CPU = torch.device("cpu")
SMALL = {**SIZES, "num_hidden_layers": 2, "max_position_embeddings": 40}
WORDS = 53
"""Tokens of the toy's tokenizer."""


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    models.resolve.cache_clear()


@pytest.fixture
def copied(toy, tmp_path: Path) -> Path:
    """Return a copy of the tiny BERT, to be spoilt."""
    return shutil.copytree(toy.model, tmp_path / "copied")


def edit(path: Path, **changes: Any) -> None:
    """Change a JSON object in a file; ``None`` is written as null."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def save(toy, folder: Path, kind: str, **config: Any) -> Path:
    """Save a small random model of any class with the toy's tokenizer."""
    torch.manual_seed(0)
    made = AutoConfig.for_model(kind, **{"vocab_size": WORDS, "num_labels": 2, **config})
    AutoModelForSequenceClassification.from_config(made).save_pretrained(folder)
    for path in toy.model.glob("*token*"):
        shutil.copy(path, folder)
    return folder


def damage(name: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / name, **changes)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def cut(folder: Path) -> None:
    place = folder / "model.safetensors"
    place.write_bytes(place.read_bytes()[:-1])


def add_tokens(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["[PATIENT]", "[DATE]"])
    tokenizer.save_pretrained(folder)


def no_padding(folder: Path) -> None:
    edit(folder / "config.json", pad_token_id=None)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def adapter_only(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "config.json").unlink()


# how a sound folder is spoilt, what the error says, the next action
REFUSED: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "custom code": (damage("config.json", auto_map={"AutoModel": "m.M"}), "auto_map", "part of transformers"),
    "a tokenizer's custom code": (
        damage("tokenizer_config.json", auto_map={"AutoTokenizer": ["t.T", None]}),
        "tokenizer_config.json .* code of its own",
        "part of transformers",
    ),
    "quantised": (
        damage("config.json", quantization_config={"bits": 4}),
        "it is quantised",
        "full precision",
    ),
    "a decoder": (
        damage("config.json", is_decoder=True),
        "the first token, .* sees no other",
        "an encoder",
    ),
    "weights by name": (
        damage("config.json", transformers_weights="model.safetensors"),
        "names weights of its own",
        "an encoder",
    ),
    "an encoder-decoder": (damage("config.json", is_encoder_decoder=True), "encoder-decoders", "an encoder"),
    "XLNet": (damage("config.json", model_type="xlnet"), "xlnet models read padding", "an encoder"),
    "FNet": (damage("config.json", model_type="fnet"), "fnet models read padding", "an encoder"),
    "ConvBERT": (damage("config.json", model_type="convbert"), "convbert models read padding", "an encoder"),
    "no classifier": (
        damage("config.json", model_type="vit"),
        "no sequence classifier for vit",
        "an encoder",
    ),
    "unheard of": (damage("config.json", model_type="frob"), "no sequence classifier for frob", "an encoder"),
    "all dropped": (
        damage("config.json", hidden_dropout_prob=1.0),
        "hidden_dropout_prob is 1.0",
        "less than 1",
    ),
    "less than none": (damage("config.json", attention_probs_dropout_prob=-0.1), "is -0.1", "less than 1"),
    "no head": (damage("config.json", classifier_dropout=1), "classifier_dropout is 1 ", "less than 1"),
    "a rate in words": (damage("config.json", hidden_dropout_prob="some"), "is 'some'", "less than 1"),
    "no type": (damage("config.json", model_type=None), "names no model_type", "transformers saved"),
    "an array": (write("config.json", b"[1]"), "names no model_type", "transformers saved"),
    "no JSON": (write("config.json", b"{"), "is no JSON", "save it again"),
    "NaN": (write("config.json", b'{"model_type": "bert", "x": NaN}'), "is no JSON", "save it again"),
    "depth": (write("config.json", b"[" * 99_999), "is no JSON", "save it again"),
    "an adapter": (adapter_only, "an adapter of peft", "merge"),
    "an adapter beside": (write("adapter_config.json", b"{}"), "an adapter of peft", "merge"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights", "save_pretrained"),
    "cut weights": (cut, "model.safetensors is cut off or damaged", "save it again"),
    "no header": (write("model.safetensors", b"123"), "is cut off or damaged", "save it again"),
    "an odd header": (write("model.safetensors", b"\x02" + b"\0" * 7 + b"[]"), "is cut off", "save it again"),
    "git-lfs": (
        write("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "a pointer of git-lfs",
        "git lfs pull",
    ),
    "a shard": (
        write("model.safetensors.index.json", b'{"weight_map": {"a": "model-2-of-2.safetensors"}}'),
        "lacks model-2-of-2.safetensors",
        "copy it",
    ),
    "half a tokenizer": (write("tokenizer.json", b'{"model": '), "tokenizer.json .* is no JSON", "save it"),
    "no vocabulary": (write("tokenizer.json", b"{}"), "tokenizer files .* are damaged", "save the tokenizer"),
    "added tokens": (add_tokens, r"has 55 tokens, its model 53 .*'\[PATIENT\]', '\[DATE\]'", "resize_token"),
    "no pad token": (no_padding, "has no pad token, and no end-of-text token", "tokenizer.pad_token ="),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_fine_tuned_is_refused_at_planning(toy, copied: Path, fault: str) -> None:
    spoil, what, action = REFUSED[fault]
    spoil(copied)
    suite = Suite(task=toy.register(), models=[str(copied)], seeds=1)
    with pytest.raises(StabbenchError, match=f"(?s){what}") as error:
        plan_group(suite, "toy", str(copied), "ours", PlanOptions())
    assert action in error.value.action
    assert len(error.value.cause.splitlines()) == 1


def test_planning_imports_no_torch_for_a_known_family(toy) -> None:
    code = f"import sys; from stabbench import models; models.resolve({str(toy.model)!r}); "
    code += "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "damaged", ["model.safetensors", "pytorch_model.bin", "tokenizer.json", "max_position_embeddings"]
)
def test_what_only_loading_shows_is_one_error_too(copied: Path, damaged: str) -> None:
    if damaged == "model.safetensors":
        tensors = load_file(copied / damaged)
        save_file({"other": next(iter(tensors.values()))}, copied / damaged)
        edit(copied / "config.json", num_attention_heads=3)  # not divisible among the heads
    elif damaged == "pytorch_model.bin":
        (copied / "model.safetensors").unlink()
        (copied / damaged).write_bytes(b"no weights")
    elif damaged == "tokenizer.json":
        edit(copied / damaged, pre_tokenizer={"type": "Unheard"})
    else:
        edit(copied / "config.json", max_position_embeddings="many")
    with pytest.raises(StabbenchError, match="cannot be loaded as a sequence classifier"):
        Pretrained.load(str(copied), "", 2, Recipe())


def test_tokens_without_an_embedding_are_found_when_no_file_says_so(copied: Path) -> None:
    add_tokens(copied)
    with pytest.raises(StabbenchError, match="has 55 tokens, its model embeddings for 53"):
        Pretrained.load(str(copied), "", 2, Recipe())


GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40}


@pytest.mark.parametrize("text", ["pad_token", "eos_token"])
def test_a_model_without_a_pad_token_takes_the_tokenizer_s_or_the_end_of_text(toy, tmp_path, text) -> None:
    """cases/m3: GPT-2 looks for the last token that is no padding."""
    place = save(toy, tmp_path / "gpt", "gpt2", **GPT2)
    no_padding(place)
    edit(place / "tokenizer_config.json", **{text: "[PAD]"})
    suite = Suite(task=toy.register(), models=[str(place)], seeds=1)
    request = plan_group(suite, "toy", str(place), "ours", PlanOptions(max_steps=4)).requests[0]
    cache = Cache()
    assert train(request, cache, CPU).record.status == "completed"
    assert cache.pretrained(request).model.config.pad_token_id == 0


def test_roberta_with_a_null_pad_token_numbers_its_positions_as_ever(toy, tmp_path: Path) -> None:
    sound = save(toy, tmp_path / "sound", "roberta", **{**SMALL, "pad_token_id": 0})
    null = shutil.copytree(sound, tmp_path / "null")
    edit(null / "config.json", pad_token_id=None)
    configs = [models.resolve(str(place)).config for place in (sound, null)]
    assert configs[0]["pad_token_id"] == configs[1]["pad_token_id"] == 0
    assert longest_input(configs[0]) == longest_input(configs[1]) == 39
    loaded = [Pretrained.load(str(place), "", 2, Recipe()).copy(0).eval() for place in (sound, null)]
    ids = torch.tensor([[2, 9, 10, 3]])
    with torch.no_grad():
        assert torch.equal(loaded[0](ids).logits, loaded[1](ids).logits)


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification", "unheard_of", None])
def test_a_checkpoint_s_own_loss_does_not_come_along(copied: Path, problem: str | None) -> None:
    edit(copied / "config.json", problem_type=problem)
    model = Pretrained.load(str(copied), "", 2, Recipe()).copy(0).eval()
    ids, labels = torch.tensor([[2, 9, 3], [2, 11, 3]]), torch.tensor([0, 1])
    with torch.no_grad():
        found = model(ids, labels=labels)
    assert torch.equal(found.loss, cross_entropy(found.logits, labels))


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": None}, 512),
        ({"model_type": "camembert", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "longformer", "max_position_embeddings": 4098, "pad_token_id": 1}, 4096),
        ({"model_type": "roberta-prelayernorm", "max_position_embeddings": 514}, 512),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
    ],
)
def test_positions_that_hold_tokens(config: dict[str, Any], longest: int) -> None:
    assert longest_input(config) == longest


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_no_family_reads_its_padding(toy, tmp_path: Path, kind: str) -> None:
    """Weights are large, so that whatever a row takes from its neighbours shows."""
    sizes = {**CONFIGS[kind], "max_position_embeddings": 40, "initializer_range": 0.3}
    place = save(toy, tmp_path / kind, kind, **sizes)
    assert padding.check(Pretrained.load(str(place), "", 2, Recipe()), kind).share < padding.LARGEST / 10


def test_every_family_is_in_that_table() -> None:
    assert {kind for family in FAMILIES for kind in family.model_types} - CONFIGS.keys() == {
        "xlm-roberta",  # RoBERTa's classes under other names
        "camembert",
    }


READING = {
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "fnet": SMALL,
    "convbert": {**SMALL, "embedding_size": 16, "conv_kernel_size": 3},
}


@pytest.mark.parametrize("kind", READING)
def test_a_model_that_reads_its_padding_is_refused_before_it_trains(toy, tmp_path, monkeypatch, kind) -> None:
    """cases/m4, and what the table of model types would not know."""
    monkeypatch.setattr("stabbench.models.checks.READS_PADDING", {})
    place = save(toy, tmp_path / kind, kind, **{**READING[kind], "initializer_range": 0.3})
    suite = Suite(task=toy.register(), models=[str(place)], seeds=1)
    request = plan_group(suite, "toy", str(place), "ours", PlanOptions(max_steps=4)).requests[0]
    with pytest.raises(StabbenchError, match=r"reads its padding: .* of their spread \(0\.001 is allowed\)"):
        train(request, Cache(), CPU)


def test_the_comparison_draws_nothing_and_changes_nothing(toy) -> None:
    pretrained = Pretrained.load(str(toy.model), "", 2, Recipe())
    before = {name: value.clone() for name, value in pretrained.model.state_dict().items()}
    state = torch.get_rng_state()
    padding.check(pretrained, "toy")
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in pretrained.model.state_dict().items())


def test_a_model_that_does_not_see_its_rows_is_refused_before_it_trains(
    toy, copied: Path, monkeypatch
) -> None:
    """Read backwards only, the first token, by which BERT classifies, is alone."""
    monkeypatch.setattr("stabbench.models.checks.read_config", lambda files: files.json("config.json"))
    edit(copied / "config.json", is_decoder=True)
    with pytest.raises(StabbenchError, match="gives rows of different words the same logits"):
        padding.check(Pretrained.load(str(copied), "", 2, Recipe()), "it")


def test_a_checkpoint_that_is_overwritten_after_planning_is_not_trained(toy, copied: Path) -> None:
    suite = Suite(task=toy.register(), models=[str(copied)], seeds=1)
    request = plan_group(suite, "toy", str(copied), "ours", PlanOptions(max_steps=4)).requests[0]
    tensors = {name: value + 1 for name, value in load_file(copied / "model.safetensors").items()}
    save_file(tensors, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(StabbenchError, match=r"not those that the run was planned with.*\n.*plan again"):
        train(request, Cache(), CPU)


def test_an_error_of_the_model_is_not_blamed_on_the_strategy(toy, tmp_path, monkeypatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from stabbench.strategies import Strategy\nclass Mine(Strategy):\n"
        "    def loss(self, model, batch, step):\n        return model(batch).loss\n"
    )
    with pytest.raises(RunError, match="the hook loss of Mine raised "):
        train(toy.request(f"{file}:Mine"), Cache(), CPU)
    forward = BertModel.forward

    def broken(self: BertModel, *arguments: Any, **named: Any) -> Any:
        if self.training:
            raise ValueError("no such position")
        return forward(self, *arguments, **named)

    monkeypatch.setattr(BertModel, "forward", broken)
    with pytest.raises(RunError, match=r"the model raised ValueError: no such position .*no loss of its own"):
        train(toy.request(), Cache(), CPU)


RESOLVE = """
import sys
from stabbench import models
from stabbench.errors import StabbenchError
for name in sys.argv[1:]:
    models.resolve.cache_clear()
    try:
        print("resolved", models.resolve(name).name)
    except StabbenchError as error:
        print(str(error).replace(chr(10), " "))
"""


def resolve(home: Path, endpoint: str, *names: str) -> list[str]:
    """Resolve models in a process of its own, which finds the hub at an address; return a line for each."""
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE, *names], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.splitlines()


def test_the_hub_says_what_a_model_lacks_and_keeps_what_it_has(toy, copied: Path, tmp_path: Path) -> None:
    custom = shutil.copytree(copied, tmp_path / "custom")
    edit(custom / "config.json", auto_map={"AutoModel": "m.M"})
    bare = shutil.copytree(copied, tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    names = {"models/a/sound": copied, "models/a/custom": custom, "models/a/bare": bare}
    with hub(names) as url:
        sound, code, lacking, none = resolve(
            tmp_path / "home", url, "a/sound", "a/custom", "a/bare", "a/none"
        )
    assert sound == "resolved a/sound"
    assert "auto_map" in code
    assert "a/bare has no weights" in lacking
    assert "there is no such model there, or it is private" in none
    assert "--stab-model FOLDER" in none
    (again,) = resolve(tmp_path / "home", "http://127.0.0.1:9", "a/sound")  # cached; the hub is out of reach
    assert again == "resolved a/sound"


def test_a_hub_out_of_reach_is_asked_once(tmp_path: Path) -> None:
    asked = 0
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        nonlocal asked
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked += 1
            connection.close()

    threading.Thread(target=refuse, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    said = resolve(tmp_path, url, *["someone/tiny"] * 3)
    listener.close()
    assert len(set(said)) == 1
    assert "the hub cannot be reached" in said[0]
    assert "go online once" in said[0]
    assert asked <= 2


def test_the_shared_models(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = str(shared / "cases" / "make_models.py")
    monkeypatch.setattr(sys, "argv", [script, str(tmp_path)])
    runpy.run_path(script, run_name="__main__")
    for name, message in (
        ("m3-no-pad", "has no pad token, and no end-of-text token to pad with"),
        ("m4-xlnet", "xlnet models read padding"),
        ("m5-added-tokens", "has 27 tokens, its model 25"),
    ):
        with pytest.raises(StabbenchError, match=message):
            models.resolve(str(tmp_path / name))
    place = tmp_path / "m3-pad-in-tokenizer-only"
    found = models.resolve(str(place))
    padding.check(Pretrained.load(found.location, found.revision, 2, found.recipe), "m3")
