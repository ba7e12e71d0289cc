"""``stabbench compare A B``: is B steadier than A, is it worse than A, and what was changed between them?"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace

import numpy as np
from tabulate import tabulate

from stabbench.commands.other_data import section
from stabbench.commands.sources import PLACE, add_places, read_source
from stabbench.commands.textplot import strips
from stabbench.errors import StabbenchError
from stabbench.samples.comparison import NotComparable, check_comparable, differences, short
from stabbench.samples.scores import Incomplete
from stabbench.samples.stability import Stability
from stabbench.samples.verdict import Verdict
from stabbench.statistics import Outcome, overall
from stabbench.text import shown, terminal, terminal_line

PAPER_CAVEAT = (
    "(mean-centred, with failed runs, it tells identical strategies apart in up to 35 % of cases at .05)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("a", help=f"the reference: {PLACE}")
    parser.add_argument("b", help="what is compared with it, named likewise")
    add_places(parser)
    parser.add_argument(
        "--inconclusive",
        choices=("fail", "warn"),
        help="INCONCLUSIVE exits like a FAIL (1) or like a PASS (0); default: with 3",
    )
    parser.add_argument("--checkpoint", choices=("last", "best"), default="last", help="default: last")


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison of every pair of groups of one task and model, and return what a gate would.

    0 is PASS of all verdicts, 1 a FAIL, 3 INCONCLUSIVE without a FAIL (1 or 0 with ``--inconclusive fail`` or
    ``warn``). A pair that cannot be judged is told, and makes that 2 where nothing FAILs.
    """
    sources = [read_source(text, arguments) for text in (arguments.a, arguments.b)]
    sides = [runs.groups(arguments.checkpoint) for runs, _ in sources]
    pairs, strangers = _pairs(*sides)
    if not pairs:
        names = [", ".join(map(str, side)) or "nothing" for side in sides]
        raise (
            strangers[0]
            if strangers
            else StabbenchError(
                f"{arguments.a} and {arguments.b} have no task and model in common: {names[0]}; {names[1]}.",
                "name two sources of the same task and model.",
            )
        )
    outcomes: list[Outcome] = []
    problems: list[StabbenchError] = [*strangers]
    for number, (a, b) in enumerate(pairs):
        try:
            text, verdicts = compare(a, b)
        except Incomplete as error:
            problems.append(error)
            continue
        print(terminal(("\n\n" if number else "") + text))
        print(section(a, b, *sources))
        outcomes += verdicts
    paired = {id(group) for pair in pairs for group in pair}
    for text, side in zip((arguments.a, arguments.b), sides, strict=True):
        alone = [str(group) for group in side if id(group) not in paired]
        if alone:
            print(f"\n{shown(f'only in {text}: ' + ', '.join(alone))}")
    for problem in problems:
        print(f"not compared: {problem}", file=sys.stderr)
    return _code(overall(outcomes), bool(problems), arguments.inconclusive)


def _code(outcome: Outcome, problems: bool, inconclusive: str | None) -> int:
    if outcome is Outcome.FAIL:
        return 1
    if problems:
        return 2
    codes = {"fail": 1, "warn": 0, None: 3}
    return 0 if outcome is Outcome.PASS else codes[inconclusive]


def compare(a: Stability, b: Stability) -> tuple[str, list[Outcome]]:
    """Return the comparison of a reference A and a candidate B as text, and its verdicts.

    Where both are of one strategy it also says whether they are equally steady, which is no verdict of it.

    Raises:
        Incomplete: when a group lacks a run.
        NotComparable: when data, split, metric or model differ.
    """
    a.check_complete()
    b.check_complete()
    check_comparable(a.runs, b.runs)
    title, one, two = shown(f"{a.task}, {a.model}"), shown(f"A {a.strategy}"), shown(f"B {b.strategy}")
    swapped = a.strategy == b.strategy  # a library, a device, or the code below the strategy
    if swapped:
        title, one, two = f"{title}, {shown(a.strategy)}", "A", "B"
    headers = ["", "n", "failed", "at chance", "mean", "std", "std of learned", "best"]
    table = tabulate([_row(one, a), _row(two, b)], headers=headers, disable_numparse=True)
    a, b = replace(a, strategy=one), replace(b, strategy=two)
    steadier, regression = b.steadier_than(a), b.no_regression(a)
    changed = differences(a.runs, b.runs)
    lines = [
        title,
        table,
        "",
        strips({one: a.scores, two: b.scores}, a.runs[0].constant, a.metric),
        "",
        f"B steadier than A?      {_alone(steadier)}{_p_value(steadier.evidence.p_value)}",
        *_levene(steadier, a, b),
        *([f"B as steady as A?       {_alone(b.as_steady_as(a))}"] if swapped else []),
        f"B no worse than A?      {_alone(regression).partition('; changed since')[0]}",
        *(
            shown(f"changed                 {name}: {short(old)} -> {short(new)}")
            for name, (old, new) in changed.items()
            if not name.startswith("environment.")
        ),
        *(shown(f"environment             {note}") for note in steadier.environments),
    ]
    return "\n".join(lines), [steadier.outcome, regression.outcome]


