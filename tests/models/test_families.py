"""What a model's configuration says: dropout names, sequence length, recipe, and bad configurations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stabbench import Suite, models
from stabbench.errors import StabbenchError
from stabbench.models.families import FAMILIES, default_recipe, dropout_keys, longest_input
from stabbench.planning import PlanOptions, plan_group
from stabbench.recipe import Recipe

MODEL_TYPES = [kind for family in FAMILIES for kind in family.model_types]


@pytest.fixture(autouse=True)
def _no_cache() -> None:
    models.resolve.cache_clear()


def copy_with(model: Path, folder: Path, **changes: object) -> Path:
    """Return a copy of a saved model with a changed config.json; a value None removes the entry."""
    copied = shutil.copytree(model, folder / "changed")
    config = {**json.loads((copied / "config.json").read_text()), **changes}
    text = json.dumps({name: value for name, value in config.items() if value is not None})
    (copied / "config.json").write_text(text)
    return copied


def test_a_model_type_is_of_one_family() -> None:
    assert len(set(MODEL_TYPES)) == len(MODEL_TYPES)
    assert len({family.label for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_dropout_names_are_those_of_transformers(kind: str) -> None:
    from transformers import CONFIG_MAPPING

    known = CONFIG_MAPPING[kind]().to_dict()
    names = dropout_keys({"model_type": kind})
    assert {"hidden_dropout", "attention_dropout"} <= set(names)
    assert set(names) <= set(Recipe.model_fields)
    for ours, theirs in names.items():
        if (kind, ours) in {("deberta", "classifier_dropout"), ("deberta-v2", "classifier_dropout")}:
            continue  # read by the classifier when it is set, but no default
        assert theirs in known, f"{kind} has no {theirs}"


def test_an_unknown_family_has_no_dropout_names_and_the_recipe_of_bert() -> None:
    config = {"model_type": "a-new-one"}
    assert dropout_keys(config) == {}
    assert default_recipe(config) == Recipe()


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "xlnet"}, None),
        ({"model_type": "bert", "max_position_embeddings": -1}, None),
    ],
)
def test_longest_input(config: dict[str, object], longest: int | None) -> None:
    assert longest_input(config) == longest


def test_a_checkpoint_s_own_dropout_stands_in_the_recipe(toy, tmp_path: Path) -> None:
    changed = copy_with(
        toy.model, tmp_path, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2, classifier_dropout=0.0
    )
    recipe = models.resolve(str(changed)).recipe
    assert (recipe.hidden_dropout, recipe.attention_dropout, recipe.classifier_dropout) == (0.3, 0.2, 0.0)


def test_albert_s_recipe_overrules_the_checkpoint(toy, tmp_path: Path) -> None:
    """Mosbach et al. (2021), Table 3: no dropout for ALBERT."""
    changed = copy_with(toy.model, tmp_path, model_type="albert", hidden_dropout_prob=0.1)
    recipe = models.resolve(str(changed)).recipe
    assert (recipe.hidden_dropout, recipe.attention_dropout, recipe.classifier_dropout) == (0, 0, 0)


def test_sequences_longer_than_the_model_sees_are_refused_before_training(toy) -> None:
    toy.register()
    suite = Suite(task="toy", models=[str(toy.model)], seeds=1)
    with pytest.raises(
        StabbenchError, match="max_length=33 is more than the 32 tokens that tiny-bert can see"
    ):
        plan_group(suite, "toy", str(toy.model), "ours", PlanOptions(overrides={"max_length": 33}))
    group = plan_group(suite, "toy", str(toy.model), "ours", PlanOptions(overrides={"max_length": 32}))
    assert group.requests[0].spec.work.recipe.max_length == 32


def test_bad_configurations(toy, tmp_path: Path) -> None:
    with pytest.raises(StabbenchError, match="names no model_type"):
        models.resolve(str(copy_with(toy.model, tmp_path, model_type=None)))
    (tmp_path / "changed" / "config.json").write_text("{")
    with pytest.raises(StabbenchError, match=r"config\.json of .* is no JSON"):
        models.resolve(str(tmp_path / "changed"))


def test_a_registered_folder_that_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = models.Model(summary="gone", location=str(tmp_path / "gone"), recipe=Recipe())
    monkeypatch.setitem(models.REGISTRY._registered, "gone", gone)
    with pytest.raises(StabbenchError, match="gone is no folder"):
        models.resolve("gone")


def test_settings_alone_are_no_tokenizer(toy, tmp_path: Path) -> None:
    changed = copy_with(toy.model, tmp_path)
    for name in ("tokenizer.json", "vocab.txt"):
        (changed / name).unlink(missing_ok=True)
    assert (changed / "tokenizer_config.json").is_file()
    with pytest.raises(StabbenchError, match="no tokenizer"):
        models.resolve(str(changed))


def test_the_tokenizer_belongs_to_the_revision(toy, tmp_path: Path) -> None:
    changed = copy_with(toy.model, tmp_path)
    before = models.resolve(str(changed)).revision
    models.resolve.cache_clear()
    with (changed / "tokenizer.json").open("a") as file:
        file.write("\n")
    assert models.resolve(str(changed)).revision != before


def test_the_registered_models_are_those_of_the_paper_and_the_embedded_one() -> None:
    names = models.REGISTRY.names()
    assert {"bert-large-uncased", "roberta-large", "albert-large-v2"} <= set(names)
    for name in names:
        assert models.REGISTRY.get(name).summary
