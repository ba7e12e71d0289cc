"""What planned seeds can show, gate by gate, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from tabulate import tabulate

from stabbench import statistics
from stabbench.commands.suite_gates import PlannedGate
from stabbench.statistics import planning, power
from stabbench.statistics.paired import MIN_PAIRS
from stabbench.statistics.regression import MIN_BASELINE, MIN_CANDIDATE
from stabbench.statistics.sample import MIN_LEARNED
from stabbench.statistics.spread import NORMAL_KURTOSIS, spread_factors

HEADERS = ("gate", "PASS", "FAIL", "power")
SHARES = {
    "few_failures": "fail",
    "few_at_chance": "are at chance",
    "few_worse_than": "are worse",
    "few_collapses": "collapse",
}
UNKNOWN = "not known before it runs"


@dataclass(frozen=True)
class Row:
    """A gate's row of the table.

    Attributes:
        passes: what gives PASS, "never" where nothing does.
        fails: what gives FAIL.
        chances: the power at a few truths.
        never: what to say where these seeds can never PASS.
    """

    gate: str
    passes: str
    fails: str
    chances: str
    never: str = ""


def lines_of(gates: Sequence[PlannedGate], n: int) -> Iterator[str]:
    """Yield the lines on the gates of a suite whose groups have n seeds."""
    rows = [row_of(gate, n) for gate in gates]
    if not rows:
        return
    yield f"what {n} seeds can show:"
    cells = [(row.gate, row.passes, row.fails, row.chances) for row in rows]
    yield from tabulate(cells, HEADERS, "simple", disable_numparse=True).splitlines()
    yield from (f"NOTE: {row.gate} can never PASS with {n} seeds: {row.never}" for row in rows if row.never)


def row_of(gate: PlannedGate, n: int) -> Row:
    """Return the row of a gate for n seeds."""
    if not gate.known:
        return Row(gate.text, UNKNOWN, "", "")
    if gate.name in SHARES:
        return _share(gate, n)
    if gate.name == "steadier_than":
        return _steadier(gate, n)
    if gate.name == "no_regression":
        return _regression(gate, n)
    return _scores(gate, n)


def _share(gate: PlannedGate, n: int) -> Row:
    allowed, alpha, verb = float(gate.values["at_most"]), gate.alpha, SHARES[gate.name]
    all_is_fail = gate.name in ("few_failures", "few_collapses")
    passing, failing = statistics.failures_limits(n, allowed, alpha, all_is_fail)

    def chance(truth: float) -> tuple[float, float]:
        passes, fails = planning.share_power(np.array(n), allowed, truth, alpha)
        return float(passes), float(fails)

    good = ", ".join(f"{chance(p)[0]:.2f} if {p:.3g}" for p in (0.0, allowed / 4))
    high = min(1.0, 2 * allowed)
    text = f"PASS {good} {verb}\n" if passing is not None else ""
    row = Row(
        gate.text,
        "never" if passing is None else f"at most {passing} of {n}",
        "never" if failing is None else f"{failing} or more",
        f"{text}FAIL {chance(high)[1]:.2f} if {high:.3g} {verb}",
    )
    if passing is not None:
        return row
    enough = planning.least_seeds(lambda runs: planning.share_power(runs, allowed, 0.0, alpha)[0], 0.8)
    upper = float(statistics.clopper_pearson(0, n, alpha)[1])
    allow = f", or allow {ceil(100 * upper) / 100:g}" if upper < 0.99 else ""
    never = f"{enough} can, if none of them does{allow}" if enough else "no number up to 1,000 can"
    return Row(row.gate, row.passes, row.fails, row.chances, never)


def _scores(gate: PlannedGate, n: int) -> Row:
    if n < MIN_LEARNED:
        return Row(gate.text, "never", "never", "", f"{MIN_LEARNED} can")
    if gate.name == "good_mean":
        reach = power.mean_reach(n, gate.alpha)
        chances = ", ".join(
            f"{float(power.mean_power(n, gap, gate.alpha)):.2f} {what}"
            for gap, what in ((0.5, "half a std"), (1.0, "one std"))
        )
        return Row(
            gate.text,
            f"{reach:.2f} std better",
            f"{reach:.2f} std worse",
            f"PASS {chances} better\nFAIL as often where it is worse",
        )
    tau = float(gate.values["within"])
    passing, failing = (tau * float(x) for x in spread_factors(n, gate.alpha, NORMAL_KURTOSIS))
    (half, _), (_, twice) = (power.spread_power(n, ratio, gate.alpha) for ratio in (0.5, 2.0))
    return Row(
        gate.text,
        f"std about {passing:.3g} or less",
        f"above {failing:.3g}",
        f"PASS {float(half):.2f} if {tau / 2:.3g}\nFAIL {float(twice):.2f} if {2 * tau:.3g}",
    )


def _steadier(gate: PlannedGate, n: int) -> Row:
    fewest = planning.fewest_to_be_steadier(gate.alpha)
    if n < fewest:
        return Row(gate.text, "never", "never", "", f"{fewest} can, if the other learns nothing")
    how: dict[str, Any] = {"alpha": gate.alpha, "paired": gate.values.get("paired")}
    twice, thrice = (planning.steadier_power(_few(n), ratio, **how)[0] for ratio in (2.0, 3.0))
    chance = planning.steadier_power(_few(n), at_chance=0.3, **how)[0]
    text = f"PASS {twice:.2f}, {thrice:.2f} if the other's std is 2, 3 times as large\n"
    text += f"PASS {chance:.2f} if 0.3 of the other's runs are at chance ({_paired(gate, n)})"
    return Row(gate.text, "possible", "possible", text)


def _regression(gate: PlannedGate, n: int) -> Row:
    if n < MIN_CANDIDATE:
        return Row(gate.text, "never", "never", "", f"{MIN_CANDIDATE} can")
    stored = max(n, MIN_BASELINE)
    cases: tuple[dict[str, Any], ...] = ({"ratio": 2.0}, {"drop": 1.0}, {"at_chance": 0.2}, {})
    how: dict[str, Any] = {"alpha": gate.alpha, "paired": gate.values.get("paired")}
    found = [planning.regression_power(_few(n), _few(stored), **how, **case) for case in cases]
    text = "FAIL {:.2f} if the std doubles, {:.2f} if the mean falls by one std\n"
    text += "FAIL {:.2f} if 0.2 more are at chance\n"
    return Row(
        gate.text,
        "possible",
        "possible",
        f"{text.format(*(fails for _, fails in found))}"
        f"PASS {found[-1][0]:.2f} if nothing changes (baseline of {stored}, {_paired(gate, n)})",
    )


def _paired(gate: PlannedGate, n: int) -> str:
    """How the runs of two groups that share their seeds are compared."""
    by_seed = n >= MIN_PAIRS if gate.values.get("paired") is None else gate.values["paired"]
    return "paired by seed" if by_seed else "unpaired"


def _few(n: int) -> int:
    return min(n, planning.MOST_SIMULATED)
