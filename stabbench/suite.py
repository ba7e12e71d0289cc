"""A suite: the grid of tasks and models that a test file judges, over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.registry import import_file


def parse_seeds(seeds: int | str | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds that a number, a text or a list stands for.

    A number N (or its text) means 0 to N-1; ``"1,2,5"``, ``"0-24"`` and a list mean themselves.

    Raises:
        StabbenchError: when there are none, or one is negative, repeated or not a number.
    """
    action = "give a number of seeds (25), a list (1,2,5) or a range (0-24)."
    if isinstance(seeds, str):
        text = seeds.strip()
        try:
            seeds = int(text) if text.lstrip("-").isdigit() else _parse_list(text)
        except ValueError as error:
            raise StabbenchError(f"seeds {text!r} cannot be read.", action) from error
    found = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if (isinstance(seeds, int) and seeds < 0) or any(seed < 0 for seed in found):
        raise StabbenchError(f"seeds {seeds!r} are negative.", action)
    if max(found, default=0) >= 2**63:
        raise StabbenchError(f"seed {max(found)} is too large.", "give seeds below 2**63.")
    if not found:
        raise StabbenchError("there are no seeds to run.", action)
    if len(set(found)) != len(found):
        repeated = sorted({seed for seed in found if found.count(seed) > 1})
        raise StabbenchError(f"seed {repeated[0]} is repeated.", "name each seed once.")
    return found


def _parse_list(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        found += range(int(first), int(last) + 1) if dash else [int(first)]
    return found


@dataclass(frozen=True)
class Suite:
    """What to fine-tune and how often; put one at the top of a test file.

    Every test function of the file that takes the fixture ``stability`` becomes a gate, once for each
    task, model and strategy.

    Args:
        task: a task's name, or several.
        models: models by registered name, hub id or path.
        seeds: how many seeds (25), or which (``"0-24"``, ``[1, 2, 5]``).
        train_size: number of training rows to sample; ``None`` takes all.
        stratified: whether the sample keeps the share of each label.
        sample_seed: seed of that sample, the same for all runs.
        failures_at_most: the allowance of the suite's ``few_failures`` gate, known before the runs, so that
            ``--stab-early-stop`` can leave out seeds once it is certain to be exceeded.

    Raises:
        StabbenchError: when there is no task, no model or no seed, or the allowance is not a share.
    """

    task: str | Sequence[str]
    models: Sequence[str]
    seeds: int | str | Sequence[int] = 25
    train_size: int | None = None
    stratified: bool = False
    sample_seed: int = 0
    failures_at_most: float | None = None

    def __post_init__(self) -> None:
        parse_seeds(self.seeds)
        for name in ("task", "models", "seeds"):  # a suite is hashable
            value = getattr(self, name)
            if not isinstance(value, int | str):
                object.__setattr__(self, name, tuple(value))
        if not self.tasks or not self.models or isinstance(self.models, str):
            raise StabbenchError(
                f"a suite needs a task and a list of models, not {self.task!r} and {self.models!r}.",
                'write Suite(task="rte", models=["bert-large-uncased"], seeds=25).',
            )

        if self.failures_at_most is not None and not 0 < self.failures_at_most < 1:
            raise StabbenchError(
                f"failures_at_most={self.failures_at_most!r} is not between 0 and 1.",
                "give the share that few_failures allows, such as 0.2.",
            )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        return (self.task,) if isinstance(self.task, str) else tuple(self.task)


def find_suites(place: Path) -> list[tuple[Path, Suite]]:
    """Return suites with the files that they stand in.

    Args:
        place: a folder, a file, or the name of an installed package (``stabbench.suites.rte``), as after
            pytest's ``--pyargs``.

    Raises:
        StabbenchError: when there is no such place, or a file cannot be imported.
    """
    if not place.exists():
        package = _folder_of_package(str(place))
        if package is None:
            raise StabbenchError(
                f"{place} is no folder, no file and no installed package.",
                "name a suite's; `stabbench ls --suites` lists them.",
            )
        place = package
    files = sorted(place.rglob("test_*.py")) if place.is_dir() else [place]
    found = []
    for file in files:
        module = import_file(file)
        found += [(file, thing) for thing in vars(module).values() if isinstance(thing, Suite)]
    return found


def _folder_of_package(name: str) -> Path | None:
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # of a package above it
        return None
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(folders[0]) if folders else None
