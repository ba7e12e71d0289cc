"""Models that share their last name are told apart: node ids, run items, groups, rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench.pytest_plugin.refs import short_names
from stabbench.runs import Store
from tests.pytest_plugin.conftest import Project
from tests.toy import save_tiny_model


@pytest.fixture
def checkpoints(instant: Project) -> list[str]:
    """Two checkpoints with one last name, as trainers write them."""
    folders = [instant.folder / name / "checkpoint-500" for name in ("runA", "runB")]
    shutil.copytree(instant.toy.model, folders[0])
    save_tiny_model(folders[1], layers=1)
    return [str(folder.relative_to(instant.folder)) for folder in folders]


def test_two_checkpoints_with_one_last_name(instant: Project, checkpoints: list[str]) -> None:
    chosen = [word for folder in checkpoints for word in ("--stab-model", folder)]
    listed = instant.run(*chosen, "--collect-only", "-q", "suites/toy").output.splitlines()
    for folder in checkpoints:
        for seed in range(3):
            assert f"suites/toy/test_toy.py::suite::run[ours-toy-{folder}-{seed}]" in listed
        assert f"suites/toy/test_toy.py::test_scores[ours-toy-{folder}]" in listed
    assert len(listed) == len(set(listed))

    found = instant.run(*chosen, "-m", "stab_run", "suites/toy")
    assert found.outcomes()["passed"] == 6, found.output
    groups = [record.group for record in Store(instant.folder / ".stabbench").records()]
    assert len(set(groups)) == 2
    assert len(groups) == 6

    judged = instant.run(*chosen, "--stab-replay", "suites/toy").output
    rows = [line.split() for line in judged.splitlines() if line.startswith("ours  ")]
    assert [row[2:4] for row in rows] == [[folder, "3"] for folder in checkpoints]
    for folder in checkpoints:
        assert f"ours on toy with {folder}: INCONCLUSIVE" in judged


def test_a_gate_is_selected_by_its_node_id(instant: Project, checkpoints: list[str]) -> None:
    chosen = [word for folder in checkpoints for word in ("--stab-model", folder)]
    node = f"suites/toy/test_toy.py::test_scores[ours-toy-{checkpoints[1]}]"
    assert instant.run(*chosen, node).outcomes() == {"passed": 1}
    (group,) = {record.group for record in Store(instant.folder / ".stabbench").records()}
    assert group


def test_a_folder_named_twice_is_one_model(instant: Project, checkpoints: list[str]) -> None:
    twice = [checkpoints[0], f"./runB/../{checkpoints[0]}"]
    chosen = [word for folder in twice for word in ("--stab-model", folder)]
    found = instant.run(*chosen, "-m", "stab_run", "suites/toy")
    assert found.outcomes()["passed"] == 3, found.output


def test_keys_and_names_do_not_depend_on_the_neighbours(instant: Project, checkpoints: list[str]) -> None:
    instant.run("--stab-model", checkpoints[0], "suites/toy")
    alone = Store(instant.folder / ".stabbench").keys()
    instant.run(*(w for folder in checkpoints for w in ("--stab-model", folder)), "suites/toy")
    assert set(alone) < set(Store(instant.folder / ".stabbench").keys())
    assert {run.model for run in Store(instant.folder / ".stabbench").records()} == {"checkpoint-500"}


def test_hub_ids_with_one_last_name() -> None:
    found = short_names(["one/bert", "two/bert", "mini-bert", "bert"])
    assert found == {"one/bert": "one/bert", "two/bert": "two/bert", "mini-bert": "mini-bert", "bert": "bert"}
    assert short_names(["google/bert"]) == {"google/bert": "bert"}


PART = st.sampled_from(["a", "b", "checkpoint-500"])


@given(st.lists(st.lists(PART, min_size=1, max_size=4).map("/".join), min_size=1, max_size=6, unique=True))
def test_short_names_are_different_and_ends_of_the_long_ones(references: list[str]) -> None:
    found = short_names(references)
    assert len(set(found.values())) == len(references)
    for reference, name in found.items():
        assert Path(reference).parts[-len(Path(name).parts) :] == Path(name).parts
