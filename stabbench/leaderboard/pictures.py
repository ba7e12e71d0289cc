"""What each picture shows, as plain data: pure functions of the board; ``plots`` draws them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stabbench.leaderboard.board import Board, rounded
from stabbench.metrics import Metric
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.failed import judged_score
from stabbench.samples.groups import RunGroup
from stabbench.stored import digest
from stabbench.text import shown

LEARNED, AT_CHANCE, FAILED = KINDS = ("learned", "at chance", "failed")
"""What a run is called in pictures and on the page; one that failed is at chance too, but named as failed."""

CURVES = 10
"""How many runs of a kind the training curves show, as in the paper's Fig. 14."""

PROFILES = "profiles"
"""Kind of the picture that stands with what is said over all tasks of a model."""

RECIPE_ONLY = ("devlin", "bias-correction", "longer", "ours")
"""Strategies that are a recipe and nothing else, so that their learning rates form one grid."""


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        kind: name of the function in ``plots`` that draws it.
        model: name of the model.
        task: name of the task; empty when it shows all tasks of the model.
        caption: what it shows.
        data: everything that is drawn, as plain JSON: scores as people read them (points, where they are
            shares), numbers to six significant digits.
    """

    kind: str
    model: str
    task: str
    caption: str
    data: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Digest of what is drawn; it stands in the file, so that pictures are compared by their data."""
        return digest([self.kind, self.caption, self.data])

    def path(self, dark: bool) -> str:
        """Return the file's place below the leaderboard's folder."""
        name = "-".join(slug(part) for part in (self.model, self.task, self.kind.replace("_", "-")) if part)
        return f"figures/{name}{'-dark' if dark else ''}.svg"


