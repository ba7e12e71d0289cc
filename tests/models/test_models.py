"""Models: by name, folder or hub id; recipes of the paper; digests that follow the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from stabbench import models
from stabbench.errors import StabbenchError
from stabbench.models.families import default_recipe


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    models.resolve.cache_clear()


def test_a_folder(toy) -> None:
    found = models.resolve(str(toy.model))
    assert found.name == "tiny-bert"
    assert found.revision.startswith("sha256:")
    assert found.recipe.hidden_dropout == 0.1
    assert found.recipe.max_length == 32  # no longer than the model's positions


def test_a_moved_folder_keeps_its_revision_and_a_changed_one_does_not(toy, tmp_path: Path) -> None:
    moved = shutil.copytree(toy.model, tmp_path / "tiny-bert")
    assert models.resolve(str(moved)).revision == models.resolve(str(toy.model)).revision
    models.resolve.cache_clear()
    with (moved / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert models.resolve(str(moved)).revision != models.resolve(str(toy.model)).revision


def test_which_of_several_files_has_a_tensor_is_part_of_the_revision(toy, tmp_path: Path) -> None:
    folder = shutil.copytree(toy.model, tmp_path / "sharded")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    revisions = set()
    for shard, factor in (("a.safetensors", 1.0), ("b.safetensors", 0.5)):
        save_file(
            {name: factor * tensor for name, tensor in tensors.items()}, folder / shard, {"format": "pt"}
        )
    for shard in ("a.safetensors", "b.safetensors"):
        index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, shard)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        models.resolve.cache_clear()
        revisions.add(models.resolve(str(folder)).revision)
    assert len(revisions) == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no weights"),
        ("tokenizer.json", "no tokenizer"),
    ],
)
def test_a_folder_that_lacks_something(toy, tmp_path: Path, name: str, message: str) -> None:
    copied = shutil.copytree(toy.model, tmp_path / "copy")
    (copied / name).unlink()
    (copied / "tokenizer_config.json").unlink()
    with pytest.raises(StabbenchError, match=message) as error:
        models.resolve(str(copied))
    assert "save_pretrained" in str(error.value)


def test_no_such_folder() -> None:
    with pytest.raises(StabbenchError, match="is no folder"):
        models.resolve("./nowhere")


def test_recipes_of_the_paper() -> None:
    """Mosbach et al. (2021), Table 3, corrected by the authors' configurations."""
    bert, roberta, albert = (default_recipe({"model_type": kind}) for kind in ("bert", "roberta", "albert"))
    for recipe in (bert, roberta, albert):
        assert (recipe.epochs, recipe.batch_size, recipe.warmup_ratio) == (3, 16, 0.1)
        assert (recipe.learning_rate, recipe.beta1, recipe.epsilon) == (2e-5, 0.9, 1e-6)
    assert (bert.beta2, bert.weight_decay, bert.clip_norm) == (0.999, 0.01, 1.0)
    assert (roberta.beta2, roberta.weight_decay, roberta.clip_norm) == (0.98, 0.1, None)
    assert (albert.beta2, albert.weight_decay, albert.clip_norm, albert.hidden_dropout) == (0.999, 0, 1.0, 0)
    assert models.REGISTRY.get("bert-large-uncased").recipe == bert
