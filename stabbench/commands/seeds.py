"""``stabbench seeds``: how many seeds it takes to decide which gate, as a table and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from stabbench.commands.textplot import bars
from stabbench.errors import StabbenchError
from stabbench.statistics import planning, power
from stabbench.statistics.masked import Floats, Ints
from stabbench.statistics.power import POWER
from stabbench.statistics.regression import MIN_CANDIDATE
from stabbench.statistics.sample import MIN_LEARNED, MIN_RUNS
from stabbench.text import terminal_line

GATES = ("failures", "mean", "spread", "steadier", "regression")
ALLOWANCES, TRUTHS = (0.05, 0.1, 0.2, 0.3), (0.0, 0.02, 0.05)
RATIOS = {"mean": (0.5, 1.0), "spread": (0.5, 0.6, 0.75, 1.5, 2.0), "steadier": (1.5, 2.0, 3.0)}
BASELINE = 50
"""Seeds of the baseline that a regression is judged against."""


@dataclass(frozen=True)
class Question:
    """How many seeds does it take to get a verdict?

    Attributes:
        gate: one of `GATES`.
        verdict: what is to be shown.
        truth: what is true.
        power_at: the probability of the verdict with a number of seeds.
        least: the number of seeds that has the wanted power; None: no number that is considered.
    """

    gate: str
    verdict: str
    truth: str
    power_at: Callable[[int], float]
    least: int | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("gate", nargs="?", choices=GATES, help="one gate alone; default: a table of all")
    parser.add_argument(
        "--allow", type=float, metavar="SHARE", help="failures: the gate's at_most; so for runs at chance"
    )
    parser.add_argument("--truth", type=float, metavar="SHARE", help="failures: the true share")
    parser.add_argument(
        "--ratio",
        type=float,
        metavar="R",
        help="spread: true std / allowed std; steadier, regression: larger std / smaller std; "
        "mean: distance from the wanted mean / std",
    )
    parser.add_argument("--power", type=float, default=POWER, help="probability of the verdict; default: 0.8")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw power by seeds: FILE.svg or .png")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; write the picture."""
    _check(arguments)
    found = [
        question
        for gate in ((arguments.gate,) if arguments.gate else GATES)
        for question in _QUESTIONS[gate](arguments)
    ]
    print(f"least number of seeds for a power of {arguments.power:g}, errors at most 0.05 on a side\n")
    rows = [(q.gate, q.verdict, q.truth, "none" if q.least is None else q.least) for q in found]
    print(tabulate(rows, ("gate", "to show", "if in truth", "seeds"), "simple", colalign=("left",) * 4))
    if len(found) == 1:
        _say_power(found[0])
    if arguments.picture is not None:
        from stabbench.commands.seeds_picture import write  # with matplotlib

        write(arguments.picture, found, arguments.power)
        print()
        print(terminal_line(f"power by seeds: {arguments.picture}"))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    belongs = {"allow": ("failures",), "truth": ("failures",), "ratio": tuple(GATES[1:])}
    for name, gates in belongs.items():
        if getattr(arguments, name) is not None and arguments.gate not in gates:
            raise StabbenchError(f"--{name} is a question about one gate.", f"name it: {', '.join(gates)}.")
    for name, low, high in (("allow", 0.0, 1.0), ("power", 0.0, 1.0)):
        value = getattr(arguments, name)
        if value is not None and not low < value < high:
            raise StabbenchError(f"--{name} {value:g} is not between 0 and 1.", "write 0.2 for 20 %.")
    if arguments.truth is not None and not 0 <= arguments.truth <= 1:
        raise StabbenchError(f"--truth {arguments.truth:g} is no share.", "write 0.02 for 2 %.")
    if arguments.ratio is not None and not (np.isfinite(arguments.ratio) and arguments.ratio > 0):
        raise StabbenchError(f"--ratio {arguments.ratio:g} is not above 0.", "write 2 for twice as large.")
    if arguments.picture is not None and arguments.picture.suffix not in (".svg", ".png"):
        raise StabbenchError(f"{arguments.picture} is neither .svg nor .png.", "name it so.")


