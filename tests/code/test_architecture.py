"""The rooms of the house: who knows whom, as docs/architecture.md says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.code.imports import PACKAGE, ROOT, circles, graph, modules, room

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ABOVE_ALL = {"stabbench", "__main__"}


def rules() -> dict[str, set[str]]:
    """Return the table of docs/architecture.md: which rooms a room may know."""
    found = {}
    for name, _, known in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE):
        found[name] = set() if known == "nothing" else set(known.split(", "))
    return found


def arrows() -> dict[str, set[tuple[str, str]]]:
    """Return what each room takes from other rooms, as (module, module)."""
    found: dict[str, set[tuple[str, str]]] = {}
    for module, known in graph().items():
        for other in known:
            if room(module) != room(other):
                found.setdefault(room(module), set()).add((module, other))
    return found


def test_every_room_is_in_the_table() -> None:
    there = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()
    }
    assert there - ABOVE_ALL - {"__init__"} <= rules().keys()


def test_no_room_knows_what_it_must_not() -> None:
    table = rules()
    wrong = [
        f"{module} imports {other}"
        for name, taken in arrows().items()
        for module, other in sorted(taken)
        if name not in ABOVE_ALL and room(other) not in table[name]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rules_themselves_have_an_order() -> None:
    order = list(rules())
    upward = [
        (name, known)
        for name, all_known in rules().items()
        for known in all_known - ABOVE_ALL
        if order.index(known) > order.index(name)
    ]
    assert not upward


def test_no_circle() -> None:
    assert not circles(graph())


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


HEAVY = "[name for name in ('torch', 'scipy', 'sklearn') if name in sys.modules]"


@pytest.mark.parametrize("module", ["stabbench", "stabbench.pytest_plugin", "stabbench.cli"])
def test_what_everybody_imports_is_light(module: str) -> None:
    code = f"import sys, {module}; print({HEAVY})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_trainer_alone_imports_torch_at_the_top() -> None:
    importing = {
        room(module)
        for module, path in modules().items()
        if re.search(r"^(import torch|from torch)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"training", "workshop"}


def test_the_files_that_the_page_names_are_there() -> None:
    named = re.findall(
        r"`((?:tests|examples|pytest_plugin|training|runs|commands|leaderboard|models)/[\w/.]+\.py)`", PAGE
    )
    missing = [name for name in named if not ((ROOT / name).exists() or (PACKAGE / name).exists())]
    assert named
    assert not missing
