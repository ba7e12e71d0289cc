"""``stabbench analyse SOURCE [OTHER]``: agreement of runs, repeated seeds, where the variance comes from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap

import numpy as np
from tabulate import tabulate

from stabbench import metrics
from stabbench.commands.sources import PLACE, add_places, read_source
from stabbench.commands.textplot import BLOCKS, bars, strips
from stabbench.errors import StabbenchError
from stabbench.leaderboard.text import DASH
from stabbench.metrics import Metric
from stabbench.runs import RunRecord, Store
from stabbench.samples.agreement import Agreement, RunWithPredictions
from stabbench.samples.analysis import Analysis, Contrast, Scores, analyse, contrast
from stabbench.samples.collection import Collection, RunWithTraces, names
from stabbench.samples.seeds import Grid, Repeats
from stabbench.statistics import Component
from stabbench.text import json_text, shown, terminal

MARGIN = 20
"""Columns of what stands left of the numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("source", help=PLACE)
    parser.add_argument("other", nargs="?", help="what each group is contrasted with, named likewise")
    add_places(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object; scores are fractions")


def run(arguments: argparse.Namespace) -> int:
    """Print what each group of the source shows, and how it compares with the other's."""
    runs, store = read_source(arguments.source, arguments)
    if not runs.runs:
        raise StabbenchError(f"there is no run in {arguments.source}.", "train some with pytest first.")
    samples = {sample.runs[0].group: sample for sample in runs.groups()}
    found = [
        (analyse([_predictions(one, store) for one in group], samples.get(group[0].record.group)), group)
        for group in _groups(runs)
    ]
    contrasts = _contrasts(runs, read_source(arguments.other, arguments)[0]) if arguments.other else []
    if arguments.json:
        data = {
            "groups": [asdict(analysis) for analysis, _ in found],
            "contrasts": [asdict(one) for one in contrasts],
        }
        print(json_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)))
        return 0
    blocks = [describe(analysis, group[0].record) for analysis, group in found]
    print(terminal("\n\n".join(blocks + [describe_contrast(one) for one in contrasts])))
    return 0


