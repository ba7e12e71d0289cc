"""Keys: equal specifications have equal keys, and every field counts."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stabbench.recipe import Recipe
from stabbench.spec import ModelSpec, RunSpec, Seeds, StrategySpec, TaskSpec, stream_seed
from stabbench.stored import canonical_json, digest


def make_spec(**changes: object) -> RunSpec:
    fields: dict[str, object] = {
        "task": TaskSpec(name="rte", metric="accuracy", n_train=2490, n_dev=277, n_labels=2, fingerprint="f"),
        "model": ModelSpec(name="bert", revision="r"),
        "strategy": StrategySpec(name="ours", label="ours", source="s"),
        "recipe": Recipe(),
        "seeds": Seeds.all(0),
    }
    return RunSpec(**{**fields, **changes})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_canonical_json_survives_a_round_trip(value: object) -> None:
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_order_of_fields_does_not_count(data: dict[str, object]) -> None:
    assert digest(dict(reversed(list(data.items())))) == digest(data)


def test_nan_has_no_canonical_json() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"x": float("nan")})


def test_a_spec_read_back_has_the_same_key() -> None:
    spec = make_spec(start=make_spec(seeds=Seeds.all(3)))
    assert RunSpec.model_validate_json(spec.model_dump_json()).key == spec.key


def test_a_reseeded_run_has_the_key_that_its_fields_give() -> None:
    first = make_spec(start=make_spec(seeds=Seeds.all(3)))
    seeds = Seeds(head=1, order=22, dropout=333, strategy=0)
    reseeded = first.reseeded(seeds, replicate=4)
    made = make_spec(start=make_spec(seeds=Seeds.all(3)), seeds=seeds, replicate=4)
    assert reseeded == made
    assert reseeded.key == first.key_with(seeds, 4) == made.key
    assert reseeded.reseeded(Seeds.all(0)).key == first.key
    assert reseeded.change(replicate=0).key != made.key


@pytest.mark.parametrize("name", list(Recipe.model_fields))
def test_every_hyperparameter_counts(name: str) -> None:
    changed = {
        "epsilon_placement": "after_correction",
        "bias_correction": False,
        "clip_norm": None,
        "clipping": "per_tensor",
        "precision": "bf16",
        "steps": 77,
        "hidden_dropout": 0.3,
        "attention_dropout": 0.3,
        "classifier_dropout": 0.3,
        "beta1": 0.5,
        "beta2": 0.5,
        "warmup_ratio": 0.5,
    }
    value = changed.get(name, getattr(Recipe(), name))
    if name not in changed:
        value = value * 2
    assert make_spec(recipe=Recipe().change(**{name: value})).key != make_spec().key


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_seeds_make_the_key_and_not_the_group(one: int, other: int) -> None:
    a, b = make_spec(seeds=Seeds.all(one)), make_spec(seeds=Seeds.all(other))
    assert (a.key == b.key) == (one == other)
    assert a.group == b.group


def test_a_start_makes_another_group() -> None:
    assert make_spec(start=make_spec()).group != make_spec().group


def test_the_key_does_not_change_between_processes() -> None:
    program = (
        "from stabbench.spec import *; print(RunSpec(task=TaskSpec(name='t', metric='accuracy', n_train=100,"
        "n_dev=1, n_labels=2, fingerprint='f'), model=ModelSpec(name='m', revision='r'), strategy="
        "StrategySpec(name='s', label='s', source='x'), recipe=Recipe(), seeds=Seeds.all(1)).key)"
    )
    keys = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(keys) == 1


@given(st.integers(0, 2**40), st.sampled_from(["head", "order", "dropout", "strategy"]))
def test_stream_seeds_differ_between_streams(seed: int, stream: str) -> None:
    found = {stream_seed(seed, name) for name in ("head", "order", "dropout", "strategy", "a new one")}
    assert len(found) == 5
    assert all(0 <= value < 2**63 for value in found)


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "updates", "warmup"),
    [(2490, 16, 3, 468, 46), (2490, 16, 20, 3120, 312), (3668, 16, 3, 690, 69), (8551, 16, 3, 1605, 160)],
)
def test_updates_of_the_papers_tasks(rows: int, batch: int, epochs: int, updates: int, warmup: int) -> None:
    recipe = Recipe(batch_size=batch, epochs=epochs)
    assert recipe.total_updates(rows) == updates
    assert recipe.warmup_updates(rows) == warmup


def test_steps_override_epochs() -> None:
    assert Recipe(steps=400).total_updates(2490) == 400


def test_a_recipe_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="momentum"):
        Recipe().change(momentum=0.9)
    with pytest.raises(ValidationError, match="learning_rate"):
        Recipe().change(learning_rate=-1)
