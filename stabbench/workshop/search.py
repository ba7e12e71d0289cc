"""``stabbench mini search``: where Devlin's recipe breaks on an encoder, and the learning rate that shows it.

The grid is that of Mosbach et al. (2021), Fig. 5: learning rates, with and without bias correction, three
epochs. The edge is sharp and moves with the encoder, so the default learning rate of the shipped one is
what this command found.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.runs import RunRecord, Store
from stabbench.suite import Suite

TASKS = ("mini-cola", "mini-rte", "mini-mrpc")
RATES = (2e-4, 4e-4, 4.5e-4, 5e-4, 8e-4, 1.6e-3, 2.4e-3)
SEEDS = 10
STRATEGIES = {False: "devlin", True: "bias-correction"}
BAND = (0.3, 0.8)
"""Share of failed runs without bias correction at which a learning rate tells strategies apart."""


@dataclass(frozen=True)
class Cell:
    """One learning rate on one task.

    Attributes:
        task: its name.
        learning_rate: the peak.
        without: failed runs, and runs, without bias correction.
        corrected: failed runs, and runs, with it.
    """

    task: str
    learning_rate: float
    without: tuple[int, int]
    corrected: tuple[int, int]

    @property
    def tells_apart(self) -> bool:
        """Whether the share without correction lies in ``BAND``, and correction at least halves it."""
        without, corrected = (failed / runs for failed, runs in (self.without, self.corrected))
        return BAND[0] <= without <= BAND[1] and corrected <= without / 2


def cells(records: Iterable[RunRecord]) -> list[Cell]:
    """Count the failed runs of a grid, by task and learning rate."""
    from stabbench.samples.failed import is_failed

    counts: dict[tuple[str, float], dict[bool, list[bool]]] = {}
    for record in records:
        assert record.fine_tuning is not None
        recipe = record.fine_tuning.recipe
        cell = counts.setdefault((record.task, recipe.learning_rate), {False: [], True: []})
        cell[recipe.bias_correction].append(is_failed(record))
    return [
        Cell(task, rate, (sum(cell[False]), len(cell[False])), (sum(cell[True]), len(cell[True])))
        for (task, rate), cell in sorted(counts.items())
        if cell[False] and cell[True]
    ]


def chosen_rate(grid: Sequence[Cell]) -> float | None:
    """Return the learning rate that tells strategies apart on most tasks; ``None`` if on none.

    Among equals it is that whose share of failed runs without correction, over all tasks, is nearest to the
    middle of ``BAND``.
    """
    rates = sorted({cell.learning_rate for cell in grid})
    best: tuple[int, float, float] | None = None
    for rate in rates:
        here = [cell for cell in grid if cell.learning_rate == rate]
        telling = sum(cell.tells_apart for cell in here)
        share = sum(cell.without[0] for cell in here) / sum(cell.without[1] for cell in here)
        candidate = (telling, -abs(share - sum(BAND) / 2), rate)
        if telling and (best is None or candidate > best):
            best = candidate
    return None if best is None else best[2]


def edges(grid: Sequence[Cell], task: str) -> tuple[float | None, float | None]:
    """Return the lowest rate at which runs fail without correction, and the highest that it bears with.

    The second is the highest rate without a failed run among those with correction.
    """
    here = [cell for cell in grid if cell.task == task]
    breaks = [cell.learning_rate for cell in here if cell.without[0]]
    bears = [cell.learning_rate for cell in here if not cell.corrected[0]]
    return min(breaks, default=None), max(bears, default=None)


def edge_line(grid: Sequence[Cell], task: str) -> str:
    """Return both edges of a task in a sentence; "it" is bias correction."""
    breaks, bears = edges(grid, task)
    without = "none fails without it" if breaks is None else f"runs fail from {breaks:g} without it"
    corrected = (
        "some fail with it at every rate"
        if bears is None
        else f"with it {bears:g} is the highest rate at which none fails"
    )
    times = f", {bears / breaks:.2g} times as high" if breaks and bears else ""
    return f"{task}: {without}; {corrected}{times}"


def table(grid: Sequence[Cell]) -> str:
    """Return the grid as Markdown: failed runs without and with bias correction, tasks by rates."""
    from tabulate import tabulate

    rates = sorted({cell.learning_rate for cell in grid})
    at = {(cell.task, cell.learning_rate): cell for cell in grid}
    rows = []
    for task in sorted({cell.task for cell in grid}):
        for kind, name in (("without", "without"), ("corrected", "with")):
            found = [at.get((task, rate)) for rate in rates]
            rows.append(
                [task, name, *("" if c is None else "{}/{}".format(*getattr(c, kind)) for c in found)]
            )
    headers = ["task", "bias correction", *(f"{rate:g}" for rate in rates)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stabbench mini search``."""
    parser.add_argument("--model", default="mini-bert", help="a name or a folder; default: mini-bert")
    parser.add_argument("--task", action="append", choices=TASKS, help="only this task; repeatable")
    parser.add_argument("--store", type=Path, default=Path(".stabbench/search"), help="where runs are kept")
    parser.add_argument(
        "--archive", type=Path, default=Path("baselines/mini-grid.runs.jsonl.gz"), help="file for the runs"
    )
    parser.add_argument("--workers", type=int, default=2, help="runs in flight; default: 2")


def run(arguments: argparse.Namespace) -> int:
    """Train what the grid lacks, print it, and name the learning rate."""
    from stabbench.samples.archive import read_archive, write_archive
    from stabbench.samples.collection import Collection
    from stabbench.workshop.pool import train_all

    requests: list[Request] = []
    for rate in RATES:
        options = PlanOptions(overrides={"learning_rate": rate})
        for task in arguments.task or TASKS:
            suite = Suite(task=task, models=[arguments.model], seeds=SEEDS)
            for strategy in STRATEGIES.values():
                requests += plan_group(suite, task, arguments.model, strategy, options).requests
    archived = read_archive(arguments.archive).records if arguments.archive.exists() else ()
    known = {record.key: record for record in archived}
    missing = [request for request in requests if request.spec.key not in known]
    train_all(missing, arguments.store, arguments.workers)
    store = Store(arguments.store)
    found = [known.get(request.spec.key) or store.read(request.spec.key) for request in requests]
    records = [record for record in found if record is not None]
    write_archive(Collection.of(records), arguments.archive)
    grid = cells(records)
    print(f"Failed runs over learning rates, {SEEDS} seeds, three epochs:\n\n{table(grid)}\n")
    for task in arguments.task or TASKS:
        print(edge_line(grid, task))
    print(f"learning rate that tells strategies apart on most tasks: {chosen_rate(grid)}")
    return 0
