"""Comparisons between the strategies of a task: the star, and who cannot be told from the best.

Only ranked rows take part: complete, not stopped early, at least 20 seeds.

*Star.* As in the paper's Table 1, the smallest standard deviation (all runs) is tested against the next
larger one of the same task, but by Brown and Forsythe's test (centre = median; the mean centre of Levene 1960
finds differences between identical strategies when some runs fail), two-sided, Holm-adjusted over the tasks
of the model: * for p <= .05, ★ for p <= .001. A strategy of which half the runs or more failed cannot
have the smallest deviation, since it is that of its failures; and no star is given to one that fails
significantly more often (Boschloo's test, .05) than the one it is compared with.

*Not separable from the best.* The best is the strategy with the smallest share of failed runs and, among
equals, the smallest standard deviation; there is none where even that one is judged FAIL. Another strategy is
separable when the best is steadier by the two-part gate (failures, and spread of the successes),
Holm-adjusted over the strategies of the task, .05.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from stabbench import statistics
from stabbench.leaderboard.table import Row, State, by_task
from stabbench.samples.groups import RunGroup
from stabbench.statistics import Outcome, Sample

LEVEL = 0.05


def rank(groups: Sequence[RunGroup]) -> tuple[Row, ...]:
    """Return the rows of all groups with their comparisons.

    A model's strategies come from steady to unsteady: by the mean over its tasks of the share of failed
    runs, then of the standard deviation.
    """
    rows = [Row(group) for group in groups]
    samples = {row.group: row.sample for row in rows}
    stars = _stars(rows, samples)
    near = _near_best(rows, samples)
    compared = [
        replace(
            row,
            star=statistics.star(*stars[row.group]) if row.group in stars else "",
            star_p=stars[row.group][0] if row.group in stars else None,
            near_best=row.group in near if row.state is State.RANKED else None,
        )
        for row in rows
    ]
    shares: dict[tuple[str, str], list[float]] = defaultdict(list)
    spreads: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in compared:
        shares[row.model, row.strategy].append(row.failed / row.finished)
        spreads[row.model, row.strategy].append(row.std or 0.0)

    def place(row: Row) -> tuple[str, float, float, str, str]:
        name = row.model, row.strategy
        return row.model, fmean(shares[name]), fmean(spreads[name]), row.strategy, row.task

    return tuple(sorted(compared, key=place))


def _stars(rows: Sequence[Row], samples: Mapping[str, Sample]) -> dict[str, tuple[float, int]]:
    """Return (adjusted p, smaller n) of the row with the smallest deviation of each task, by group."""
    tests: dict[str, list[tuple[str, float, int]]] = defaultdict(list)
    for (model, _), rivals in by_task(rows).items():
        spread = sorted((r for r in rivals if r.state is State.RANKED), key=lambda r: (r.std, r.strategy))
        while spread and 2 * spread[0].failed >= spread[0].finished:
            spread.pop(0)
        if len(spread) < 2:
            continue
        best, second = samples[spread[0].group], samples[spread[1].group]
        more = statistics.boschloo(best.n_failed, best.n, second.n_failed, second.n)
        p = statistics.levene(best.scores, second.scores).p_value
        if p is not None:
            tests[model].append((spread[0].group, p if more > LEVEL else 1.0, min(best.n, second.n)))
    found = {}
    for made in tests.values():
        for (group, _, n), p in zip(made, statistics.holm([p for _, p, _ in made]), strict=True):
            found[group] = (float(p), n)
    return found


def _near_best(rows: Sequence[Row], samples: Mapping[str, Sample]) -> set[str]:
    """Return the groups that are the best of their task or not separable from it."""
    found = set()
    for rivals in by_task(rows).values():
        ranked = sorted((r for r in rivals if r.state is State.RANKED), key=steadiness)
        if not ranked or ranked[0].verdict == "FAIL":
            continue
        best = samples[ranked[0].group]
        gates = [statistics.steadier_gate(best, samples[row.group]) for row in ranked[1:]]
        wins = [e.p_value if e.outcome is Outcome.PASS and e.p_value is not None else 1.0 for e in gates]
        adjusted = statistics.holm(wins)
        found.add(ranked[0].group)
        found |= {row.group for row, p in zip(ranked[1:], adjusted, strict=True) if p > LEVEL}
    return found


def steadiness(row: Row) -> tuple[float, float, str]:
    """Return the sorting key from steady to unsteady: share of failed runs, then standard deviation."""
    return row.failed / row.finished, row.std if row.std is not None else 0.0, row.strategy
