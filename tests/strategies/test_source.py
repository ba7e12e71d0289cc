"""The source digest: a method that is edited has new runs, a comment has not, nor has anybody else."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from stabbench.errors import StabbenchError
from stabbench.strategies import REGISTRY, Strategy
from stabbench.strategies.catalog import parse_strategy, source_digest
from stabbench.strategies.source import class_digest, normalised

METHOD = '''"""A method."""
from dataclasses import dataclass
from stabbench.strategies import Strategy
from neighbour import SCALE
import math
import typing

@dataclass
class Mine(Strategy):
    """What it does."""

    summary = "one line"
    width: float = 2.0  # in words

    def loss(self, model, batch, step):
        """Return it."""
        from stabbench.strategies.base import Step
        total = model(**batch).loss * SCALE
        return total * math.cos(0.0)
'''
NEIGHBOUR = "import distant\nSCALE = distant.ONE * 2\n"


def digest(folder: Path, files: dict[str, str]) -> str:
    """Return the digest of `Mine` in a folder of its own with these files."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    for name in ("neighbour", "distant"):
        sys.modules.pop(name, None)
    found = sys.path.copy()
    sys.path.insert(0, str(folder))
    try:
        strategy, _ = parse_strategy(f"{folder / 'mine.py'}:Mine")
        return source_digest(strategy)
    finally:
        sys.path[:] = found


FILES = {"mine.py": METHOD, "neighbour.py": NEIGHBOUR, "distant.py": "ONE = 1.0\n", "other.py": "X = 1\n"}


@pytest.fixture
def original(tmp_path: Path) -> str:
    return digest(tmp_path / "original", FILES)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "# in words", "# in other words"),
        ("mine.py", '"""A method."""', ""),
        ("mine.py", '"""What it does."""', '"""Something else."""'),
        ("mine.py", '"""Return it."""', "# nothing"),
        ("mine.py", '"one line"', '"another line"'),
        ("mine.py", "self, model, batch, step", "self,\n             model, batch, step"),
        ("mine.py", "model, batch, step):", "model: object, batch, step: 'Step') -> 'Loss':"),
        ("mine.py", "total = model", "total: 'Loss' = model"),
        ("mine.py", "width: float = 2.0", "width: int | float = 2.0"),
        ("mine.py", "import math", "import math\nfrom stabbench.spec import Recipe"),
        ("mine.py", "import math", "import math\nimport stabbench.spec"),
        ("mine.py", "from stabbench.strategies import", "from stabbench.strategies.base import"),
        ("mine.py", "        from stabbench.strategies.base import Step\n", ""),
        ("mine.py", "import typing", "import typing\nif typing.TYPE_CHECKING:\n    from torch import nn"),
        ("neighbour.py", "import distant\n", "# far away\nimport distant\n\n"),
        ("other.py", "X = 1", "X = 2"),  # nobody imports it
    ],
)
def test_what_does_not_count(tmp_path: Path, original: str, file: str, old: str, new: str) -> None:
    assert old in FILES[file]
    assert digest(tmp_path / "edited", {**FILES, file: FILES[file].replace(old, new)}) == original


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "width: float = 2.0", "width: float = 3.0"),
        ("mine.py", "* SCALE", "+ SCALE"),
        ("mine.py", "def loss", "def penalty"),
        ("mine.py", "import math", "import cmath as math"),  # by foreign modules
        ("mine.py", "import math", "import math\nimport json"),
        ("mine.py", "import math", "import math\nfrom torch.nn.functional import gelu"),
        ("mine.py", "base import Step", "base import Step as Base"),  # a name of ours that is another here
        ("neighbour.py", "* 2", "* 3"),
        ("distant.py", "1.0", "1.5"),
    ],
)
def test_what_counts(tmp_path: Path, original: str, file: str, old: str, new: str) -> None:
    assert old in FILES[file]
    assert digest(tmp_path / "edited", {**FILES, file: FILES[file].replace(old, new)}) != original


