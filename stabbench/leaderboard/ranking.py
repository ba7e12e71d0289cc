"""From groups of runs to rows in order: places, the best and who is near it, stars, copies.

``standings`` compares the strategies of a task. Only ranked rows take part: complete, not stopped early, at
least 20 seeds, and no copy: a row with the final scores of another one, seed by seed, shows nothing new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stabbench import statistics
from stabbench.leaderboard.standings import StarTest, by_numbers, standings, star_test
from stabbench.leaderboard.table import Row, State, by_task
from stabbench.samples.groups import RunGroup

LAST = (State.RANKED, State.SMALL, State.INCOMPLETE, State.STOPPED)
"""How unranked rows follow the ranked ones."""


def rank(groups: Sequence[RunGroup]) -> tuple[Row, ...]:
    """Return the rows of all groups with their comparisons, by model, task and place."""
    rows = [Row(group) for group in groups]
    done = [row for rivals in by_task(rows).values() for row in _placed(_without_copies(rivals))]
    stars = _stars(done)
    for number, row in enumerate(done):
        if row.group in stars:
            p, runs = stars[row.group]
            done[number] = replace(row, star=statistics.star(p, runs), star_p=p)
    return tuple(sorted(done, key=lambda row: (row.model, row.task, row.place, row.strategy)))


def _without_copies(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a task, copies of others marked; the original is the first of them by name."""
    found: list[Row] = []
    originals: dict[tuple[tuple[int, float], ...], str] = {}
    for row in sorted(rows, key=lambda row: row.strategy):
        # rows that hardly vary are alike without being copies, and those without all runs may yet differ
        if row.state in (State.RANKED, State.SMALL) and row.sample.degenerate is None:
            seeds = (run.record.seed for run in row.runs.runs)
            scores = tuple(zip(seeds, row.runs.stability.scores, strict=True))
            original = originals.setdefault(scores, row.strategy)
            row = replace(row, same_as="" if original == row.strategy else original)
        found.append(row)
    return found


def _placed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of a task with their places, those of copies being their originals'."""
    own = [row for row in rows if not row.same_as]
    ranked = [row for row in own if row.state is State.RANKED]
    others = [row for row in own if row.state is not State.RANKED]
    order, near = standings([row.sample for row in ranked], [row.verdict == "FAIL" for row in ranked])
    others.sort(key=lambda row: (LAST.index(row.state), *by_numbers(row.sample)))
    names = [ranked[place].strategy for place in order] + [row.strategy for row in others]
    places = {name: place for place, name in enumerate(names, start=1)}
    near_best = {row.strategy: flag for row, flag in zip(ranked, near, strict=True)}
    return [
        replace(row, place=places[row.same_as or row.strategy], near_best=near_best.get(row.strategy))
        for row in rows
    ]


def _stars(rows: Sequence[Row]) -> Mapping[str, tuple[float, int]]:
    """Return (p, smaller number of runs) of each task's star test by group, Holm-adjusted over the tasks."""
    tests: dict[str, list[tuple[str, StarTest]]] = defaultdict(list)
    for (model, _), rivals in by_task(rows).items():
        ranked = [row for row in rivals if row.state is State.RANKED]
        test = star_test([row.sample for row in ranked], [row.verdict == "FAIL" for row in ranked])
        if test is not None:
            tests[model].append((ranked[test.sample].group, test))
    found = {}
    for made in tests.values():
        adjusted = statistics.holm([test.p_value for _, test in made])
        for (group, test), p in zip(made, adjusted, strict=True):
            found[group] = (float(p), test.runs)
    return found
