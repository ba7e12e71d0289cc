"""The work of a run is fine-tuning or somebody's own command; both are kept, grouped and judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import stabbench
from stabbench.recipe import Recipe
from stabbench.runs import RunRecord, Score, Store
from stabbench.spec import Command, Names, RunSpec, Seeds
from stabbench.stored import digest
from tests.spec.test_spec import make_spec

NAMES = Names(task="tickets", model="sft", strategy="lora8", metric="accuracy", n_dev=100)
texts = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)


def command(seed: int = 0, **changes: object) -> RunSpec:
    work = Command(**{"names": NAMES, "template": "python sft.py --seed {seed}", **changes})
    return RunSpec(work=work, seeds=Seeds.all(seed))


def test_fine_tuning_is_written_as_in_the_first_format() -> None:
    data = json.loads(make_spec().model_dump_json())
    assert data.keys() == {
        "format", "trainer", "task", "model", "strategy", "recipe", "start", "seeds", "replicate"
    }  # fmt: skip


def test_a_command_is_written_with_its_kind() -> None:
    data = command().model_dump(mode="json")
    assert data["work"] == {
        "kind": "command", "names": NAMES.model_dump(), "template": "python sft.py --seed {seed}"
    }  # fmt: skip


@given(texts, texts, st.text(), st.integers(0, 2**31))
def test_a_command_read_back_has_the_same_key(
    inputs: dict[str, str], environment: dict[str, str], arguments: str, seed: int
) -> None:
    spec = command(seed, inputs=inputs, environment=environment, arguments=arguments)
    text = spec.model_dump_json()
    assert RunSpec.model_validate_json(text) == spec
    assert digest(json.loads(text)) == spec.key
    assert spec.change(seeds=Seeds.all(seed + 1)).group == spec.group
    assert spec.change(arguments=arguments + "x").group != spec.group


def test_what_does_not_fit_the_work_is_refused() -> None:
    with pytest.raises(ValidationError, match="recipe"):
        command().change(recipe=Recipe())
    with pytest.raises(ValidationError, match="template"):
        make_spec().change(template="x")
    with pytest.raises(ValidationError, match="warm-up"):
        make_spec().change(recipe=make_spec().fine_tuning.recipe.model_copy(update={"warmup_ratio": 1.0}))
    with pytest.raises(TypeError, match="command is no fine-tuning"):
        _ = command().fine_tuning


def test_runs_of_a_command_are_kept_grouped_and_judged(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(25):
        score = Score(value=0.8 + seed / 1000 if seed else 0.5, step=1)
        store.write(
            RunRecord.of(
                command(seed),
                constant=0.5,
                status="completed",
                last=score,
                best=score,
                created="2026-11-27T00:00:00+00:00",
            )
        )
    (group,) = stabbench.load(tmp_path).groups()
    assert (group.task, group.model, group.strategy, group.failed_seeds) == ("tickets", "sft", "lora8", (0,))
    assert group.few_failures(at_most=0.2)