def slug(name: str) -> str:
    """Return a name that is safe in a path; different names stay different."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[-40:]
    return plain if plain == name else f"{plain}-{digest(name)[:6]}"


def pictures(board: Board) -> tuple[Picture, ...]:
    """Return all pictures of a board, in the order in which they are shown."""
    return tuple(_pictures(board))


def _pictures(board: Board) -> Iterator[Picture]:
    for model in board.models:
        yield distributions(board, model)
        for task in board.tasks(model):
            groups = [row.runs for row in board.rows_of(model, task)]
            for picture in (learning_rates(groups), curves(groups), gradients(groups), losses(groups)):
                if picture is not None:
                    yield picture
    for section in board.over_tasks:
        yield Picture(PROFILES, section.model, "", section.caption, rounded(section.profiles))


def distributions(board: Board, model: str) -> Picture:
    """Return every seed's score over its box, by strategy and task (the paper's Fig. 1)."""
    tasks, strategies = board.tasks(model), board.strategies(model)
    panels = []
    for task in tasks:
        rows = board.rows_of(model, task)
        scores = {row.strategy: scored(row.runs) for row in rows}
        metric, constant = rows[0].scored_by, rows[0].constant
        panels.append(
            {
                "task": task,
                "unit": unit(metric),
                "constant": metric.scale * constant,
                "scores": scores,
            }
        )
    return Picture(
        "distributions",
        model,
        "",
        f"Every run on {shown(model)}, over the box of its strategy: a point is a run that learned, a ring "
        "one at chance, a cross one that failed; the dotted line is the best constant classifier. Steady "
        "strategies, over all tasks, come first.",
        rounded({"strategies": strategies, "panels": panels}),
    )


def kinds(group: RunGroup) -> list[str]:
    """Return of every run whether it learned, is at chance or failed."""
    sample = group.stability.sample
    flags = zip(sample.failed, sample.learned, strict=True)
    return [FAILED if failed else LEARNED if learned else AT_CHANCE for failed, learned in flags]


def scored(group: RunGroup) -> list[list[Any]]:
    """Return [seed, score as people read it, kind] of every run."""
    scale = group.stability.metric.scale
    return [
        [run.record.seed, scale * judged_score(run.record).value, kind]
        for run, kind in zip(group.runs, kinds(group), strict=True)
    ]


def unit(metric: Metric) -> str:
    """Return what stands behind "dev score" at an axis."""
    return ", points" if metric.scale == 100 else ""


def box(scores: Sequence[float]) -> list[float]:
    """Return low whisker, lower quartile, median, upper quartile, high whisker.

    Whiskers reach to the last score within 1.5 times the distance of the quartiles (Tukey).
    """
    values = np.asarray(scores, float)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    reach = 1.5 * (high - low)
    inner = values[(values >= low - reach) & (values <= high + reach)]
    return [float(end) for end in (min(inner.min(), low), low, middle, high, max(inner.max(), high))]


def evaluations(run: RunWithTraces, scale: int) -> list[list[float]]:
    """Return [update, score as people read it] of every evaluation."""
    return [[e.step, scale * e.value] for e in run.record.evaluations]


def learning_rates(groups: Sequence[RunGroup]) -> Picture | None:
    """Return learning rate x bias correction (Fig. 5), where at least two rates were run with and without."""
    grids: dict[str, dict[str, dict[float, RunGroup]]] = {}
    epochs: dict[str, int] = {}
    for group in groups:
        work = group.first.fine_tuning
        if work is None or work.strategy.name not in RECIPE_ONLY:
            continue
        rest = digest(work.recipe.model_dump(mode="json", exclude={"learning_rate", "bias_correction"}))
        epochs[rest] = work.recipe.epochs
        cells = grids.setdefault(rest, {"with": {}, "without": {}})[
            "with" if work.recipe.bias_correction else "without"
        ]
        rival = cells.get(work.recipe.learning_rate)
        if rival is None or len(rival.runs) < len(group.runs):
            cells[work.recipe.learning_rate] = group
    panels = []
    for rest, grid in sorted(grids.items(), key=lambda item: (epochs[item[0]], item[0])):
        if min(len(cells) for cells in grid.values()) >= 2:
            rates_shown = {
                kind: [[rate, scored(cells[rate])] for rate in sorted(cells)] for kind, cells in grid.items()
            }
            panels.append({"epochs": epochs[rest], **rates_shown})
    if not panels:
        return None
    first = groups[0]
    return Picture(
        "learning_rates",
        first.model,
        first.task,
        f"Learning rate with and without bias correction on {shown(first.task)}: every run over its "
        "box, a point learned, a ring is at chance, a cross failed.",
        rounded({"panels": panels, **axis(first)}),
    )


def curves(groups: Sequence[RunGroup]) -> Picture | None:
    """Return training loss and dev score of runs that failed and of runs that learned (Fig. 14).

    Failed runs are of the strategy that has most of them, the others of the steadiest strategy.
    """
    sides: list[dict[str, Any]] = []
    for kind in (LEARNED, FAILED):
        found = [(group, some) for group in groups if (some := _traced(group, kind))]
        if not found:
            return None
        group, some = max(found, key=lambda item: len(item[1])) if kind == FAILED else found[0]
        sides.append(
            {
                "strategy": group.strategy,
                "kind": kind,
                "entropy": group.first.label_entropy,
                "runs": [
                    {
                        "seed": run.record.seed,
                        "updates": run.traces.updates,
                        "loss": run.traces.loss,
                        "scores": evaluations(run, group.stability.metric.scale),
                    }
                    for run in some[:CURVES]
                ],
            }
        )
    good, bad = sides
    first = groups[0]
    return Picture(
        "curves",
        first.model,
        first.task,
        f"Training on {shown(first.task)}: {len(good['runs'])} runs of "
        f"{shown(good['strategy'])} that learned and {len(bad['runs'])} of {shown(bad['strategy'])} "
        "that failed. "
        "The dashed line is the entropy of the labels, the loss of a model that has learned nothing else.",
        rounded({"sides": sides, **axis(first)}),
    )


def axis(group: RunGroup) -> dict[str, Any]:
    """Return what the axis of scores says, and where the best constant classifier lies on it."""
    metric = group.stability.metric
    return {"metric": metric.name, "unit": unit(metric), "constant": metric.scale * group.first.constant}


def _traced(group: RunGroup, kind: str) -> list[RunWithTraces]:
    pairs = zip(group.runs, kinds(group), strict=True)
    return [run for run, its in pairs if its == kind and run.traces.loss]


def gradients(groups: Sequence[RunGroup]) -> Picture | None:
    """Return gradient norms by layer of a failed run and of one that learned (Fig. 4)."""
    failed = {g.strategy: r for g in groups for r in reversed(_traced(g, FAILED)) if r.traces.layer_norms}
    good = {g.strategy: r for g in groups for r in reversed(_traced(g, LEARNED)) if r.traces.layer_norms}
    if not failed or not good:
        return None
    # of one strategy where there is one
    both = [strategy for strategy in failed if strategy in good]
    names = (both[0], both[0]) if both else (next(iter(failed)), next(iter(good)))
    chosen = (failed[names[0]], good[names[1]])
    panels = [
        {
            "kind": kind,
            "strategy": name,
            "seed": run.record.seed,
            "layers": run.record.layers,
            "updates": run.traces.layer_updates,
            "norms": run.traces.layer_norms,
        }
        for kind, name, run in zip((FAILED, LEARNED), names, chosen, strict=True)
    ]
    first = groups[0]
    return Picture(
        "gradients",
        first.model,
        first.task,
        f"Gradient norms by layer on {shown(first.task)} (logarithmic), from the lowest layer "
        "(dark) to the head (light), of a run that failed and of one that learned.",
        rounded({"panels": panels}),
    )


def losses(groups: Sequence[RunGroup]) -> Picture | None:
    """Return the dev score against the training loss of the last epoch, all runs of a task (Fig. 8)."""
    points = [
        [run.record.train_loss, score, kind]
        for group in groups
        for run, (_, score, kind) in zip(group.runs, scored(group), strict=True)
        if run.record.train_loss is not None
    ]
    if len(points) < 3:
        return None
    first = groups[0]
    entropy = next((g.first.label_entropy for g in groups if g.first.label_entropy is not None), None)
    return Picture(
        "losses",
        first.model,
        first.task,
        f"Dev score against the training loss of the last epoch, all {len(points)} runs on "
        f"{shown(first.task)}: points learned, rings are at chance, crosses failed; the dashed line is the "
        "entropy of the labels.",
        rounded({"points": points, "entropy": entropy, **axis(first)}),
    )
