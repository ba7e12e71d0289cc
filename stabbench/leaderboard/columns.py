"""The columns of the leaderboard, and which output shows which of them.

A new column is defined here and listed in ``LAYOUT`` at the end, nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stabbench import statistics
from stabbench.leaderboard import text
from stabbench.leaderboard.column import Cell, Column, Estimate, Layout, estimate, percent, score
from stabbench.leaderboard.table import Row

TRIES = (1, 5, 10)
VERDICTS = ("PASS", "INCONCLUSIVE", "INCOMPLETE", "FAIL")
"""From good to bad: how the page sorts them."""


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


def _verdict(value: str, row: Row) -> Cell:
    return Cell(value, **_compared(row), key=VERDICTS.index(value), hint=row.reason)


def _compared(row: Row) -> dict[str, str]:
    """Return the marks at a row's verdict."""
    return {"before": "≈" if row.near_best else "", "after": row.star}


def _counted(value: Estimate, row: Row) -> Cell:
    ends = text.DASH.join(f"{100 * end:.0f}" for end in value[1:] if end is not None)
    share = (value.value or 0) / row.finished
    return Cell(f"{value.value}/{row.finished}", interval=f"{ends} %", key=share)


def _marked(value: Estimate, row: Row) -> Cell:
    return replace(_counted(value, row), **_compared(row))


def _judged(value: Estimate, row: Row) -> Cell:
    cell = _marked(value, row)
    return replace(cell, after=f" {text.SIGNS[row.verdict]}{cell.after}")


def _spread_marked(value: Estimate, row: Row) -> Cell:
    return replace(estimate(value, row), after=text.marks(row), hint=row.environment)


def _best_of(values: tuple[float | None, ...], row: Row, place: int) -> Cell:
    dodge = text.score(row.values[EXPECTED_MAX_DODGE.name][place], row.scored_by)
    return replace(score(values[place], row), hint=f"Dodge et al. (2019): {dodge}")


def _runs(value: Any, row: Row) -> Cell:
    return Cell(text.runs(row), key=row.finished)