def _failures(arguments: argparse.Namespace) -> Iterator[Question]:
    for allowed in ALLOWANCES if arguments.allow is None else (arguments.allow,):
        for truth in TRUTHS if arguments.truth is None else (arguments.truth,):
            side = 0 if truth <= allowed else 1  # at the allowance neither is likely

            yield _exact(
                "failures",
                f"at most {_percent(allowed)} fail" if side == 0 else f"more than {_percent(allowed)} fail",
                f"{_percent(truth)} fail" if truth else "none fails",
                partial(_side, planning.share_power, side, at_most=allowed, truth=truth),
                arguments.power,
                MIN_RUNS,
            )


def _mean(arguments: argparse.Namespace) -> Iterator[Question]:
    for gap in _ratios(arguments, "mean"):
        yield _exact(
            "mean",
            "mean good enough (or not)",
            f"it is {gap:g} std better (or worse)",
            partial(power.mean_power, gap=gap),
            arguments.power,
            MIN_LEARNED,
        )


def _spread(arguments: argparse.Namespace) -> Iterator[Question]:
    for ratio in _ratios(arguments, "spread"):
        side = 0 if ratio <= 1 else 1
        yield _exact(
            "spread",
            "std at most tau" if side == 0 else "std above tau",
            f"it is {ratio:g} tau",
            partial(_side, power.spread_power, side, ratio=ratio),
            arguments.power,
            MIN_LEARNED,
        )


def _steadier(arguments: argparse.Namespace) -> Iterator[Question]:
    for ratio in _ratios(arguments, "steadier"):
        yield _simulated(
            "steadier",
            "steadier than the other",
            f"the other's std is {ratio:g} times as large",
            partial(_side, planning.steadier_power, 0, ratio=ratio),
            arguments.power,
        )


def _regression(arguments: argparse.Namespace) -> Iterator[Question]:
    cases = {"the std is twice as large": {"ratio": 2.0}}
    if arguments.ratio is not None:
        cases = {f"the std is {arguments.ratio:g} times as large": {"ratio": arguments.ratio}}
    else:
        # RTE's runs that learned have a std of 2.7 points
        cases["the mean is 3 points lower on RTE (1.1 std)"] = {"drop": 3 / 2.7}
        cases["20 % more are at chance"] = {"at_chance": 0.2}
    for truth, case in cases.items():
        yield _simulated(
            "regression",
            f"worse than a baseline of {BASELINE}",
            truth,
            partial(_side, planning.regression_power, 1, baseline=BASELINE, **case),
            arguments.power,
            grows="at_chance" not in case,
        )


_QUESTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Question]]] = {
    "failures": _failures,
    "mean": _mean,
    "spread": _spread,
    "steadier": _steadier,
    "regression": _regression,
}


def _side(powers: Callable[..., Any], side: int, n: Any, **of: float) -> Any:
    """Return the power of PASS (0) or of FAIL (1) alone."""
    return powers(n, **of)[side]


def _ratios(arguments: argparse.Namespace, gate: str) -> tuple[float, ...]:
    return RATIOS[gate] if arguments.ratio is None else (arguments.ratio,)


def _exact(
    gate: str,
    verdict: str,
    truth: str,
    powers: Callable[[Ints], Floats],
    wanted: float,
    least: int,
) -> Question:
    def power_at(n: int) -> float:
        return float(powers(np.array(n))) if n >= least else 0.0

    return Question(gate, verdict, truth, power_at, planning.least_seeds(powers, wanted, least))


def _simulated(
    gate: str, verdict: str, truth: str, power_at: Callable[[int], float], wanted: float, grows: bool = True
) -> Question:
    return Question(gate, verdict, truth, power_at, planning.least_simulated(power_at, wanted, grows))


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def grid(question: Question, most: int) -> list[int]:
    """Return numbers of seeds, up to ``most``, at which the power is shown."""
    simulated = question.gate in ("steadier", "regression")
    first = MIN_CANDIDATE if simulated else MIN_RUNS
    last = min(most, planning.MOST_SIMULATED) if simulated else most
    return list(range(first, last + 1, max(1, (last - first) // (24 if simulated else 200))))


def _say_power(question: Question) -> None:
    seeds = grid(question, min(power.MOST_SEEDS, 2 * (question.least or 100)))
    shown = seeds[:: max(1, len(seeds) // 48)]
    line = bars([round(1000 * question.power_at(n)) for n in shown])
    print(f"\npower with {shown[0]} to {shown[-1]} seeds  {line}")