def test_the_place_of_a_file_does_not_count(tmp_path: Path, original: str) -> None:
    (tmp_path / "deep").mkdir()
    assert digest(tmp_path / "deep" / "down", FILES) == original


def test_every_shipped_strategy_has_a_digest_of_its_own() -> None:
    digests = {name: source_digest(parse_strategy(name)[0]) for name in REGISTRY.names()}
    assert len(set(digests.values())) == len(digests)
    assert all(len(found) == 64 for found in digests.values())


def shipped_digest(root: Path, edits: dict[str, str], name: str, cls: str) -> str:
    """Return the digest of a shipped strategy's class after edits of a copy of its room."""
    import stabbench.strategies.source as source

    here = Path(source.__file__).parent
    found: dict[Path, str] = {}
    for path in here.glob("*.py"):
        text = path.read_text() + edits.get(path.stem, "")
        found[path] = text
    read = Path.read_text
    class_digest.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", lambda self, *a, **k: found.get(self) or read(self, *a, **k))
        module = importlib.import_module(f"stabbench.strategies.{name}")
        result = class_digest(getattr(module, cls))
    class_digest.cache_clear()
    return result


@pytest.mark.parametrize(
    ("edited", "own", "others"),
    [
        ("r_drop", {"r_drop", "r3f"}, {"mixout", "swa"}),
        ("mixout", {"mixout"}, {"reinit", "llrd", "devlin"}),
        ("base", set(), {"mixout", "reinit", "r3f", "devlin"}),  # the trainer version stands for it
        ("devlin", {"devlin"}, {"mixout", "bias_correction"}),  # a base gives its recipe: that is in the key
    ],
)
def test_an_edit_renews_those_who_use_it_and_nobody_else(
    tmp_path: Path, edited: str, own: set[str], others: set[str]
) -> None:
    classes = {
        type(parse_strategy(name)[0]).__module__.rpartition(".")[2]: type(parse_strategy(name)[0]).__name__
        for name in REGISTRY.names()
    }
    changed = {
        module
        for module in own | others
        if shipped_digest(tmp_path, {}, module, classes[module])
        != shipped_digest(tmp_path, {edited: "\nEDITED = 1\n"}, module, classes[module])
    }
    assert changed == own


def test_a_combination_is_its_members_in_their_order() -> None:
    one, other = (source_digest(parse_strategy(t)[0]) for t in ("reinit+llrd", "llrd+reinit"))
    assert one != other
    assert one == source_digest(parse_strategy("reinit:layers=2+llrd:decay=0.9")[0])


def test_parameters_are_no_part_of_it() -> None:
    assert source_digest(parse_strategy("mixout:p=0.5")[0]) == source_digest(parse_strategy("mixout")[0])


def test_a_class_that_has_no_file_is_refused() -> None:
    cls = type("Typed", (Strategy,), {"__module__": "nowhere"})
    with pytest.raises(StabbenchError, match="has no source file"):
        class_digest(cls)


def test_a_body_that_was_only_words_stays_a_body() -> None:
    assert normalised('class A:\n    """Words."""\n') == "class A:\n    pass"
    assert normalised("class A:\n    x = 1  # why\n") == "class A:\n    x = 1"


def test_an_annotation_that_a_decorator_reads_counts() -> None:
    text = "@touch.register\ndef _(m: nn.Linear) -> int: return 1\n"
    assert normalised(text) != normalised(text.replace("Linear", "Embedding"))
    plain = "@staticmethod\ndef f(m: nn.Linear) -> int: return 1\n"
    assert normalised(plain) == normalised(plain.replace("Linear", "Embedding"))


def test_a_number_is_no_description() -> None:
    text = "class Conf:\n    paper = 0.5\n    summary = 'a line'\n"
    assert normalised(text) != normalised(text.replace("0.5", "0.9"))
    assert normalised(text) == normalised(text.replace("a line", "another"))
