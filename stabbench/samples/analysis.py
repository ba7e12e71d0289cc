"""What the runs of one group show besides their gates: agreement, repeated seeds, where the variance is from.

Nothing here is a verdict. ``docs/analyse.md`` says what each number means and where it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stabbench import statistics
from stabbench.samples.agreement import Agreement, RunWithPredictions, agreement
from stabbench.samples.collection import is_plain
from stabbench.samples.comparison import check_comparable
from stabbench.samples.failed import is_collapsed
from stabbench.samples.seeds import Grid, Repeats, grids, repeats
from stabbench.samples.stability import Stability

Interval = tuple[float, float]


@dataclass(frozen=True)
class Scores:
    """The scores of all runs, as fractions; ``None`` where there are too few runs to say.

    Attributes:
        failed: runs no better than the constant classifier.
        collapsed: runs that learned nothing, whatever their score; ``None`` where a record cannot tell.
        by_seed: the scores.
        interquartile_mean: mean of the middle half.
        std: standard deviation (ddof = 1).
        failure_rate: two-sided 90 % intervals of the rate of failed runs, by method; those of Clopper and
            Pearson are the bounds by which a gate decides, 95 % on each side.
    """

    runs: int
    failed: int
    collapsed: int | None
    by_seed: dict[int, float]
    mean: float
    median: float
    interquartile_mean: float
    std: float | None
    std_of_learned: float | None
    min: float
    max: float
    failure_rate: dict[str, Interval]


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


def analyse(runs: Sequence[RunWithPredictions], planned: Stability | None = None) -> Analysis:
    """Return what the runs of one group show.

    Args:
        runs: at least one; all of one group, replicates and runs with seeds per stream among them.
        planned: the group's sample, if it is known which of its runs are not there.
    """
    first = runs[0].record
    plain = [run for run in runs if is_plain(run.record)]
    sample = Stability.from_records(run.record for run in plain) if plain else None
    missing = [] if sample else ["scores: no run has one seed for all its random streams"]
    if planned and not planned.complete:
        absent, errored = len(planned.missing_seeds), len(planned.errored)
        missing.append(
            f"{absent} of {planned.planned} planned runs ({errored} errored): the others are described, and "
            "they may be a biased choice"
        )
    all_runs, unknown = agreement(plain)
    successes = None
    if all_runs and sample and sample.failed:
        successes, _ = agreement([run for run in plain if run.record.seed not in sample.failed_seeds])
    repeated, not_repeated = repeats(runs)
    crossed, not_crossed = grids(runs)
    return Analysis(
        task=first.task,
        model=first.model,
        strategy=first.strategy,
        group=first.group,
        scores=_scores(sample) if sample else None,
        all_runs=all_runs,
        successes=successes,
        repeats=repeated,
        grids=tuple(crossed),
        missing=(*missing, *unknown, *not_repeated, *not_crossed),
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


def _scores(sample: Stability) -> Scores:
    scores, k, n = sample.scores, sample.failed, sample.finished
    collapsed = [is_collapsed(run) for run in sample.runs]
    low, high = (float(bound) for bound in statistics.clopper_pearson(k, n, 0.05))
    return Scores(
        runs=n,
        failed=k,
        collapsed=None if None in collapsed else sum(map(bool, collapsed)),
        by_seed=dict(zip(sample.planned_seeds, scores, strict=True)),
        mean=sample.mean,
        median=sample.median,
        interquartile_mean=statistics.interquartile_mean(scores),
        std=sample.std if n > 1 else None,
        std_of_learned=None if np.isnan(sample.std_of_learned) else sample.std_of_learned,
        min=min(scores),
        max=max(scores),
        failure_rate={
            "Clopper-Pearson": (low, high),
            "Wilson": statistics.wilson(k, n, 0.9),
            "Jeffreys": statistics.jeffreys(k, n, 0.9),
        },
    )
