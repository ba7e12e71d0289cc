"""The columns of the leaderboard, and which output shows which of them.

A new column is defined here, what it measures in `measures`, and listed in ``LAYOUT`` at the end.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from stabbench.leaderboard import measures, text
from stabbench.leaderboard.column import Cell, Column, Estimate, Layout, estimate, percent, score
from stabbench.leaderboard.table import Row

TRIES = (1, 5, 10)
VERDICTS = ("PASS", "INCONCLUSIVE", "INCOMPLETE", "FAIL")
"""From good to bad: how the page sorts them."""


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
    "same_as", "The strategy whose final scores these are, seed by seed.", lambda row: row.same_as or None
)
STATE = Column("state", "Whether the row is ranked, or why not.", lambda row: row.state.value)
PLANNED = Column("planned", "Planned runs = finished + errored + missing.", lambda row: row.planned)
FINISHED = Column("finished", "Runs with a score, failed runs included.", lambda row: row.finished)
ERRORED = Column("errored", "Runs that ended without a score.", lambda row: row.errored)
MISSING = Column("missing", "Runs that were planned, but not run.", lambda row: row.missing)
FAILED = Column(
    "failed",
    "Runs that are not better than the best constant classifier, with the exact interval of their share.",
    measures.failure_rate,
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
    measures.at_chance_rate,
    _counted,
    head="at chance",
    level="90 %",
)
MEAN = Column(
    "mean",
    "Mean of all finished runs, failed ones included; its interval allows for rare failures not seen.",
    measures.mean,
    estimate,
    level="90 %",
)
STD = Column(
    "std",
    "Standard deviation of all finished runs (ddof = 1); its interval allows for rare failures not seen.",
    measures.spread,
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
    lambda row: tuple(measures.best_of(row, tries) for tries in TRIES),
)
EXPECTED_MAX_DODGE = Column(
    "expected_max_dodge",
    "The same by Dodge et al. (2019), which is biased low.",
    lambda row: tuple(measures.best_of_dodge(row, tries) for tries in TRIES),
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
    measures.per_point,
)
DISAGREEMENT = Column(
    "disagreement",
    "Share of the dev set on which two seeds predict different classes.",
    measures.disagreement,
    percent,
    head="seeds differ on",
)
OTHER_DATA = Column(
    "other_data",
    "Mean of all finished runs, with the interval for other seeds and other dev data (Multi-Bootstrap).",
    measures.other_data,
    estimate,
    head="mean on other data",
    level="95 %",
)
SEEDS_SHARE = Column(
    "seeds_share",
    "Part of the variance of one run's score that is its seed's, on other dev data of this size.",
    measures.seeds_share,
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
SECONDS = Column("seconds", "Median wall time of a run.", measures.seconds)
UPDATES = Column("updates", "Updates of a run.", measures.updates)
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
