"""What the runs of one group show besides their gates: agreement, repeated seeds, where the variance is from.

Nothing here is a verdict. ``docs/analyse.md`` says what each number means and where it comes from.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from stabbench import statistics
from stabbench.runs import Arrays, RunRecord
from stabbench.samples.comparison import check_comparable
from stabbench.samples.failed import is_collapsed
from stabbench.samples.stability import Stability
from stabbench.spec import Seeds
from stabbench.statistics import Decomposition

Interval = tuple[float, float]


@dataclass(frozen=True)
class RunWithPredictions:
    """A record and what its model says of every dev row at the end of training, as far as it was kept.

    Attributes:
        record: the run.
        predictions: predicted class [n_dev].
        probabilities: of every class [n_dev, n_labels].
        labels: the true classes [n_dev].
    """

    record: RunRecord
    predictions: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None
    labels: NDArray[np.int64] | None = None

    @classmethod
    def from_arrays(cls, record: RunRecord, arrays: Arrays) -> RunWithPredictions:
        """Return a run with what a store keeps of it; a diverged run has no predictions."""
        logits = arrays.get("logits")
        if logits is None:
            return cls(record)
        probabilities = np.asarray(scipy.special.softmax(logits.astype(np.float64), axis=1))
        return cls(record, logits.argmax(axis=1), probabilities, arrays.get("dev_labels"))


@dataclass(frozen=True)
class Scores:
    """The scores of all runs, as fractions; ``None`` where there are too few runs to say.

    Attributes:
        failed: runs no better than the constant classifier.
        collapsed: runs that learned nothing, whatever their score; ``None`` where a record cannot tell.
        interquartile_mean: mean of the middle half.
        std: standard deviation (ddof = 1).
        failure_rate: two-sided 95 % intervals of the rate of failed runs, by method.
    """

    runs: int
    failed: int
    collapsed: int | None
    mean: float
    median: float
    interquartile_mean: float
    std: float | None
    std_of_successes: float | None
    min: float
    max: float
    failure_rate: dict[str, Interval]


@dataclass(frozen=True)
class Agreement:
    """How far the predictions of several runs agree; ``None`` where the records lack what it takes.

    Attributes:
        runs: the runs with predictions.
        per_point_stability: variance over runs of "is this row right", mean over rows.
        churn_ratio: variance of the accuracy over what rows that flip on their own would give.
        pairwise_disagreement: share of rows on which two runs differ.
        fleiss_kappa: agreement beyond chance.
        jensen_shannon: divergence of two runs' probabilities, nats.
        right_in: number of rows that are right in 0, 1, ... all runs.
    """

    runs: int
    per_point_stability: float | None
    churn_ratio: float | None
    pairwise_disagreement: float
    fleiss_kappa: float | None
    jensen_shannon: float | None
    right_in: tuple[int, ...] | None


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


@dataclass(frozen=True)
class Analysis:
    """All that can be said of a group of runs.

    Attributes:
        all_runs: agreement of all runs.
        successes: agreement of those that did not fail; ``None`` where none failed.
        missing: what could not be computed, and what it would take.
    """

    task: str
    model: str
    strategy: str
    group: str
    scores: Scores | None
    all_runs: Agreement | None
    successes: Agreement | None
    repeats: Repeats | None
    grids: tuple[Grid, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Contrast:
    """Two groups of runs, by their scores alone.

    Attributes:
        probability_of_improvement: that a run of the first beats one of the second, ties counted half.
        spread_statistic: signed Brown-Forsythe t over all runs; above 0: the first spreads more.
        spread_p_value: one-sided, of "the first spreads more", by permutation.
    """

    first: str
    second: str
    task: str
    model: str
    probability_of_improvement: float
    spread_statistic: float
    spread_p_value: float


def analyse(runs: Sequence[RunWithPredictions]) -> Analysis:
    """Return what the runs of one group show.

    Args:
        runs: at least one; all of one group, replicates and runs with seeds per stream among them.
    """
    first = runs[0].record
    missing: list[str] = []
    plain = [run for run in runs if run.record.replicate == 0 and _has_one_seed(run.record)]
    sample = Stability.from_records(run.record for run in plain) if plain else None
    if sample is None:
        missing.append("scores: no run has one seed for all its random streams")
    all_runs = _agreement(plain, missing)
    successes = None
    if all_runs and sample and sample.failed:
        good = [run for run in plain if run.record.seed not in sample.failed_seeds]
        successes = _agreement(good, []) if len(good) > 1 else None
    return Analysis(
        task=first.task,
        model=first.model,
        strategy=first.strategy,
        group=first.group,
        scores=_scores(sample) if sample else None,
        all_runs=all_runs,
        successes=successes,
        repeats=_repeats(runs, missing),
        grids=tuple(_grids(runs, missing)),
        missing=tuple(missing),
    )


def contrast(first: Stability, second: Stability) -> Contrast:
    """Return how two groups of scores compare, failed runs included.

    Raises:
        Incomplete: when a run is missing.
        NotComparable: when they were not scored on the same data with the same metric.
    """
    a, b = first.sample.scores, second.sample.scores
    check_comparable(first.runs, second.runs, model=False)
    t, p = statistics.permutation_spread_test(a, b, np.random.default_rng(0))
    better = statistics.probability_of_improvement(a, b)
    return Contrast(str(first), str(second), first.task, first.model, better, t, p)


def _has_one_seed(record: RunRecord) -> bool:
    return record.spec is None or record.spec.seeds == Seeds.all(record.seed)


def _scores(sample: Stability) -> Scores:
    scores, k, n = sample.sample.scores, sample.failed, sample.finished
    collapsed = [is_collapsed(run) for run in sample.runs]
    low, high = (float(bound) for bound in statistics.clopper_pearson(k, n, 0.025))
    return Scores(
        runs=n,
        failed=k,
        collapsed=None if None in collapsed else sum(map(bool, collapsed)),
        mean=sample.mean,
        median=sample.median,
        interquartile_mean=statistics.interquartile_mean(scores),
        std=sample.std if n > 1 else None,
        std_of_successes=sample.std_of_successes if n - k > 1 else None,
        min=float(scores.min()),
        max=sample.max,
        failure_rate={
            "Clopper-Pearson": (low, high),
            "Wilson": statistics.wilson(k, n),
            "Jeffreys": statistics.jeffreys(k, n),
        },
    )


def _agreement(runs: Sequence[RunWithPredictions], missing: list[str]) -> Agreement | None:
    known = [run for run in runs if run.predictions is not None]
    if len(known) < 2:
        missing.append(f"agreement: {len(known)} of {len(runs)} runs have predictions, it takes two")
        return None
    if len(known) < len(runs):
        missing.append(f"agreement: {len(runs) - len(known)} of {len(runs)} runs have no predictions")
    predictions = np.stack([run.predictions for run in known if run.predictions is not None])
    labels = known[0].labels
    right = None if labels is None else predictions == labels
    stability = churn = None
    if right is not None or known[0].record.dev_counts is not None and len(known[0].record.dev_counts) == 2:
        # with two classes a prediction varies as its being right does, so the labels are not needed
        varying = predictions if right is None else right
        stability = statistics.per_point_stability(varying)
        churn = statistics.churn_ratio([_accuracy(run.record) for run in known], varying)
    else:
        missing.append("per-point stability: the labels of the dev rows, which archives do not keep")
    if right is None:
        missing.append("rows right in how many runs: the labels of the dev rows, which archives do not keep")
    probabilities = [run.probabilities for run in known if run.probabilities is not None]
    if len(probabilities) < len(known):
        missing.append("Jensen-Shannon divergence: the logits, which archives do not keep")
        probabilities = []
    return Agreement(
        runs=len(known),
        per_point_stability=stability,
        churn_ratio=churn,
        pairwise_disagreement=statistics.pairwise_disagreement(predictions),
        fleiss_kappa=statistics.fleiss_kappa(predictions),
        jensen_shannon=statistics.jensen_shannon(np.stack(probabilities)) if probabilities else None,
        right_in=None
        if right is None
        else tuple(int(rows) for rows in np.bincount(right.sum(axis=0), minlength=len(known) + 1)),
    )


def _accuracy(record: RunRecord) -> float:
    """Return the share of right rows, whatever the metric; a run with predictions has its counts."""
    return float(np.trace(np.asarray(record.last.confusion))) / record.n_dev


def _repeats(runs: Sequence[RunWithPredictions], missing: list[str]) -> Repeats | None:
    by_seeds: dict[Seeds, list[RunWithPredictions]] = defaultdict(list)
    for run in runs:
        if run.record.spec is not None:
            by_seeds[run.record.spec.seeds].append(run)
    repeated = [found for found in by_seeds.values() if len(found) > 1]
    if not repeated:
        missing.append("same seed again: no seed was run twice (--stab-replicates 2 does)")
        return None
    found = statistics.repeatability([[run.record.last.value for run in group] for group in repeated])
    disagreements = [
        statistics.pairwise_disagreement(np.stack(known))
        for group in repeated
        if len(known := [run.predictions for run in group if run.predictions is not None]) > 1
    ]
    return Repeats(
        seeds=len(repeated),
        runs=sum(map(len, repeated)),
        identical=sum(all(_computed(run) == _computed(group[0]) for run in group) for group in repeated),
        same_seed_std=found.same_seed,
        seed_std=found.seed,
        pairwise_disagreement=float(np.mean(disagreements)) if disagreements else None,
    )


def _computed(run: RunWithPredictions) -> tuple[object, ...]:
    record = run.record
    return record.status, record.last, record.evaluations, record.train_loss, record.arrays


def _grids(runs: Sequence[RunWithPredictions], missing: list[str]) -> list[Grid]:
    """Return a grid for each set of streams that goes with the order; equal seeds lie in all of them."""
    cells: dict[tuple[str, ...], dict[tuple[int, int], float]] = defaultdict(dict)
    diagonal: dict[tuple[int, int], float] = {}
    for run in runs:
        if run.record.spec is None or run.record.replicate:
            continue
        seeds, score = run.record.spec.seeds, run.record.last.value
        others = {name: value for name, value in seeds if name not in ("head", "order")}
        at = seeds.head, seeds.order
        if _has_one_seed(run.record):
            diagonal[at] = score
        elif seeds.head != seeds.order and set(others.values()) <= set(at):
            cells[tuple(name for name, value in others.items() if value == seeds.order)][at] = score
    grids = []
    for with_order, found in sorted(cells.items()):
        heads, orders = (tuple(sorted(set(seeds))) for seeds in zip(*found, strict=True))
        known = diagonal | found
        scores = tuple(tuple(known.get((head, order)) for order in orders) for head in heads)
        holes = [at for at in itertools.product(heads, orders) if at not in known]
        if holes:
            missing.append(
                f"head and order: {len(holes)} of {len(heads) * len(orders)} runs of the grid, first that with "
                f"head seed {holes[0][0]} and order seed {holes[0][1]}"
            )
        elif min(len(heads), len(orders)) < 2:
            missing.append("head and order: runs with a second seed of both (--stab-held-seed N)")
        crossed = not holes and min(len(heads), len(orders)) > 1
        grids.append(
            Grid(with_order, heads, orders, scores, statistics.decompose(scores) if crossed else None)
        )
    if not grids:
        missing.append(
            "head and order: runs whose streams have seeds of their own (--stab-seed-streams order,dropout "
            "with several --stab-held-seed)"
        )
    return grids
