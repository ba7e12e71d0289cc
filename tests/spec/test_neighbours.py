"""Files imported by path have each their own neighbours, whatever is called the same elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from stabbench.registry import import_file
from stabbench.suite import find_suites

METHOD = """
import json
import os.path
from dataclasses import dataclass

import helper
import tools.numbers
from helper import NAME, again
from stabbench.strategies import Strategy
from tools import numbers as counted
from tools.numbers import NUMBER

@dataclass
class Method(Strategy):
    def recipe(self, recipe):
        import later
        return recipe.change(epochs=later.EPOCHS)
"""


def write(folder: Path, name: str, epochs: int) -> Path:
    """Write a method that consists of several files, called as those of any other."""
    (folder / "tools").mkdir(parents=True)
    (folder / "helper.py").write_text(
        f"import deeper\nNAME = {name!r}\ndef again():\n    return deeper.NAME\n"
    )
    (folder / "deeper.py").write_text(f"from helper_of_helper import *\nNAME = {name!r} + LAST\n")
    (folder / "helper_of_helper.py").write_text("LAST = '!'\n")
    (folder / "tools" / "__init__.py").write_text("")
    (folder / "tools" / "numbers.py").write_text(f"from . import more\nimport helper\nNUMBER = {epochs}\n")
    (folder / "tools" / "more.py").write_text("MORE = 1\n")
    (folder / "later.py").write_text(f"EPOCHS = {epochs}\n")
    (folder / "json.py").write_text("raise ImportError('the standard library has the name')\n")
    (folder / "method.py").write_text(METHOD)
    return folder / "method.py"


def seen(module: ModuleType) -> tuple[object, ...]:
    helper = module.helper
    return helper.NAME, module.NAME, module.again(), module.tools.numbers.NUMBER, module.counted.NUMBER


@pytest.mark.parametrize("elsewhere", [False, True])
def test_two_files_with_neighbours_of_the_same_names(
    toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: bool
) -> None:
    first, second = write(tmp_path / "one", "one", 2), write(tmp_path / "two", "two", 3)
    if elsewhere:  # as when pytest, or `python -m`, has put a folder on the path
        (tmp_path / "helper.py").write_text("NAME = 'elsewhere'\n")
        monkeypatch.syspath_prepend(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    one, two = import_file(first), import_file(second)
    assert seen(one) == ("one", "one", "one!", 2, 2)
    assert seen(two) == ("two", "two", "two!", 3, 3)
    assert one.tools.numbers.helper is one.helper
    assert import_file(first) is one
    assert import_file(tmp_path / "one" / "helper.py") is one.helper
    assert sys.path == path
    assert not {name for name in set(sys.modules) - modules if name.split(".")[0] in ("helper", "tools")}

    groups = [toy.group(f"{file}:Method") for file in (first, second)]
    assert [group.requests[0].work.recipe.epochs for group in groups] == [2, 3]
    assert len({group.requests[0].work.strategy.source for group in groups}) == 2


def test_an_edit_that_the_clock_does_not_see_counts(tmp_path: Path) -> None:
    """Bytecode is told by time and size: a file of the same size, edited at once, would run as it was."""
    helper, method = tmp_path / "helper.py", tmp_path / "method.py"
    method.write_text("import helper\nprint(helper.RATE)\n")
    code = f"import pathlib, stabbench.registry as r; r.import_file(pathlib.Path({str(method)!r}))"
    printed = []
    for rate in ("0.1", "0.2"):
        helper.write_text(f"RATE = {rate}\n")
        os.utime(helper, (1_000_000_000, 1_000_000_000))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        printed.append(done.stdout.strip())
    assert printed == ["0.1", "0.2"]


def test_suites_with_neighbours_of_the_same_name_are_planned_together(toy, tmp_path: Path) -> None:
    for name, seeds in (("one", 2), ("two", 3)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "seeds_of.py").write_text(f"SEEDS = {seeds}\n")
        suite = toy.suite_file(seeds=0).replace("seeds=0", "seeds=SEEDS")
        (folder / "test_it.py").write_text(f"from seeds_of import SEEDS\n{suite}")
    assert [suite.seeds for _, suite in find_suites(tmp_path)] == [2, 3]