MODEL = Column("model", "The pretrained model.", lambda row: row.model, align="left")
TASK = Column("task", "The task.", lambda row: row.task, align="left")
STRATEGY = Column("strategy", "The way of fine-tuning.", lambda row: row.strategy, align="left")
GROUP = Column("group", "Digest of all that the runs have in common.", lambda row: row.group)
METRIC = Column("metric", "The task's metric.", lambda row: row.metric)
BETTER = Column("better", "Which scores are better, higher or lower ones.", lambda row: row.scored_by.better)
CONSTANT = Column("constant", "What the best constant classifier reaches.", lambda row: row.constant, score)
N_DEV = Column("n_dev", "Rows of the dev set.", lambda row: row.n_dev)
PLACE = Column(
    "place",
    "Place among the strategies of the task, the steadiest first; copies share one.",
    lambda row: row.place,
)
SAME_AS = Column(
    "same_as", "The strategy whose scores these are, seed by seed.", lambda row: row.same_as or None
)
STATE = Column("state", "Whether the row is ranked, or why not.", lambda row: row.state.value)
PLANNED = Column("planned", "Planned runs = finished + errored + missing.", lambda row: row.planned)
FINISHED = Column("finished", "Runs with a score, failed runs included.", lambda row: row.finished)
ERRORED = Column("errored", "Runs that ended without a score.", lambda row: row.errored)
MISSING = Column("missing", "Runs that were planned, but not run.", lambda row: row.missing)
FAILED = Column(
    "failed",
    "Runs that are not better than the best constant classifier, with the exact interval of their share.",
    failure_rate,
    _counted,
    level="90 %",
)
LEARNED = Column(
    "learned",
    "Runs that are significantly better than the best constant classifier (exact test, one-sided, .05).",
    lambda row: row.learned,
)
AT_CHANCE = Column(
    "at_chance",
    "Runs that are not known to have learned anything, failed ones included, with the exact interval of "
    "their share.",
    at_chance_rate,
    _counted,
    head="at chance",
    level="90 %",
)
MEAN = Column(
    "mean",
    "Mean of all finished runs, failed ones included; its interval allows for rare failures not seen.",
    mean,
    estimate,
    level="90 %",
)
STD = Column(
    "std",
    "Standard deviation of all finished runs (ddof = 1); its interval allows for rare failures not seen.",
    spread,
    _spread_marked,
    level="90 %",
)
STD_LEARNED = Column(
    "std_learned",
    "Standard deviation of the runs that learned something (ddof = 1).",
    lambda row: row.std_learned,
    score,
    head="std of learned",
)
BEST = Column(
    "best",
    "The best score of all runs: the highest, or the lowest where lower is better.",
    lambda row: row.best,
    score,
)
BEST_CHECKPOINT = Column(
    "mean_best_checkpoint",
    "Mean of all finished runs had each stopped at its best checkpoint, chosen on this very dev set: what "
    "lies above the mean was lost, or was luck.",
    lambda row: row.mean_of_best_checkpoints,
    score,
    head="mean, best checkpoint",
)
EXPECTED_MAX = Column(
    "expected_max",
    "Expected best score of 1, 5 and 10 tries (unbiased).",
    lambda row: tuple(best_of(row, tries) for tries in TRIES),
)
EXPECTED_MAX_DODGE = Column(
    "expected_max_dodge",
    "The same by Dodge et al. (2019), which is biased low.",
    lambda row: tuple(best_of_dodge(row, tries) for tries in TRIES),
)
BEST_OF_1, BEST_OF_5, BEST_OF_10 = (
    replace(
        EXPECTED_MAX,
        about=f"Expected best score of {tries} tr{'ies' if tries > 1 else 'y'} (unbiased).",
        show=partial(_best_of, place=place),
        head=f"best of {tries}",
    )
    for place, tries in enumerate(TRIES)
)
PER_POINT = Column(
    "per_point",
    "Mean variance over seeds of being right on a point (Mosbach et al. 2021, 7.1).",
    per_point,
)
DISAGREEMENT = Column(
    "disagreement",
    "Share of the dev set on which two seeds predict different classes.",
    disagreement,
    percent,
    head="seeds differ on",
)
OTHER_DATA = Column(
    "other_data",
    "Mean of all finished runs, with the interval for other seeds and other dev data (Multi-Bootstrap).",
    other_data,
    estimate,
    head="mean on other data",
    level="95 %",
)
SEEDS_SHARE = Column(
    "seeds_share",
    "Part of the variance of one run's score that is its seed's, on other dev data of this size.",
    seeds_share,
    percent,
    head="due to seeds",
)
VERDICT = Column(
    "verdict",
    "PASS: at most 20 % of all seeds are at chance; FAIL: more are; INCONCLUSIVE: these seeds cannot decide.",
    lambda row: row.verdict,
    _verdict,
    align="left",
)
REASON = Column("reason", "What the verdict rests on.", lambda row: row.reason, align="left")
SECONDS = Column("seconds", "Median wall time of a run.", seconds)
UPDATES = Column("updates", "Updates of a run.", updates)
REPLICATES = Column("replicates", "Same-seed repeats that were set aside.", lambda row: row.runs.replicates)
STAR = Column("star", "* or ★: see the notes.", lambda row: row.star)
STAR_P = Column("star_p", "The star's p-value, Holm-adjusted over the tasks.", lambda row: row.star_p)
NEAR_BEST = Column(
    "near_best",
    "Whether the row is the best of its task or not separable from it; empty where nobody can tell.",
    lambda row: row.near_best,
)
ENVIRONMENT = Column(
    "environment",
    "What differs between the environments of the runs; empty where nothing does.",
    lambda row: row.environment or None,
)
RUNS = Column("runs", "How the planned runs add up.", lambda row: row.finished, _runs)

LAYOUT = Layout(
    data=(
        MODEL, TASK, STRATEGY, GROUP, METRIC, BETTER, CONSTANT, N_DEV, STATE, PLACE, SAME_AS, PLANNED,
        FINISHED, ERRORED, MISSING, LEARNED, AT_CHANCE, FAILED, MEAN, BEST_CHECKPOINT, STD, STD_LEARNED, BEST,
        EXPECTED_MAX, EXPECTED_MAX_DODGE, PER_POINT, DISAGREEMENT, OTHER_DATA, SEEDS_SHARE, VERDICT, REASON,
        ENVIRONMENT, SECONDS, UPDATES, REPLICATES, STAR, STAR_P, NEAR_BEST,
    ),
    overview=(replace(AT_CHANCE, show=_judged), MEAN, STD),
    details=(
        VERDICT, replace(AT_CHANCE, align="left"), FAILED, MEAN, BEST_CHECKPOINT, replace(STD, show=estimate),
        STD_LEARNED, BEST, BEST_OF_1, replace(BEST_OF_5, head="of 5"), replace(BEST_OF_10, head="of 10"),
        RUNS,
    ),
    latex=(replace(AT_CHANCE, show=_marked), MEAN, STD, BEST),
    page=(
        STRATEGY, TASK, VERDICT, AT_CHANCE, FAILED, MEAN, BEST_CHECKPOINT, STD, STD_LEARNED, BEST, BEST_OF_1,
        BEST_OF_5, BEST_OF_10, DISAGREEMENT, RUNS, MODEL,
    ),
)  # fmt: skip
"""The leaderboard as it is: a column is shown where it is listed, in this order."""
