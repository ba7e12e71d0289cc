"""The questions that ``stabbench seeds`` answers: a gate, a truth, and the power by number of seeds."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from stabbench.statistics import planning, power
from stabbench.statistics.masked import Floats, Ints
from stabbench.statistics.paired import MIN_PAIRS
from stabbench.statistics.regression import MIN_CANDIDATE
from stabbench.statistics.sample import MIN_LEARNED, MIN_RUNS

GATES = ("failures", "mean", "spread", "steadier", "regression")
ALLOWANCES, TRUTHS = (0.05, 0.1, 0.2, 0.3), (0.0, 0.02, 0.05)
RATIOS = {"mean": (0.5, 1.0), "spread": (0.5, 0.6, 0.75, 1.5, 2.0), "steadier": (1.5, 2.0, 3.0)}
BASELINE = 50
"""Seeds of the baseline that a regression is judged against."""
FEW = range(MIN_CANDIDATE, MIN_PAIRS)
"""Numbers of seeds with which no gate pairs by itself."""
MANY = range(BASELINE + 1, planning.MOST_SIMULATED + 1)
"""Those of which the baseline has only a part, so that it is no pair of theirs."""


@dataclass(frozen=True)
class Question:
    """How many seeds does it take to get a verdict?

    Attributes:
        gate: one of `GATES`.
        verdict: what is to be shown.
        truth: what is true.
        power_at: the probability of the verdict with a number of seeds.
        least: the number of seeds that has the wanted power; None: no number that is considered.
        runs: "paired" by seed, as the gate does by itself from 10 seeds on, or "unpaired".
    """

    gate: str
    verdict: str
    truth: str
    power_at: Callable[[int], float]
    least: int | None
    runs: str = ""


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
            (FEW, range(MIN_PAIRS, planning.MOST_SIMULATED + 1)),
            "paired",
        )


def _regression(arguments: argparse.Namespace) -> Iterator[Question]:
    paired = range(MIN_PAIRS, BASELINE + 1)
    cases: dict[str, dict[str, Any]]
    if arguments.ratio is not None:
        cases = {f"the std is {arguments.ratio:g} times as large": {"ratio": arguments.ratio}}
    else:
        cases = {"the std is twice as large": {"ratio": 2.0}}
        # RTE's runs that learned have a std of 2.7 points
        cases["the mean is 3 points lower on RTE (1.1 std)"] = {"drop": 3 / 2.7}
        cases["20 % more are at chance"] = {"at_chance": 0.2}
    for truth, case in cases.items():
        few, many = (_one_by_one(s) if "at_chance" in case else [s] for s in (FEW, MANY))
        unpaired = _one_by_one(paired) if "at_chance" in case else [paired]
        for runs, pairs, middle in (("paired", None, [paired]), ("unpaired", False, unpaired)):
            powers = partial(planning.regression_power, baseline=BASELINE, paired=pairs, **case)
            yield _simulated(
                "regression",
                f"worse than a baseline of {BASELINE}",
                truth,
                partial(_side, powers, 1),
                arguments.power,
                (*few, *middle, *many),
                runs,
            )


def _one_by_one(seeds: range) -> list[range]:
    """Of counts that are not paired the power goes up and down."""
    return [range(n, n + 1) for n in seeds]


QUESTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Question]]] = {
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
    gate: str,
    verdict: str,
    truth: str,
    power_at: Callable[[int], float],
    wanted: float,
    pieces: Iterable[range],
    runs: str,
) -> Question:
    return Question(gate, verdict, truth, power_at, planning.least_simulated(power_at, wanted, pieces), runs)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def grid(question: Question, most: int) -> list[int]:
    """Return numbers of seeds, up to ``most``, at which the power is shown."""
    simulated = question.gate in ("steadier", "regression")
    first = MIN_CANDIDATE if simulated else MIN_RUNS
    last = min(most, planning.MOST_SIMULATED) if simulated else most
    return list(range(first, last + 1, max(1, (last - first) // (24 if simulated else 200))))
