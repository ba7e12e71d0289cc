"""The leaderboard as data: rows, footnotes and published figures, from which every output is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

from stabbench.leaderboard.column import Layout
from stabbench.leaderboard.columns import LAYOUT
from stabbench.leaderboard.over_tasks import OverTasks, over_tasks
from stabbench.leaderboard.published import Published
from stabbench.leaderboard.ranking import rank
from stabbench.leaderboard.table import ALLOWED_AT_CHANCE, RANKED_RUNS, Row, State
from stabbench.samples.collection import Collection
from stabbench.samples.groups import RunGroup, group_runs

SIGNIFICANT_DIGITS = 6
"""Digits that data files keep: what lies beyond depends on the processor's rounding."""


@dataclass(frozen=True)
class Board:
    """A leaderboard.

    Attributes:
        rows: by model, task and place.
        published: figures of papers, never mixed with the rows.
        footnotes: what a reader must know to read the numbers.
        layout: which columns each output shows.
    """

    rows: tuple[Row, ...]
    published: tuple[Published, ...]
    footnotes: tuple[str, ...]
    layout: Layout

    @property
    def models(self) -> list[str]:
        """The models, in order."""
        return list(dict.fromkeys(row.model for row in self.rows))

    def tasks(self, model: str) -> list[str]:
        """Return the tasks of a model, in order."""
        return sorted({row.task for row in self.rows if row.model == model})

    def strategies(self, model: str) -> list[str]:
        """Return the strategies of a model, from steady to unsteady: by their mean place over its tasks.

        Those that are not ranked on every task come last: who ran the easy tasks alone has the better places.
        """
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.model == model:
                found.setdefault(row.strategy, []).append(row)
        tasks = len(self.tasks(model))

        def key(strategy: str) -> tuple[bool, float, str]:
            rows = found[strategy]
            everywhere = sum(row.has_ranked_place for row in rows) == tasks
            return not everywhere, fmean(row.place for row in rows), strategy

        return sorted(found, key=key)

    def row(self, model: str, task: str, strategy: str) -> Row | None:
        """Return one row, or ``None`` where nothing was run."""
        return self._places.get((model, task, strategy))

    def rows_of(self, model: str, task: str) -> list[Row]:
        """Return the rows of a task, from steady to unsteady on that task."""
        return [row for row in self.rows if (row.model, row.task) == (model, task)]

    @cached_property
    def _places(self) -> Mapping[tuple[str, str, str], Row]:
        return {(row.model, row.task, row.strategy): row for row in self.rows}

    @cached_property
    def entries(self) -> tuple[dict[str, Any], ...]:
        """What data files hold of each row: plain JSON values, numbers to six significant digits."""
        return tuple(
            {name: rounded(v) for column in self.layout.data for name, v in column.entries(row).items()}
            for row in self.rows
        )

    @cached_property
    def over_tasks(self) -> tuple[OverTasks, ...]:
        """The strategies over all tasks of a model, of each model that has two tasks or more."""
        found = (
            over_tasks([row for row in self.rows if row.model == model], self.strategies(model))
            for model in self.models
        )
        return tuple(section for section in found if section is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the tables as plain JSON values, numbers to six significant digits."""
        return {
            "format": 1,
            "rows": list(self.entries),
            "over_tasks": [rounded(section.to_json()) for section in self.over_tasks],
            "published": [entry.model_dump(mode="json") for entry in self.published],
            "footnotes": list(self.footnotes),
        }


def build(collection: Collection, published: Sequence[Published] = (), layout: Layout = LAYOUT) -> Board:
    """Return the leaderboard of a collection; the order of its runs changes nothing."""
    groups = group_runs(collection)
    rows = rank(groups)
    for row in rows:
        row.values.update(layout.values(row))
    return Board(rows, tuple(published), footnotes(rows, groups, collection), layout)


def rounded(value: Any) -> Any:
    """Return plain JSON data with every float cut to six significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def footnotes(rows: Sequence[Row], groups: Sequence[RunGroup], collection: Collection) -> tuple[str, ...]:
    """Return what a reader must know, a sentence or two each."""
    records = [run.record for group in groups for run in group.runs]
    replicates = sum(collection.set_aside.values())
    states = {row.state for row in rows}
    notes = [
        "Scores are those of the end of training on the fixed dev set, in points (100 times the metric). "
        "What is said of a strategy holds for that dev set: other data would add their own variation.",
        "A run failed when it is not better, in integer counts, than the best constant classifier on the "
        "same dev set, or when its loss became NaN or infinite (it then has that classifier's score). A "
        "run learned when it did not fail, did not collapse (one class for nearly the whole dev set, or, "
        "where no predictions are known, a training loss at the entropy of the labels), and is "
        "significantly better than that classifier (exact test, one-sided, .05) and reaches the floor, where "
        "one was declared. All others are at chance, failed ones included, and those of "
        "which nothing tells. Of twenty runs that guess, about one still seems to have learned.",
        "Runs at chance are part of mean, std, best and of the expected maximum. Planned = finished + "
        "errored + missing.",
        "At chance and failed: k of n finished runs, with the exact interval (Clopper and Pearson). "
        "std: ddof = 1, over all finished runs; std of learned: over the runs that learned. Best of k: "
        "the unbiased expected maximum of k tries (U-statistic). Mean, best checkpoint: the mean had "
        "every run stopped at its best evaluation, which is chosen on the same dev set; a run that falls "
        "back later shows in the mean only.",
        "Intervals of a task's rows are the two bounds, one-sided at 95 % each, by which a gate decides. "
        "Those of mean and std allow for runs at chance too rare to have been seen, which would score as the "
        "constant classifier: where none of 25 runs was at chance, up to 15 % of all might be.",
        f"Verdict: at most {ALLOWED_AT_CHANCE:.0%} of all seeds are at chance. PASS (✔): the one-sided 95 "
        "% upper bound is not above that; FAIL (✘): the lower bound is above it; else INCONCLUSIVE (?): "
        "these seeds cannot decide. A PASS says that at least four of five seeds learn something, not that "
        "scores are close or high: see std and mean.",
        "Order on a task: nobody stands behind a strategy that it is steadier than by the two-part gate "
        "(runs at chance by Boschloo, spread of the learned runs by Brown and Forsythe, or, between two with "
        "the same seeds, by McNemar and by swaps within seeds; not if its mean is significantly worse); then "
        "fewer runs at chance, smaller std of learned, better mean. Those judged FAIL come behind, then the "
        "unranked ones. Over tasks: the mean of the places; strategies that are not ranked on every task of "
        "the model come last.",
        "≈ marks the best of a task, which is the first in its order, and all that cannot be told from "
        "it: the best is not shown to be steadier by that gate, at .05 as a suite would ask it. "
        "None that is judged FAIL is marked, and nobody is where the scores of the best hardly vary "
        "or nothing tells whether it learned.",
        "Star at a verdict: of the strategies of a task that are ranked and not judged FAIL, the one with "
        "the smallest std of learned runs, tested against the next larger by Brown and Forsythe (centre = "
        "median), two-sided, Holm-adjusted over the model's tasks: * p <= .05, ★ p <= .001. None if that "
        "other one, or any third one, is at chance significantly less often or has a significantly better "
        "mean. The stars of "
        "Mosbach et al. are p < .001 by Levene's test on all runs with a centre that they do not name.",
    ]
    if State.SMALL in states:
        notes.append(
            f"† fewer than {RANKED_RUNS} seeds: not ranked, not starred, since the smallest of such small "
            "samples is often another one the next time."
        )
    if State.INCOMPLETE in states:
        notes.append("‡ incomplete: planned runs errored or are missing; no verdict and no rank.")
    if State.STOPPED in states:
        notes.append(
            "§ stopped early: planned seeds were left out, since a FAIL was certain without them. The other "
            "numbers would be biased and are not shown; not ranked."
        )
    if copies := [row for row in rows if row.state is State.COPY]:
        pairs = sorted({f"{row.strategy} those of {row.same_as}" for row in copies})
        notes.append(
            f"= the very final scores of another strategy in every seed ({', '.join(pairs)}): what sets it "
            "apart changed no score at the end of training, so it shares the other's place and takes no part "
            "in tests. Best checkpoints may differ."
        )
    if mixed := sum(bool(row.environment) for row in rows):
        notes.append(
            f"¶ mixed environment, {mixed} of {len(rows)} rows: their runs differ in a version, device or "
            "setting that may move scores, so the spread may not be that of the seeds alone. What differs is "
            "said at the row."
        )
    if lower := sorted({row.metric for row in rows if row.scored_by.better == "lower"}):
        notes.append(
            f"Of {', '.join(lower)} the lower score is the better one: best is the lowest score there."
        )
    if unscaled := sorted({row.metric for row in rows if row.scored_by.scale == 1}):
        notes.append(f"Scores of {', '.join(unscaled)} are shown as they were measured, not in points.")
    if replicates:
        notes.append(
            "Same-seed repeats, and runs with seeds of their own for a random stream, which take part in no "
            f"number, set aside: {replicates}."
        )
    if starts := len(collection.runs) - replicates - len(records):
        notes.append(f"Intermediate runs, which others only start from, set aside: {starts}.")
    if collection.unplaced_errors:
        notes.append(f"{collection.unplaced_errors} more runs errored, of groups without any finished run.")
    if imported := sum(record.spec is None for record in records):
        notes.append(f"{imported} of the {len(records)} runs were imported as scores, from elsewhere.")
    return (*notes, *_provenance(groups, len(records)))


def _provenance(groups: Sequence[RunGroup], count: int) -> list[str]:
    records = [run.record for group in groups for run in group.runs]
    if not records:
        return []
    dates = sorted(record.created[:10] for record in records)
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    notes = [f"{count} runs, finished {span} (UTC)."]
    devices = _values(groups, "device")
    if devices:
        notes.append(f"Devices: {'; '.join(devices)}.")
    names = ("stabbench", "torch", "transformers", "numpy", "python")
    versions = [f"{name} {', '.join(found)}" for name in names if (found := _values(groups, name))]
    trainers = sorted({str(record.fine_tuning.trainer) for record in records if record.fine_tuning})
    if trainers:
        versions.append(f"trainer version {', '.join(trainers)}")
    if versions:
        notes.append(f"Versions: {'; '.join(versions)}.")
    return notes


def _values(groups: Sequence[RunGroup], name: str) -> list[str]:
    found = {run.record.environment.get(name) for group in groups for run in group.runs}
    return sorted(str(value) for value in found if value is not None)
