"""The leaderboard as data: rows, footnotes and published figures, from which every output is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stabbench.leaderboard.column import Layout
from stabbench.leaderboard.columns import LAYOUT
from stabbench.leaderboard.over_tasks import OverTasks, over_tasks
from stabbench.leaderboard.published import Published
from stabbench.leaderboard.ranking import rank
from stabbench.leaderboard.table import ALLOWED_FAILURES, RANKED_RUNS, Row, State
from stabbench.samples.collection import Collection
from stabbench.samples.groups import RunGroup, group_runs

SIGNIFICANT_DIGITS = 6
"""Digits that data files keep: what lies beyond depends on the processor's rounding."""


@dataclass(frozen=True)
class Board:
    """A leaderboard.

    Attributes:
        rows: in the order in which they are shown.
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
        """Return the strategies of a model, from steady to unsteady."""
        return list(dict.fromkeys(row.strategy for row in self.rows if row.model == model))

    def row(self, model: str, task: str, strategy: str) -> Row | None:
        """Return one row, or ``None`` where nothing was run."""
        return self._places.get((model, task, strategy))

    def rows_of(self, model: str, task: str) -> list[Row]:
        """Return the rows of a task, from steady to unsteady."""
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
        "same dev set, or when its loss became NaN or infinite (it then has that classifier's score). "
        "Failed runs are part of mean, std, max and of the expected maximum. Planned = finished + errored "
        "+ missing.",
        "failed: k of n finished runs, with the exact 95 % interval (Clopper and Pearson). std: ddof = 1, "
        "over all finished runs; std of successes: the same without the failed ones. Best of k: the unbiased "
        "expected maximum of k tries (U-statistic).",
        f"Verdict: at most {ALLOWED_FAILURES:.0%} of all seeds fail. PASS (✔): the one-sided 95 % upper "
        "bound is not above that; FAIL (✘): the lower bound is above it, or every run failed; else "
        "INCONCLUSIVE (?): these seeds cannot decide.",
        "Star at a std: the smallest of its task, tested against the next larger one by Brown and Forsythe "
        "(centre = median), two-sided, Holm-adjusted over the model's tasks: * p <= .05, ★ p <= .001. "
        "The stars of Mosbach et al. are p < .001 by Levene's test with a centre that they do not name. No "
        "star for a strategy of which half the runs failed, or which fails more often (Boschloo, .05).",
        "≈ marks the best of a task (fewest failed runs, then smallest std; none where even that one is "
        "judged FAIL) and all that cannot be told from it: the best is not shown to be steadier (failures by "
        "Boschloo, spread of the successes by Brown and Forsythe; Holm-adjusted over both and over the "
        "strategies, .05).",
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
    if mixed := sum(bool(row.environment) for row in rows):
        notes.append(
            f"¶ mixed environment, {mixed} of {len(rows)} rows: their runs differ in a version, device or "
            "setting that may move scores, so the spread may not be that of the seeds alone. What differs is "
            "said at the row."
        )
    if lower := sorted({row.metric for row in rows if row.scored_by.better == "lower"}):
        notes.append(
            f"Of {', '.join(lower)} the lower score is the better one: max is the lowest score there."
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
