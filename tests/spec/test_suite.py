"""Seeds and suites."""

from __future__ import annotations

import pytest

from stabbench import StabbenchError, Suite
from stabbench.suite import parse_seeds


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
