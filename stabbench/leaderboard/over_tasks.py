"""What the leaderboard says of a model's strategies over all of its tasks together; see docs/over-tasks.md.

A model needs two tasks on which scores have a scale from the constant predictor to a perfect score. Who
takes part: strategies whose rows on all of these are ranked (complete, not stopped early, 20 seeds or more)
and no copies.

Strategies are compared with the *reference*: the first of them in the order of the tables, so the steadiest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from stabbench import statistics
from stabbench.leaderboard import text
from stabbench.leaderboard.column import Cell
from stabbench.leaderboard.table import RANKED_RUNS, Row
from stabbench.statistics import Interval, Outcome, Profile
from stabbench.statistics.masked import Floats
from stabbench.text import shown

CURVES = 8
"""How many profiles one picture shows: more cannot be told apart."""


@dataclass(frozen=True)
class Comparison:
    """A strategy against the reference.

    Attributes:
        improvement: how often a run of the strategy scores better, averaged over the tasks.
        steadier: on how many tasks it is shown to be steadier, Holm-adjusted over the tasks.
        less_steady: on how many tasks the reference is shown to be steadier, likewise.
    """

    improvement: Interval
    steadier: int
    less_steady: int


@dataclass(frozen=True)
class Standing:
    """One strategy over all tasks.

    Attributes:
        strategy: its label.
        iqm: interquartile mean of the normalised scores of all runs.
        at_chance: runs that are not known to have learned anything, failed ones included.
        runs: all of its runs.
        profile: the share of its runs above each normalised score.
        comparison: ``None`` for the reference itself.
    """

    strategy: str
    iqm: Interval
    at_chance: int
    runs: int
    profile: Profile = field(compare=False)
    comparison: Comparison | None


class Head(NamedTuple):
    """The head of a column: what it is called, what it is, and where its cells are aligned."""

    title: str
    about: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class OverTasks:
    """A model's strategies over all of its tasks.

    Attributes:
        model: the model.
        tasks: the tasks that are summed up.
        left_out: tasks whose scores have no scale in common with others.
        copies: strategies that have the final scores of another one on some of the tasks, and no place here.
        standings: in the order of the tables; the first one is the reference.
    """

    model: str
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    copies: tuple[str, ...]
    standings: tuple[Standing, ...]

    @property
    def reference(self) -> str:
        """The strategy that the others are compared with: the steadiest."""
        return self.standings[0].strategy

    @property
    def about(self) -> str:
        """What the table shows, and what it does not."""
        sentences = [
            "Scores run from 0, the best constant predictor, to 1, a perfect score; "
            f"{_listed(self.tasks)} have the same weight.",
            "IQM: the mean of the middle half of all runs. It hides up to a quarter of failed runs, so it is "
            "no verdict: read the runs at chance beside it.",
            f"Only strategies with {RANKED_RUNS} or more complete runs on each of these tasks are here, the "
            f"steadiest first. The others are compared with it, {self.reference}: how often a run scores "
            "better than one of its runs, ties counted half, and on how many tasks one is shown to be "
            "steadier than the other (Holm-adjusted over the tasks, .05).",
            "Intervals (95 %) speak of other seeds on the same tasks.",
        ]
        if self.copies:
            sentences.append(f"Left out as copies, on a task or more, of others: {_listed(self.copies)}.")
        if self.left_out:
            sentences.append(f"Tasks left out, whose scores have no such scale: {_listed(self.left_out)}.")
        return " ".join(sentences)

    @property
    def caption(self) -> str:
        """What the picture of the profiles shows."""
        words = (
            f"Over all tasks of {self.model}: the share of runs whose normalised score is above each value, "
            "from 0 = the best constant predictor to 1 = a perfect score, with pointwise 95 % bands. Higher "
            "is better; a line begins with the share of runs that beat the constant predictor."
        )
        if len(self.drawn) < len(self.standings):
            words += f" Shown are the first and the last {CURVES // 2} of {len(self.standings)} strategies."
        return words

    @property
    def drawn(self) -> tuple[Standing, ...]:
        """Whose profiles the picture shows: of many the first and the last ones."""
        half = CURVES // 2
        every = self.standings
        return every if len(every) <= CURVES else (*every[:half], *every[-half:])

    @property
    def profiles(self) -> dict[str, Any]:
        """The profiles of the picture, as plain JSON."""
        return {
            "grid": self.standings[0].profile.grid.tolist(),
            "strategies": [
                {
                    "strategy": one.strategy,
                    "share": one.profile.share.tolist(),
                    "low": one.profile.low.tolist(),
                    "high": one.profile.high.tolist(),
                }
                for one in self.drawn
            ],
        }

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads of the table."""
        name = shown(self.reference)
        return (
            Head("strategy", "The way of fine-tuning.", "left"),
            Head(
                "IQM [95 %]",
                "Mean of the middle half of all normalised scores; hides a quarter of failed runs.",
            ),
            Head("at chance", "Runs that are not known to have learned anything, of all runs."),
            Head(
                f"better than {name} [95 %]",
                f"How often one of its runs scores better than one of {name}, ties counted half.",
            ),
            Head(f"steadier than {name}", "Tasks on which it is shown to be steadier (Holm over the tasks)."),
            Head(
                f"less steady than {name}",
                f"Tasks on which {name} is shown to be steadier (Holm over the tasks).",
            ),
        )

    @property
    def lines(self) -> list[list[Cell]]:
        """The cells of the table, one line per strategy."""
        return [
            [
                Cell(one.strategy),
                Cell(_score(one.iqm.value), interval=_ends(map(_score, one.iqm[1:]))),
                Cell(f"{one.at_chance}/{one.runs}"),
                *self._compared(one.comparison),
            ]
            for one in self.standings
        ]

    def _compared(self, found: Comparison | None) -> list[Cell]:
        if found is None:
            return [Cell(text.DASH)] * 3
        value, *ends = (f"{100 * part:.0f}" for part in found.improvement)
        return [
            Cell(f"{value} %", interval=f"{_ends(ends)} %"),
            *(Cell(f"{count} of {len(self.tasks)}") for count in (found.steadier, found.less_steady)),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the table as plain JSON values."""
        return {
            "model": self.model,
            "tasks": list(self.tasks),
            "left_out": list(self.left_out),
            "copies": list(self.copies),
            "reference": self.reference,
            "strategies": [
                {
                    "strategy": one.strategy,
                    **_entries("iqm", one.iqm),
                    "at_chance": one.at_chance,
                    "runs": one.runs,
                    **_entries("better", one.comparison.improvement if one.comparison else None),
                    "steadier_on": one.comparison.steadier if one.comparison else None,
                    "less_steady_on": one.comparison.less_steady if one.comparison else None,
                }
                for one in self.standings
            ],
        }


def over_tasks(rows: Iterable[Row], strategies: Sequence[str]) -> OverTasks | None:
    """Return a model's strategies over all of its tasks, ``None`` where there is nothing to sum up.

    Args:
        rows: all rows of one model.
        strategies: its strategies, from steady to unsteady.
    """
    places = {(row.strategy, row.task): row for row in rows}
    every = sorted({task for _, task in places})
    tasks = [
        task
        for task in every
        if all(statistics.has_scale(*_scale(row)) for row in places.values() if row.task == task)
    ]
    there = {
        name: [row for task in tasks if (row := places.get((name, task))) and row.has_ranked_place]
        for name in strategies
    }
    everywhere = {name: rows for name, rows in there.items() if len(rows) == len(tasks)}
    copies = [name for name, rows in everywhere.items() if any(row.same_as for row in rows)]
    complete = {name: rows for name, rows in everywhere.items() if name not in copies}
    if len(tasks) < 2 or not complete:
        return None
    reference = next(iter(complete.values()))
    return OverTasks(
        reference[0].model,
        tuple(tasks),
        tuple(task for task in every if task not in tasks),
        tuple(copies),
        tuple(_standing(one, reference) for one in complete.values()),
    )


def _standing(rows: Sequence[Row], reference: Sequence[Row]) -> Standing:
    scores = [_normalised(row) for row in rows]
    return Standing(
        rows[0].strategy,
        statistics.iqm_over_tasks(scores),
        sum(row.sample.n_at_chance for row in rows),
        sum(row.finished for row in rows),
        statistics.profile_over_tasks(scores),
        None if rows is reference else _comparison(rows, reference),
    )


def _comparison(rows: Sequence[Row], reference: Sequence[Row]) -> Comparison:
    steadier, less_steady = [], []
    for row, other in zip(rows, reference, strict=True):
        evidence = statistics.steadier_gate(row.sample, other.sample)
        p = 1.0 if evidence.p_value is None else evidence.p_value
        steadier.append(p if evidence.outcome is Outcome.PASS else 1.0)
        less_steady.append(p if evidence.outcome is Outcome.FAIL else 1.0)
    return Comparison(
        statistics.improvement_over_tasks(
            [_normalised(r) for r in rows], [_normalised(r) for r in reference]
        ),
        statistics.tasks_that_remain(steadier),
        statistics.tasks_that_remain(less_steady),
    )


def _normalised(row: Row) -> Floats:
    return statistics.normalised(row.sample.scores, *_scale(row))


def _scale(row: Row) -> tuple[float, float]:
    """Return the constant predictor's and the best possible score, oriented so that higher is better."""
    metric = row.scored_by
    return metric.sign * row.constant, max(metric.sign * bound for bound in metric.range)


def _score(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def _ends(ends: Iterable[str]) -> str:
    return text.DASH.join(ends)


def _entries(name: str, found: Interval | None) -> dict[str, float | None]:
    value, low, high = found or (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
