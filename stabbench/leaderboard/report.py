"""What happened in a group of runs, for the person whose gate just failed: words first, then traces."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from stabbench.leaderboard import text
from stabbench.leaderboard.board import rounded
from stabbench.leaderboard.diagnosis import VANISHED, Cause, Diagnosis, diagnose, suggestions
from stabbench.leaderboard.pictures import (
    AT_CHANCE,
    FAILED,
    KINDS,
    LEARNED,
    Picture,
    axis,
    evaluations,
    kinds,
)
from stabbench.leaderboard.plots import draw
from stabbench.leaderboard.table import Row
from stabbench.metrics import Metric
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.failed import judged_score
from stabbench.samples.groups import RunGroup
from stabbench.statistics import OtherData
from stabbench.text import html, shown

BARS = "▁▂▃▄▅▆▇█"
SHOWN = 12
"""How many runs that learned are listed; the others always are."""


def group_report(group: RunGroup) -> str:
    """Return what happened in a group, as text for a terminal."""
    row = Row(group)
    found = [diagnose(run) for run in group.runs]
    lines = [
        f"{group.strategy} on {group.task} with {group.model}",
        f"group {group.first.group[:16]}; runs: {text.runs(row)}; {row.learned} learned, {row.at_chance} at "
        f"chance, {row.failed} of these failed",
        f"at most 20 % may be at chance: {row.verdict}, {row.reason}",
    ]
    if row.environment:
        lines.append(row.environment)
    if row.mean is not None:
        at_best = row.mean_of_best_checkpoints
        mean, peak, std, good, best, constant = (
            text.score(value, row.scored_by)
            for value in (row.mean, at_best, row.std, row.std_learned, row.best, row.constant)
        )
        lines.append(
            f"mean {mean} ({peak} had each run stopped at its best checkpoint), std {std} (of learned "
            f"{good}), best {best}; the best constant classifier reaches {constant} {row.metric}"
        )
    if row.unbiased and group.other_data is not None:
        lines += _other_data(group.other_data, row.scored_by)
    if group.plan.errored:
        lines.append(
            "errored: " + ", ".join(f"seed {s} ({k})" for s, k in sorted(group.plan.errored.items()))
        )
    lines += ["", *_what_happened(group, found), "", *_traces(group)]
    tips = suggestions(group.runs, found)
    if tips:
        lines += ["", "What to try", *(f"  - {tip}" for tip in tips)]
    return "".join(f"{shown(line)}\n" for line in lines)


def run_report(group: RunGroup, run: RunWithTraces) -> str:
    """Return what happened in one run, as text for a terminal."""
    record, found, metric = run.record, diagnose(run), group.stability.metric
    kind = kinds(group)[group.runs.index(run)]
    score = judged_score(record).value
    lines = [
        f"seed {record.seed} of {group.strategy} on {group.task} with {group.model}: {kind}",
        f"run {record.key[:16]}, group {record.group[:16]}, {text.score(score, metric)} {record.metric} (the "
        f"best constant classifier reaches {text.score(record.constant, metric)})",
        *([f"{found.cause}{_when(found.since)}"] if found.cause is not Cause.NONE else []),
        *([f"diverged: {record.reason}"] if record.reason else []),
    ]
    if found.favourite is not None:
        lines.append(f"the most frequent prediction takes {found.favourite:.0%} of the dev set")
    if found.bottom_share is not None:
        lines.append(_gradient_sentence([found]))
    if run.traces.loss:
        lines += ["", f"loss           {bars(run.traces.loss, 0.0)}  {_ends(run.traces.loss)}"]
        lines.append(
            f"gradient norm  {bars(run.traces.gradient_norm, 0.0)}  {_ends(run.traces.gradient_norm)}"
        )
        if record.label_entropy is not None:
            lines.append(f"(each bar is a thirtieth of {run.traces.updates[-1]} updates; entropy of the "
                         f"labels: {record.label_entropy:.3f})")  # fmt: skip
    for evaluation in record.evaluations:
        lines.append(f"  after {evaluation.step:>6} updates: {text.score(evaluation.value, metric)} on dev")
    tips = suggestions([run], [found])
    if tips:
        lines += ["", "What to try", *(f"  - {tip}" for tip in tips)]
    return "".join(f"{shown(line)}\n" for line in lines)


def _other_data(found: OtherData, metric: Metric) -> list[str]:
    ends = [f"{name} {metric.text(low)} to {metric.text(high)}" for name, (_, low, high) in
            (("mean", found.mean), ("std", found.std)) if isfinite(low)]  # fmt: skip
    _, low, high = found.failure_rate
    lines = [f"on other dev data, with other seeds (95 %): {', '.join(ends)}, failed {low:.0%} to {high:.0%}"]
    if found.seeds_share is not None and found.rows_share is not None:
        both = 1 - found.seeds_share - found.rows_share
        lines.append(
            f"of the variance of one score there {found.seeds_share:.0%} is the seed's, "
            f"{found.rows_share:.0%} the dev rows', {both:.0%} how a seed happens to fit the rows"
        )
    return lines


def _what_happened(group: RunGroup, found: Sequence[Diagnosis]) -> list[str]:
    lines = ["What happened"]
    for cause in Cause:
        hit = [(run, d) for run, d in zip(group.runs, found, strict=True) if d.cause is cause]
        if not hit or cause is Cause.NONE:
            continue
        seeds = ", ".join(str(run.record.seed) for run, _ in hit)
        lines.append(f"  {len(hit)} of {len(group.runs)} runs: {cause} (seed {seeds})")
        since = sorted({d.since for _, d in hit if d.since is not None})
        if since:
            lines.append(f"    since when: {_span(since)}")
        with_norms = [d for _, d in hit if d.bottom_share is not None]
        if with_norms:
            lines.append(f"    {_gradient_sentence(with_norms)}")
    if len(lines) == 1:
        lines.append("  every run learned")
    good = [d for d in found if d.cause is Cause.NONE and d.bottom_share is not None]
    if good and len(good) < len(found):
        lines.append(f"  for comparison, the runs that learned: {_gradient_sentence(good)}")
    return lines


def _gradient_sentence(found: Sequence[Diagnosis]) -> str:
    shares = [d.bottom_share for d in found if d.bottom_share is not None]
    gone = [d.vanished_since for d in found if d.vanished_since is not None]
    span = f"{min(shares):.2g}" if len(shares) == 1 else f"{min(shares):.2g} to {max(shares):.2g}"
    start = f"late in training the lowest layer's gradient is {span} times the head's"
    if not gone:
        return f"{start}: it has not vanished (that is below {VANISHED:g})"
    which = "" if len(shares) == 1 else f" in {len(gone)} of {len(shares)} runs"
    return f"{start}: it has vanished{which}, {_span(sorted(set(gone)))}"


def _when(since: int | None) -> str:
    return "" if since is None else f" ({_span([since])})"


def _span(updates: Sequence[int]) -> str:
    if updates[-1] == 0:
        return "from the start"
    first = "the start" if updates[0] == 0 else f"update {updates[0]}"
    return f"from {first} on" if len(updates) == 1 else f"from {first} to update {updates[-1]} on"


def _traces(group: RunGroup) -> list[str]:
    """Return one line a run with its training loss as bars; of those that learned twelve at most."""
    lines = ["Training loss, one line a run (bars from 0 to the largest of the group)"]
    tops = [value for run in group.runs for value in run.traces.loss if value is not None]
    if not tops:
        return ["The records have no traces."]
    pairs = list(zip(group.runs, kinds(group), strict=True))
    for kind in reversed(KINDS):
        some = [run for run, its in pairs if its == kind]
        for run in some[:SHOWN] if kind == LEARNED else some:
            trace = bars(run.traces.loss, 0.0, max(tops)) if run.traces.loss else "no trace"
            points = text.score(judged_score(run.record).value, group.stability.metric)
            lines.append(
                f"  {kind:<9} seed {run.record.seed:>4}  {points:>5}  {trace}  {run.record.key[:12]}"
            )
        if kind == LEARNED and len(some) > SHOWN:
            lines.append(f"  and {len(some) - SHOWN} more that learned")
    return lines


def bars(values: Sequence[float | None], low: float, high: float | None = None) -> str:
    """Return a trace as a row of bars; "x" where a value is not finite."""
    known = [value for value in values if value is not None]
    top = max(known, default=1.0) if high is None else high
    scale = (len(BARS) - 1) / (top - low) if top > low else 0.0
    return "".join("x" if v is None else BARS[max(0, round((min(v, top) - low) * scale))] for v in values)


def _ends(values: Sequence[float | None]) -> str:
    first, last = ("NaN" if value is None else f"{value:.3g}" for value in (values[0], values[-1]))
    return f"{first} to {last}"


def picture(group: RunGroup, run: RunWithTraces | None = None) -> Picture | None:
    """Return losses and dev scores of all runs, and gradient norms of one at chance and one that learned."""
    if not any(one.traces.loss for one in group.runs):
        return None
    pairs = list(zip(group.runs, kinds(group), strict=True))
    traced = [(one, kind) for one, kind in pairs if one.traces.layer_norms]
    bad = [one for wanted in (FAILED, AT_CHANCE) for one, kind in traced if kind == wanted]
    good = [one for one, kind in traced if kind == LEARNED and one is not run]
    examples = [*(bad if run is None else [run])[:1], *good[:1]]
    return Picture(
        "report",
        group.model,
        group.task,
        f"{shown(group.strategy)} on {shown(group.task)}: training loss (dashed: entropy "
        "of the labels) and dev score (dotted: best constant classifier) of every run, those at "
        "chance in orange; below, gradient norms by layer.",
        rounded(
            {
                **axis(group),
                "entropy": group.first.label_entropy,
                "runs": [
                    {
                        "kind": kind,
                        "bold": one is run,
                        "updates": one.traces.updates,
                        "loss": one.traces.loss,
                        "scores": evaluations(one, group.stability.metric.scale),
                    }
                    for one, kind in pairs
                ],
                "panels": [
                    {
                        "kind": kind,
                        "strategy": group.strategy,
                        "seed": one.record.seed,
                        "layers": one.record.layers,
                        "updates": one.traces.layer_updates,
                        "norms": one.traces.layer_norms,
                    }
                    for one, kind in pairs
                    if any(one is some for some in examples)
                ],
            }
        ),
    )


def document(report: str, drawn: Picture | None) -> str:
    """Return a report as an HTML file with its picture, self-contained."""
    svg = draw(drawn) if drawn else ""
    svg = svg[svg.find("<svg") :]  # without the XML declaration, which HTML does not know
    lines = "\n".join(map(html, report.split("\n")))
    title = html(report.split("\n", 1)[0])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        "<style>body{margin:16px;background:#fff;color:#1f2328}svg{max-width:100%;height:auto}"
        "pre{white-space:pre-wrap;overflow-wrap:anywhere}</style></head>\n"
        f"<body><pre>{lines}</pre>\n{svg}</body></html>\n"
    )
