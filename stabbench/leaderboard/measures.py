"""What the columns of the leaderboard show of a row: estimates with their bounds, and single figures."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from stabbench import statistics
from stabbench.leaderboard.column import Estimate
from stabbench.leaderboard.table import Row


def failure_rate(row: Row) -> Estimate:
    """Return the number of failed runs with the exact bounds on their share (Clopper and Pearson)."""
    low, high = statistics.clopper_pearson(row.failed, row.finished, 0.05)
    return Estimate(row.failed, float(low), float(high))


def mean(row: Row) -> Estimate:
    """Return the mean with the bounds by which a gate on all runs decides."""
    return _with_bounds(row.mean, statistics.mean_bounds(row.sample, 0.05, "all") if row.unbiased else None)


def spread(row: Row) -> Estimate:
    """Return the standard deviation with the bounds by which a gate on all runs decides."""
    shown = row.unbiased and row.sample.degenerate is None
    return _with_bounds(row.std, statistics.std_bounds(row.sample, 0.05, "all") if shown else None)


def _with_bounds(value: float | None, bounds: tuple[float, float] | None) -> Estimate:
    """Return a value with its bounds, if there are any and both are finite."""
    low, high = bounds if bounds is not None and all(map(isfinite, bounds)) else (None, None)
    return Estimate(value, low, high)


def at_chance_rate(row: Row) -> Estimate:
    """Return the number of runs at chance with the exact bounds on their share (Clopper and Pearson)."""
    low, high = statistics.clopper_pearson(row.at_chance, row.finished, 0.05)
    return Estimate(row.at_chance, float(low), float(high))


def best_of(row: Row, tries: int) -> float | None:
    """Return the expected best score of some tries (unbiased)."""
    enough = row.unbiased and tries <= row.finished
    return row.runs.stability.expected_best(tries) if enough else None


def best_of_dodge(row: Row, tries: int) -> float | None:
    """Return the same by Dodge et al. (2019), which is biased low."""
    enough = row.unbiased and tries <= row.finished
    if not enough:
        return None
    return row.sample.measured(statistics.expected_max_dodge(row.sample.scores, tries)[0])


def per_point(row: Row) -> float | None:
    """Return the mean variance over seeds of being right on a point (Mosbach et al. 2021, 7.1)."""
    predictions = _predictions(row)
    if predictions is None:
        return None
    labels = next((run.traces.labels for run in row.runs.runs if run.traces.labels), None)
    if labels is not None:
        return statistics.per_point_stability(predictions == np.array(labels))
    # with two classes a prediction varies just as its being right does
    return statistics.per_point_stability(predictions) if len(row.runs.first.dev_counts or ()) == 2 else None


def disagreement(row: Row) -> float | None:
    """Return the share of points on which two seeds differ."""
    predictions = _predictions(row)
    return None if predictions is None else statistics.pairwise_disagreement(predictions)


def other_data(row: Row) -> Estimate:
    """Return the mean with its bounds on other dev data (Multi-Bootstrap)."""
    found = row.runs.other_data if row.unbiased else None
    return Estimate(None, None, None) if found is None else Estimate(*found.mean)


def seeds_share(row: Row) -> float | None:
    """Return the part of the variance of one run's score that is its seed's."""
    found = row.runs.other_data if row.unbiased else None
    return None if found is None else found.seeds_share


def _predictions(row: Row) -> NDArray[np.int_] | None:
    """Return the predicted classes, shape (runs, points), where every one of two runs or more has them."""
    found = [run.traces.predictions for run in row.runs.runs]
    complete = len(found) > 1 and len(found[0]) > 0 and len({len(one) for one in found}) == 1
    return np.array(found) if complete else None


def seconds(row: Row) -> float | None:
    """Return the median wall time of a run."""
    known = [run.record.seconds for run in row.runs.runs if run.record.seconds is not None]
    return float(np.median(known)) if known else None


def updates(row: Row) -> int | None:
    """Return the updates of a run."""
    work = row.runs.first.fine_tuning
    return work.total_updates if work else None
