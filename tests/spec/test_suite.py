"""Seeds and suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench import StabbenchError, Suite, tasks
from stabbench.suite import find_suites, parse_seeds


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (3, (0, 1, 2)),
        ("3", (0, 1, 2)),
        ("1,2,5", (1, 2, 5)),
        ("0-4", (0, 1, 2, 3, 4)),
        ([7, 3], (7, 3)),
        ("2-3,9", (2, 3, 9)),
    ],
)
def test_seeds(given: object, meant: tuple[int, ...]) -> None:
    assert parse_seeds(given) == meant


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0, "no seeds"),
        (-3, "negative"),
        ("-3", "negative"),
        ([1, -1], "negative"),
        ("1,1", "repeated"),
        ("x", "cannot be read"),
        ("", "cannot be read"),
        ([], "no seeds"),
        ("5-2", "no seeds"),
        (None, "seeds=None are not whole numbers"),
        (2.0, "seeds=2.0 are not whole numbers"),
        (True, "seeds=True are not whole numbers"),
        ([0, True], "not whole numbers"),
        (["1"], "not whole numbers"),
    ],
)
def test_bad_seeds(given: object, message: str) -> None:
    with pytest.raises(StabbenchError, match=message) as error:
        parse_seeds(given)
    assert "->" in str(error.value)


def test_a_suite_checks_itself() -> None:
    assert Suite(task="rte", models=["m"]).tasks == ("rte",)
    assert Suite(task=["a", "b"], models=["m"]).tasks == ("a", "b")
    with pytest.raises(StabbenchError, match="list of models"):
        Suite(task="rte", models="bert")
    with pytest.raises(StabbenchError, match="no seeds"):
        Suite(task="rte", models=["m"], seeds=0)


def test_a_task_stands_for_its_name_and_a_path_for_its_text(toy, tmp_path: Path) -> None:
    toy.register()
    task = tasks.get("toy")
    suite = Suite(task=task, models=[tmp_path])
    assert suite == Suite(task="toy", models=[str(tmp_path)])
    assert (suite.tasks, suite.model_names) == (("toy",), (str(tmp_path),))
    assert Suite(task=["rte", task], models=["m"]).tasks == ("rte", "toy")
    assert len({suite, Suite(task="toy", models=(tmp_path,), seeds=25)}) == 1


def test_suites_are_found_by_folder_file_and_package() -> None:
    ((file, suite),) = find_suites(Path("stabbench.suites.rte"))
    assert suite.tasks == ("rte",)
    assert find_suites(file) == find_suites(file.parent) == [(file, suite)]
    assert {path.parent.name for path, _ in find_suites(Path("stabbench.suites"))} >= {"rte", "mini", "cola"}


@pytest.mark.parametrize("place", ["stabbench.suits.rte", "no.such.package", "suites/nowhere", "../x.y"])
def test_a_place_that_is_not_there(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StabbenchError, match="no folder, no file and no installed package"):
        find_suites(Path(place))
