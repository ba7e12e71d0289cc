"""What a session sets (``--stab-set``): our names are suggested, and it reaches every run or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.models.families import BERT
from stabbench.other_names import OTHER_NAMES
from stabbench.overrides import override, parse_overrides, replaced
from stabbench.recipe import Recipe
from stabbench.strategies.catalog import parse_strategy, resolve_recipe

HABITS = {
    "lr": "learning_rate",
    "num_train_epochs": "epochs",
    "num-train-epochs": "epochs",
    "max_steps": "steps",
    "per_device_train_batch_size": "batch_size",
    "max_seq_length": "max_length",
    "adam_epsilon": "epsilon",
    "adam_beta2": "beta2",
    "wd": "weight_decay",
    "max_grad_norm": "clip_norm",
    "warmup_steps": "warmup_ratio",
    "fp16": "precision to fp32, tf32 or bf16",
    "bf16": "precision=bf16",
    "tf32": "precision=tf32",
    "gradient_accumulation_steps": "batch_size",
    "seed": "--stab-seeds",
    "lr_scheduler_type": "falls linearly to 0",
    "optim": "AdamW",
    "dropout": "hidden_dropout, attention_dropout and classifier_dropout",
    "label_smoothing_factor": "loss(model, batch, step)",
    "load_best_model_at_end": "--stab-checkpoint best",
    "output_dir": "--stab-store",
    "Learning_Rate": "learning_rate",
    "learnig_rate": "learning_rate",
}


@pytest.mark.parametrize(("name", "ours"), HABITS.items())
def test_names_of_other_trainers_are_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(UnknownNameError, match=f"a recipe has no '{name}'") as refused:
        override(Recipe(), parse_overrides([f"{name}=1"]))
    assert ours in refused.value.action


@pytest.mark.parametrize("name", ["lr", "num_train_epochs", "seed"])
def test_a_recipe_hook_is_answered_as_well(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from stabbench.strategies import Strategy\nclass Mine(Strategy):\n"
        f"    def recipe(self, base): return base.change({name}=1)\n"
    )
    with pytest.raises(StabbenchError, match=f"the recipe hook of Mine: a recipe has no '{name}'") as refused:
        resolve_recipe(parse_strategy(f"{file}")[0], BERT)
    assert HABITS[name] in refused.value.action


def test_a_parameter_that_is_a_recipe_value_is_sent_there() -> None:
    for text, words in (("mixout:lr=1", "learning_rate"), ("mixout:epochs=3", "with --stab-set")):
        with pytest.raises(UnknownNameError, match="mixout has no parameter") as refused:
            parse_strategy(text)
        assert words in refused.value.action


def test_no_name_of_ours_is_taken_for_anothers() -> None:
    assert not OTHER_NAMES.keys() & Recipe.model_fields.keys()
    assert all(text.endswith(".") for text in OTHER_NAMES.values())


@pytest.mark.parametrize(
    ("strategy", "overrides", "why"),
    [
        ("longer", {"epochs": 10}, "it trains 400 updates, whatever the epochs are"),
        ("ours", {"epochs": 10, "steps": 50}, "it trains 50 updates"),
        ("devlin", {"epsilon_placement": "after_correction"}, "both placements are the same"),
        ("ours", {"clip_norm": None, "clipping": "per_tensor"}, "does not clip"),
        ("ours", {"evaluations_per_epoch": 4}, "an epoch has 3 updates, and no more evaluations"),
        ("ours", {"evaluations_per_epoch": 1000, "batch_size": 4}, "an epoch has 12 updates"),
        ("devlin", {"hidden_dropout": 0.1, "attention_dropout": 0.1}, "has this rate already"),
        ("devlin", {"attention_dropout": None, "hidden_dropout": 0.3}, "has this rate already"),
    ],
)
def test_what_would_change_nothing_but_the_key_is_refused(toy, strategy, overrides, why) -> None:
    with pytest.raises(StabbenchError, match=r"^\w+=[\w.]+ would change nothing in .*: ") as refused:
        toy.request(strategy, overrides=overrides)
    assert why in refused.value.cause


def test_what_changes_a_run_is_planned(toy, tmp_path: Path) -> None:
    """Its checkpoint has rates of 0.1 and says nothing of the classifier's; 48 rows are 3 updates."""
    overrides = {"evaluations_per_epoch": 3, "hidden_dropout": 0.0, "classifier_dropout": 0.1}
    recipe = toy.request("devlin", overrides=overrides).work.recipe
    assert (recipe.evaluations_per_epoch, recipe.hidden_dropout, recipe.classifier_dropout) == (3, 0.0, 0.1)
    file = tmp_path / "mine.py"
    file.write_text(
        "from stabbench.strategies import Strategy\nclass Mine(Strategy):\n"
        "    def recipe(self, base): return base.change(hidden_dropout=0.3, evaluations_per_epoch=50)\n"
    )
    assert toy.request(f"{file}:Mine").work.recipe.evaluations_per_epoch == 50
    for rate in (0.1, None):  # takes the strategy's place
        changed = toy.request(f"{file}:Mine", overrides={"hidden_dropout": rate})
        assert changed.work.recipe.hidden_dropout == rate
    assert toy.request("devlin", overrides={"learning_rate": 2e-5}).work.recipe.learning_rate == 2e-5


@pytest.mark.parametrize(
    ("strategy", "overrides", "lines"),
    [
        ("ours", {"learning_rate": 1e-4}, 0),
        ("ours", {"bias_correction": False}, 1),
        ("ours", {"epochs": 20}, 0),
        ("ours", {"epochs": 3, "bias_correction": False}, 2),
        ("lora", {"learning_rate": 1e-4}, 1),  # would train at 20 times as much
        ("pretrained-decay", {"weight_decay": 0.1}, 1),
        ("ours", {}, 0),
    ],
)
def test_what_a_strategy_sets_and_the_session_replaces_is_told(strategy, overrides, lines) -> None:
    told = replaced(strategy, BERT, overrides)
    assert len(told) == lines
    assert all(line.startswith(strategy) and "takes its place" in line for line in told)


def test_longer_is_never_shorter_than_its_base(toy) -> None:
    """48 rows in batches of 16 are 9 updates in three epochs."""
    with pytest.raises(
        StabbenchError, match=r"longer:steps=8 would train 8 updates, fewer than the 9"
    ) as short:
        toy.request("longer:steps=8")
    assert "longer:steps=27" in short.value.action
    assert toy.request("longer:steps=9", max_steps=None).work.total_updates == 9
    assert toy.request("longer", max_steps=None).work.total_updates == 400
    with pytest.raises(StabbenchError, match=r"fewer than the 18 .*batches of 8"):
        toy.request("longer:steps=17", overrides={"batch_size": 8})
    with pytest.raises(StabbenchError, match="fewer than the 60"):
        toy.request("longer:base=ours,steps=59")
    with pytest.raises(StabbenchError, match="fewer than the 9"):
        toy.request("llrd+longer:steps=8")
    assert toy.request("longer", overrides={"steps": 5}).work.total_updates == 5  # asked for, of both


def test_keys_change_where_numbers_do_and_nowhere_else(toy) -> None:
    assert "amended" not in toy.request().spec.model_dump(mode="json")
    mixed = toy.request("mixout:layers=after_dropout")  # BERT's modules stand in the order of the data
    assert "amended" not in mixed.spec.model_dump(mode="json")
    strategy = parse_strategy("llrd+mixout:layers=after_dropout")[0]
    assert strategy.amended({"model_type": "roberta"}) == ("mixout follows the data",)
    assert parse_strategy("mixout")[0].amended({"model_type": "roberta"}) == ()