def describe(found: Analysis, first: RunRecord) -> str:
    """Return what a group of runs shows, as text for a terminal.

    Args:
        found: the analysis.
        first: the record of one of the runs, for what all have in common.
    """
    metric = metrics.named(first.metric, first.better)
    points = " in points" if metric.scale == 100 else ""
    title = (
        f"{shown(found.strategy)} on {shown(found.task)} with {shown(found.model)}, "
        f"group {found.group[:12]}\n"
        f"{shown(metric.name)}{points}; the best constant predictor reaches {metric.text(first.constant)}"
    )
    parts = [
        title,
        _scores(found.scores, first.constant, metric) if found.scores else "",
        _agreement(found.all_runs, found.successes) if found.all_runs else "",
        _repeats(found.repeats, metric) if found.repeats else "",
        *(_grid(grid, metric) for grid in found.grids),
        "\n".join(
            _lines(
                "not shown",
                [line for text in found.missing for line in wrap(text, 88, break_on_hyphens=False)],
            )
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def describe_contrast(found: Contrast) -> str:
    """Return how two groups compare, as text for a terminal."""
    better = f"with probability {found.probability_of_improvement:.3f}, ties counted half"
    spread = (
        f"p = {found.spread_p_value:.2g}, one-sided, by permutation of all runs "
        f"(t = {found.spread_statistic:.2f})"
    )
    title = f"{shown(found.first)} against {shown(found.second)}"
    return "\n".join([title, *_lines("a run is better", [better]), *_lines("it spreads more", [spread])])


def _lines(name: str, texts: Sequence[str]) -> list[str]:
    """Return lines of text with a name in the margin of the first."""
    return [f"{name if i == 0 else '':<{MARGIN}}{text}" for i, text in enumerate(texts)]


def _text(value: float | None, metric: Metric) -> str:
    return DASH if value is None else metric.text(value, 2)


def _scores(found: Scores, constant: float, metric: Metric) -> str:
    collapsed = "" if found.collapsed is None else f", {found.collapsed} collapsed"
    low, high = found.failure_rate["Clopper-Pearson"]
    middle = {"mean": found.mean, "median": found.median, "interquartile mean": found.interquartile_mean}
    width = {"std": found.std, "of learned": found.std_of_learned, "min": found.min, "max": found.max}
    scores = [
        "   ".join(f"{name} {_text(value, metric)}" for name, value in row.items()) for row in (middle, width)
    ]
    return "\n".join(
        [
            *_lines("runs", [f"{found.runs}, {found.failed} failed{collapsed}"]),
            *_lines("scores", scores),
            *strips({" " * (MARGIN - 2): list(found.by_seed.values())}, constant, metric).splitlines(),
            *_lines("failure rate, 90 %", [f"{100 * low:.1f} to {100 * high:.1f}, as a gate sees it"]),
        ]
    )


def _agreement(everyone: Agreement, successes: Agreement | None) -> str:
    columns = {f"{everyone.runs} runs": everyone}
    if successes is not None:
        columns[f"{successes.runs} not failed"] = successes
    rows: dict[str, list[float | None]] = {
        "per-point stability": [found.per_point_stability for found in columns.values()],
        "churn ratio": [found.churn_ratio for found in columns.values()],
        "pairwise disagreement": [found.pairwise_disagreement for found in columns.values()],
        "Fleiss' kappa": [found.fleiss_kappa for found in columns.values()],
        "Jensen-Shannon": [found.jensen_shannon for found in columns.values()],
    }
    cells = [[name, *(_number(value) for value in values)] for name, values in rows.items()]
    table = tabulate(cells, headers=["agreement of", *columns], disable_numparse=True)
    return "\n\n".join(part for part in (table, _right_rows(everyone)) if part)


def _right_rows(found: Agreement) -> str:
    """Return the dev rows by how many runs are right, drawn between none and all of them."""
    counts, n = found.right_in, found.runs
    if counts is None:
        return ""
    words = f"{counts[n] / sum(counts):.1%} right in every run, {counts[0] / sum(counts):.1%} in none"
    between = counts[1:n]
    if not any(between):
        return "\n".join(_lines("rows of the dev set", [words]))
    picture = bars(between)
    axis = f"1{n - 1:>{len(picture) - 1}}" if len(picture) > 2 else ""
    return "\n".join(
        _lines("rows of the dev set", [f"{words}; the others by the number of right runs:", picture, axis])
    ).rstrip()


def _repeats(found: Repeats, metric: Metric) -> str:
    runs = f"{found.runs} runs of {found.seeds} seeds"
    if found.identical == found.seeds:
        return "\n".join(_lines("same seed again", [f"{runs}: identical to the last bit"]))
    differ = found.pairwise_disagreement
    seed = "" if found.seed_std is None else f", of the seeds themselves {_text(found.seed_std, metric)}"
    texts = [
        f"{runs}: {found.identical} of {found.seeds} seeds identical",
        f"std with one seed {_text(found.same_seed_std, metric)}{seed}",
    ]
    if differ is not None:
        texts.append(f"two runs of one seed differ on {differ:.1%} of the rows")
    return "\n".join(_lines("same seed again", texts))


def _grid(grid: Grid, metric: Metric) -> str:
    known = [score for row in grid.scores for score in row if score is not None]
    low, span = min(known), (max(known) - min(known)) or 1.0
    streams = ", ".join(("order", *grid.with_order))
    others = ", ".join(name for name in ("head", "dropout", "strategy") if name not in grid.with_order)
    lines = [f"seeds of {others} (rows) by seeds of {streams} (columns)"]
    for head, row in zip(grid.heads, grid.scores, strict=True):
        cells = (" " if score is None else BLOCKS[1 + int(7 * (score - low) / span)] for score in row)
        lines.append(f"{head:>6}  {''.join(cell * 2 for cell in cells)}")
    lines.append(f"        {_text(low, metric)} (▁) to {_text(max(known), metric)} (█)")
    if grid.variance is not None:
        found = grid.variance
        lines += [
            f"std of one run {_text(float(np.sqrt(found.total)), metric)}; of its variance",
            _component("head", found.head),
            _component("order", found.order),
            f"{'the rest':<9}{found.remainder.share:>5.0%}  what both do together, and everything else",
        ]
    return "\n".join(_lines("head and order", lines))


def _component(name: str, found: Component) -> str:
    if found.lower is None or found.upper is None or found.p_value is None:
        return f"{name:<9}{found.share:>5.0%}"
    return (
        f"{name:<9}{found.share:>5.0%}  p = {found.p_value:.2g}; {found.lower:.0%} to {found.upper:.0%} of "
        "it and the rest fit"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _contrasts(first: Collection, second: Collection) -> list[Contrast]:
    pairs = [
        (a, b) for a in first.groups() for b in second.groups() if (a.task, a.model) == (b.task, b.model)
    ]
    if not pairs:
        raise StabbenchError(
            "the two sources have no task and model in common.",
            "name two sources of the same task and model.",
        )
    return [contrast(a, b) for a, b in pairs]


def _groups(runs: Collection) -> list[list[RunWithTraces]]:
    """Return the runs of each group, replicates and those with seeds per stream among them."""
    found: dict[str, list[RunWithTraces]] = {}
    for run in sorted(runs.runs, key=lambda run: (*names(run.record), run.record.seed, run.record.key)):
        found.setdefault(run.record.group, []).append(run)
    return list(found.values())


def _predictions(run: RunWithTraces, store: Store | None) -> RunWithPredictions:
    if store is not None:
        return RunWithPredictions.from_arrays(run.record, store.arrays(run.record))
    kept, labels = run.traces.predictions, run.traces.labels
    return RunWithPredictions(
        run.record,
        np.asarray(kept) if kept else None,
        labels=np.asarray(labels) if labels else None,
    )
