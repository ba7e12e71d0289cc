"""What seeds do: runs repeated with the same seeds, and runs whose random streams have seeds of their own."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stabbench import statistics
from stabbench.runs import RunRecord
from stabbench.samples.agreement import RunWithPredictions
from stabbench.samples.collection import is_plain
from stabbench.samples.failed import judged_score
from stabbench.spec import Seeds
from stabbench.statistics import Decomposition


@dataclass(frozen=True)
class Repeats:
    """Runs that were repeated with the same seeds.

    Attributes:
        seeds: seeds that were run more than once.
        runs: their runs.
        identical: seeds whose runs agree in every score, loss and array.
        same_seed_std: standard deviation of the score between runs of one seed.
        seed_std: standard deviation of the seeds' own effects; ``None`` with one seed.
        pairwise_disagreement: share of rows on which two runs of one seed differ, if known.
    """

    seeds: int
    runs: int
    identical: int
    same_seed_std: float
    seed_std: float | None
    pairwise_disagreement: float | None


@dataclass(frozen=True)
class Grid:
    """Runs whose head has one seed and whose data order has another.

    Attributes:
        with_order: streams that have the order's seed; the others have the head's.
        heads: seeds of the head, one row each.
        orders: seeds of the data order, one column each.
        scores: rows of scores; ``None`` where there is no run.
        variance: the parts of head and order in the variance; ``None`` where there are none to find.
    """

    with_order: tuple[str, ...]
    heads: tuple[int, ...]
    orders: tuple[int, ...]
    scores: tuple[tuple[float | None, ...], ...]
    variance: Decomposition | None


def repeats(runs: Sequence[RunWithPredictions]) -> tuple[Repeats | None, list[str]]:
    """Return how far runs of one seed are apart, and what it would take to say."""
    by_seeds: dict[Seeds, list[RunWithPredictions]] = defaultdict(list)
    for run in runs:
        if run.record.spec is not None:
            by_seeds[run.record.spec.seeds].append(run)
    repeated = [found for found in by_seeds.values() if len(found) > 1]
    if not repeated:
        return None, ["same seed again: no seed was run twice (--stab-replicates 2 does)"]
    scores = statistics.repeatability([[_score(run.record) for run in group] for group in repeated])
    disagreements = [
        statistics.pairwise_disagreement(np.stack(known))
        for group in repeated
        if len(known := [run.predictions for run in group if run.predictions is not None]) > 1
    ]
    found = Repeats(
        seeds=len(repeated),
        runs=sum(map(len, repeated)),
        identical=sum(len({_computed(run.record) for run in group}) == 1 for group in repeated),
        same_seed_std=scores.same_seed,
        seed_std=scores.seed,
        pairwise_disagreement=float(np.mean(disagreements)) if disagreements else None,
    )
    return found, []


def _computed(record: RunRecord) -> tuple[object, ...]:
    return record.status, record.last, record.evaluations, record.train_loss, record.arrays


def _score(record: RunRecord) -> float:
    return judged_score(record).value


def grids(runs: Sequence[RunWithPredictions]) -> tuple[list[Grid], list[str]]:
    """Return a grid for each set of streams that goes with the order, and what it would take to have more.

    Runs with one seed for all streams lie on the diagonal of every grid.
    """
    cells: dict[tuple[str, ...], dict[tuple[int, int], float]] = defaultdict(dict)
    diagonal: dict[tuple[int, int], float] = {}
    elsewhere = 0
    for record in (run.record for run in runs):
        if record.spec is None or record.replicate:
            continue
        seeds = record.spec.seeds
        at = seeds.head, seeds.order
        others = {name: value for name, value in seeds if name not in ("head", "order")}
        if is_plain(record):
            diagonal[at] = _score(record)
        elif seeds.head != seeds.order and set(others.values()) <= set(at):
            cells[tuple(name for name, value in others.items() if value == seeds.order)][at] = _score(record)
        else:
            elsewhere += 1
    missing = []
    if elsewhere:
        missing.append(f"head and order: {elsewhere} runs hold head and order at one seed, or use a third")
    if not cells:
        missing.append(
            "head and order: runs whose streams have seeds of their own "
            "(--stab-seed-streams order,dropout with several --stab-held-seed)"
        )
    found = []
    for with_order, known in sorted(cells.items()):
        grid, why = _grid(with_order, known, diagonal)
        found.append(grid)
        missing += why
    return found, missing


def _grid(
    with_order: tuple[str, ...],
    cells: dict[tuple[int, int], float],
    diagonal: dict[tuple[int, int], float],
) -> tuple[Grid, list[str]]:
    known = diagonal | cells
    heads = sorted({head for head, _ in cells})
    orders = sorted({order for _, order in cells} | {s for s in heads if all((h, s) in known for h in heads)})
    scores = tuple(tuple(known.get((head, order)) for order in orders) for head in heads)
    holes = [at for at in itertools.product(heads, orders) if at not in known]
    variance, missing = None, []
    if holes:
        missing.append(
            f"head and order: {len(holes)} of {len(heads) * len(orders)} runs of the grid are missing, the "
            f"first has head seed {holes[0][0]} and order seed {holes[0][1]}"
        )
    elif min(len(heads), len(orders)) < 2:
        missing.append("head and order: a second seed of both (--stab-held-seed N once more)")
    else:
        variance = statistics.decompose(np.asarray(scores, dtype=np.float64))
        if variance is None:
            missing.append("head and order: scores that vary by more than one of the two")
    return Grid(with_order, tuple(heads), tuple(orders), scores, variance), missing
