"""Stopping a grid early, when the verdict is certain already, and judging one more than once.

Fix the order of the seeds before the first run. A curtailed grid has a verdict and its counts; its mean,
spread and intervals are biased, so it is never ranked.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics.evidence import Outcome, check_probability, outcome_of
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.masked import Bools, Ints

OPEN = 9
"""Stands for an outcome code where the verdict is not certain yet."""


@dataclass(frozen=True)
class Stop:
    """Where a sequence of runs may end: after `seeds` runs, with `outcome`. None when it must go on."""

    seeds: int
    outcome: Outcome


def failures_rule(n: int, p0: float, alpha: float = 0.05) -> NDArray[np.int8]:
    """Outcome codes of the failures gate for k = 0 ... n failed runs: the rule to curtail.

    Any array of n + 1 codes is a rule, the plain "at most this many" for one.
    """
    check_probability("at_most", p0)
    check_probability("alpha", alpha)
    return failures_codes(np.arange(n + 1), n, p0, alpha)


def failures_stops(failed: Bools, rule: NDArray[np.int8]) -> tuple[Ints, NDArray[np.int8]]:
    """After how many seeds the verdict is certain, and which it is, for grids along the last axis.

    Args:
        failed: shape (..., runs so far), at least one, in the order of the seeds.
        rule: one code more than runs are planned, see `failures_rule`.

    Returns:
        Seeds run, shape (...), and outcome codes, shape (...): always those of the complete grid. Where
        nothing is certain yet the code is `OPEN` and every seed so far has run.
    """
    planned, runs = len(rule) - 1, failed.shape[-1]
    found = _possible(rule)[planned - np.arange(1, runs + 1), np.cumsum(failed, axis=-1)]
    certain = found != OPEN
    seeds = np.where(certain.any(axis=-1), certain.argmax(axis=-1) + 1, runs)
    return seeds, np.take_along_axis(found, seeds[..., None] - 1, -1)[..., 0]


def failures_stop(failed: ArrayLike, rule: NDArray[np.int8]) -> Stop | None:
    """Is the verdict certain after these runs of a grid of len(rule) - 1? Else None.

    Args:
        failed: the runs so far, in the order of the seeds.
        rule: see `failures_rule`.

    Raises:
        StabbenchError: there are more runs than the rule plans.
    """
    flags = np.asarray(failed, dtype=bool)
    planned = len(rule) - 1
    if len(flags) > planned:
        raise StabbenchError(
            f"{len(flags)} runs in a grid of {planned}", "make the rule for the planned seeds"
        )
    if len(flags) == 0:
        return None
    seeds, code = failures_stops(flags, rule)
    return None if code == OPEN else Stop(int(seeds), outcome_of(code))


def _possible(rule: NDArray[np.int8]) -> NDArray[np.int8]:
    """[runs left, failed so far] -> the code that every completion gives, or OPEN if completions differ."""
    n = len(rule) - 1
    table = np.full((n + 1, n + 1), OPEN, dtype=np.int8)
    for left in range(n + 1):
        windows = np.lib.stride_tricks.sliding_window_view(rule, left + 1)
        same = (windows == windows[:, :1]).all(axis=1)
        table[left, : len(windows)] = np.where(same, windows[:, 0], OPEN)
    return table


def look_alpha(alpha: float, look: int = 1, looks: int = 2) -> float:
    """Level of a look when a gate may be judged once, or twice ("more seeds until decided"): Bonferroni.

    Of two looks the first has three quarters and the second one quarter. So whoever planned both keeps alpha,
    and whoever spent all of it on a first look and then takes the second one is wrong at most by a quarter
    more (measured: at .05, in .06 of experiments and fewer).

    Raises:
        StabbenchError: alpha is not between 0 and 1, or there is no such look.
    """
    check_probability("alpha", alpha)
    if not 1 <= look <= looks <= 2:
        raise StabbenchError(f"look {look} of {looks}", "plan one look or two")
    return alpha if looks == 1 else alpha * (0.75 if look == 1 else 0.25)
