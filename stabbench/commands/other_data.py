"""The section of ``stabbench compare`` on other dev data: what other rows and seeds would give."""

from __future__ import annotations

import math

from tabulate import tabulate

from stabbench.metrics import Metric
from stabbench.runs import Store
from stabbench.samples.collection import Collection
from stabbench.samples.other_data import runs_of, two_on_other_data, unknown, unknown_together
from stabbench.samples.stability import Stability
from stabbench.statistics import Bounded

FEW = 10
"""With fewer seeds the interval of a standard deviation is too short: docs/other-dev-data.md has the rate."""


def section(
    a: Stability, b: Stability, of_a: tuple[Collection, Store | None], of_b: tuple[Collection, Store | None]
) -> str:
    """Return what to expect of two groups on other dev data, as text, or why that is not known.

    Args:
        a: the reference.
        b: what is compared with it.
        of_a: where the runs of the reference are.
        of_b: where those of the other are.
    """
    if "best" in (a.checkpoint, b.checkpoint):
        return "\nOn other dev data       not known: predictions are those of the last checkpoint"
    first, second = runs_of(a.runs, *of_a), runs_of(b.runs, *of_b)
    found = two_on_other_data(first, second)
    if found is None:
        reasons = {"A": unknown(first), "B": unknown(second)}
        why = [f"{reason} of {name}" for name, reason in reasons.items() if reason]
        return f"\nOn other dev data       not known: {'; '.join(why) or unknown_together(first, second)}"
    one, two, less = found
    metric = a.metric
    table = [
        ["mean", *(_score(side.mean, metric) for side in (one, two)), _score(less.mean, metric, "+")],
        ["std", *(_score(side.std, metric) for side in (one, two)), _score(less.std, metric, "+")],
        ["failed", *(_rate(side.failure_rate) for side in (one, two)), _rate(less.failure_rate, "+")],
        ["variance that is the seeds'", *(_share(side.seeds_share) for side in (one, two)), ""],
    ]
    n, rows = min(len(first), len(second)), a.runs[0].n_dev
    few = f" With {n} seeds those of std are too short." if n < FEW else ""
    return "\n".join(
        (
            f"\nOn other dev data: 95 % intervals for other seeds and {rows} other dev rows of the same kind "
            f"(Multi-Bootstrap).{few}",
            tabulate(table, headers=["", "A", "B", "B - A"], disable_numparse=True),
        )
    )


def _score(found: Bounded, metric: Metric, sign: str = "") -> str:
    if math.isnan(found.value):
        return "-"
    value, low, high = (_signed(metric.text(part), part, sign) for part in found)
    return f"{value} ({low} to {high})"


def _rate(found: Bounded, sign: str = "") -> str:
    value, low, high = (_signed(f"{100 * part:.0f}", part, sign) for part in found)
    return f"{value} % ({low} to {high})"


def _signed(text: str, value: float, sign: str) -> str:
    return f"{sign}{text}" if value > 0 else text


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