def _alone(verdict: Verdict) -> str:
    """Return a verdict's summary without the environments, which have lines of their own."""
    return verdict.summary.removesuffix(terminal_line("; ".join(("", *verdict.environments))))


def _p_value(p: float | None) -> str:
    return "" if p is None else f"; p = {p:.2g}"


def _levene(verdict: Verdict, a: Stability, b: Stability) -> list[str]:
    """Return the tests on all runs, at chance or not: no verdict rests on them, but papers print them.

    They take a strategy that never learns for a steady one, so they never speak for a side whose small spread
    is that of runs at chance, nor for the one that the verdict above speaks against.
    """
    paper, median = (verdict.evidence.details.get(f"{kind}_p") for kind in ("paper", "raw"))
    if not isinstance(paper, float) or not isinstance(median, float):
        return []
    distances = [float(np.abs(s.sample.scores - np.median(s.sample.scores)).mean()) for s in (a, b)]
    name, less = ("A", a) if distances[0] < distances[1] else ("B", b)
    loser = {Outcome.PASS: "A", Outcome.FAIL: "B", Outcome.INCONCLUSIVE: ""}[verdict.outcome]
    side = f"{name} ({less.sample.at_chance})"
    if 2 * less.at_chance >= less.finished:
        lines = [
            f"says nothing: {name}'s spread is that of runs at chance ({less.at_chance}/{less.finished})"
        ]
    elif name == loser:
        lines = [f"says nothing: with learned runs and others together, {side} spreads less"]
    else:
        p_values = f"p = {paper:.2g} as in the paper (mean-centred), {median:.2g} median-centred"
        lines = [f"less spread: {side}; {p_values}", PAPER_CAVEAT]
    return [f"{title:<24}{line}" for title, line in zip(("Levene over all runs", ""), lines, strict=False)]


def _row(name: str, group: Stability) -> list[str]:
    scores = (group.mean, group.std, group.std_of_learned, group.best)
    cells = ["-" if math.isnan(score) else group.metric.text(score, 2) for score in scores]
    counts = [f"{count}/{group.finished}" for count in (group.failed, group.at_chance)]
    return [name, str(group.finished), *counts, *cells]


def _pairs(
    first: list[Stability], second: list[Stability]
) -> tuple[list[tuple[Stability, Stability]], list[NotComparable]]:
    """Pair groups of one task and model: by strategy where a side has several, else whatever they are.

    A task is its data, split and metric, not its name alone. Groups that have the names of others in common,
    but nothing that they may be compared with, are the second part.
    """
    found, strangers = [], []
    for a in first:
        namesakes = [(b, _difference(a, b)) for b in second if (b.task, b.model) == (a.task, a.model)]
        rivals = [b for b, error in namesakes if error is None]
        peers = [one for one in first if one.task == a.task and _difference(a, one) is None]
        if not rivals:
            strangers += [error for _, error in namesakes if error is not None][:1]
        if len(rivals) > 1 or len(peers) > 1:
            rivals = [b for b in rivals if b.strategy == a.strategy]
        found += [(a, b) for b in rivals]
    return found, strangers


def _difference(a: Stability, b: Stability) -> NotComparable | None:
    try:
        check_comparable(a.runs, b.runs)
    except NotComparable as error:
        return error
    return None
