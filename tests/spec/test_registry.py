"""The registry: names, files, suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.registry import Registry, import_file


@pytest.fixture
def registry() -> Registry[object]:
    return Registry("thing", "stabbench.tests.nothing")


def test_a_registered_thing_is_found(registry: Registry[object]) -> None:
    thing = object()
    registry.register("one")(thing)
    assert registry.get("one") is thing
    assert registry.names() == ["one"]


def test_a_name_is_taken_once(registry: Registry[object]) -> None:
    registry.register("one")(object())
    with pytest.raises(StabbenchError, match="already a thing called 'one'"):
        registry.register("one")(object())


def test_a_name_of_the_project_is_taken() -> None:
    from stabbench.strategies import strategy

    with pytest.raises(StabbenchError, match="already a strategy called 'ours'"):
        strategy("ours")(object)


def test_an_unknown_name_suggests_the_near_one(registry: Registry[object]) -> None:
    registry.register("mixout")(object())
    with pytest.raises(UnknownNameError, match="did you mean 'mixout'"):
        registry.get("mixuot")


def test_a_file(registry: Registry[object], tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("THING = 3\n")
    assert registry.get(f"{file}:THING") == 3
    with pytest.raises(UnknownNameError, match="did you mean 'THING'"):
        registry.get(f"{file}:THNIG")
    with pytest.raises(StabbenchError, match="does not exist"):
        registry.get(f"{tmp_path}/other.py:THING")


def test_a_file_that_raises(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("1 / 0\n")
    with pytest.raises(StabbenchError, match="cannot be imported: ZeroDivisionError"):
        import_file(file)
