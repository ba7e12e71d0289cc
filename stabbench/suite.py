"""A suite: the grid of tasks and models that a test file judges, over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.registry import import_file
from stabbench.tasks import Task

__tracebackhide__ = True  # pytest shows the line of the test file, not ours


def parse_seeds(seeds: int | str | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds that a number, a text or a list stands for.

    A number N (or its text) means 0 to N-1; ``"1,2,5"``, ``"0-24"`` and a list mean themselves.

    Raises:
        StabbenchError: when there are none, or one is negative, repeated or not a whole number.
    """
    action = "give a number of seeds (25), a list (1,2,5) or a range (0-24)."
    if isinstance(seeds, str):
        text = seeds.strip()
        try:
            seeds = int(text) if text.lstrip("-").isdigit() else _parse_list(text)
        except ValueError as error:
            raise StabbenchError(f"seeds {text!r} cannot be read.", action) from error
    listed = [seeds] if isinstance(seeds, int) else seeds
    if not isinstance(listed, Iterable) or not all(_is_whole(seed) for seed in listed):
        raise StabbenchError(f"seeds={seeds!r} are not whole numbers.", action)
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


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
        task: a task by its name or as ``local_task`` returns it, or several.
        models: a list of models by registered name, hub id or path (a ``Path``, too).
        seeds: how many seeds (25), or which (``"0-24"``, ``[1, 2, 5]``).
        train_size: number of training rows to sample; ``None`` takes all.
        stratified: whether the sample keeps the share of each label.
        sample_seed: seed of that sample, 0 or more, the same for all runs.
        failures_at_most: the allowance of the suite's ``few_failures`` gate, a share between 0 and 1, known
            before the runs, so that ``--stab-early-stop`` can leave out seeds once it is certain to be
            exceeded.

    Raises:
        StabbenchError: when there is no task, no model or no seed, or a value is none of these.
    """

    task: str | Task | Sequence[str | Task]
    models: Sequence[str | Path]
    seeds: int | str | Sequence[int] = 25
    train_size: int | None = None
    stratified: bool = False
    sample_seed: int = 0
    failures_at_most: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.seeds, Iterable) and not isinstance(self.seeds, str):
            object.__setattr__(self, "seeds", tuple(self.seeds))  # a suite is hashable
        parse_seeds(self.seeds)
        size, seed, allowed = self.train_size, self.sample_seed, self.failures_at_most
        share = allowed is None or (isinstance(allowed, float) and 0 < allowed < 1)
        tasks, models = self.tasks, self.model_names
        self._check("task", bool(tasks), 'name a task, task="rte", or several, task=["rte", "mrpc"].')
        self._check("models", bool(models), 'give a list of models, models=["bert-large-uncased"].')
        self._check("train_size", size is None or _is_whole(size), "give a number of rows, 240, or None.")
        self._check("stratified", isinstance(self.stratified, bool), "write True or False.")
        self._check("sample_seed", _is_whole(seed) and seed >= 0, "give a whole number, 0 or more.")
        self._check("failures_at_most", share, "give the share that few_failures allows, such as 0.2.")
        object.__setattr__(self, "task", tasks[0] if isinstance(self.task, str | Task) else tasks)
        object.__setattr__(self, "models", models)

    def _check(self, name: str, is_sound: bool, action: str) -> None:
        if not is_sound:
            raise StabbenchError(f"{name}={getattr(self, name)!r} is not possible in a suite.", action)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks."""
        alone = isinstance(self.task, str | Task)
        return _names((self.task,) if alone else self.task, (str, Task))

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models' registered names, hub ids and paths."""
        return _names(self.models, (str, Path))


def _names(given: object, kinds: tuple[type, ...]) -> tuple[str, ...]:
    """Return the names of a list of tasks or models; none if it is something else."""
    found = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()
    if not all(isinstance(thing, kinds) for thing in found):
        return ()
    return tuple(thing.name if isinstance(thing, Task) else str(thing) for thing in found)


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
