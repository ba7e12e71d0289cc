"""Stopping a grid early: when the verdict is certain already, or by a planned sequence of looks.

Fix the order of the seeds before the first run. A curtailed grid has a verdict and its counts; its mean,
spread and intervals are biased, so it is never ranked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stabbench.errors import StabbenchError
from stabbench.statistics.evidence import Outcome, check_positive, check_probability, outcome_of
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.masked import Bools, Floats, Ints
from stabbench.statistics.spread import chi2_factors


@dataclass(frozen=True)
class Stop:
    """Where a sequence of runs may end: after `seeds` runs, with `outcome`. None when it must go on."""

    seeds: int
    outcome: Outcome


def failures_rule(n: int, p0: float, alpha: float = 0.05) -> NDArray[np.int8]:
    """Outcome codes of the failures gate for k = 0 ... n failed runs: the rule to curtail.

    Any array of n + 1 codes is a rule; `threshold_rule` makes the plain "at most this many".
    """
    check_probability("p0", p0)
    check_probability("alpha", alpha)
    return failures_codes(np.arange(n + 1), n, p0, alpha)


def threshold_rule(n: int, most: int) -> NDArray[np.int8]:
    """Codes of the plain rule "PASS iff at most `most` of n runs failed, else FAIL"."""
    return np.where(np.arange(n + 1) <= most, 1, -1).astype(np.int8)


def failures_stops(failed: Bools, rule: NDArray[np.int8]) -> tuple[Ints, NDArray[np.int8]]:
    """After how many seeds the verdict is certain, and which it is, for grids along the last axis.

    Args:
        failed: shape (..., n), in the order of the seeds.
        rule: n + 1 codes, see `failures_rule`.

    Returns:
        Seeds run, shape (...), and outcome codes, shape (...): always those of the complete grid.
    """
    n = failed.shape[-1]
    possible = _possible(rule)
    so_far = np.cumsum(failed, axis=-1)
    run = np.arange(1, n + 1)
    certain = possible[n - run, so_far] != _OPEN
    first = certain.argmax(axis=-1)
    k = np.take_along_axis(so_far, first[..., None], -1)[..., 0]
    return first + 1, possible[n - first - 1, k]


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
    possible = _possible(rule)
    for seeds, k in enumerate(np.cumsum(flags), start=1):
        code = possible[planned - seeds, k]
        if code != _OPEN:
            return Stop(seeds, outcome_of(code))
    return None


_OPEN = 9


def _possible(rule: NDArray[np.int8]) -> NDArray[np.int8]:
    """[runs left, failed so far] -> the code that every completion gives, or _OPEN if completions differ."""
    n = len(rule) - 1
    table = np.full((n + 1, n + 1), _OPEN, dtype=np.int8)
    for left in range(n + 1):
        windows = np.lib.stride_tricks.sliding_window_view(rule, left + 1)
        same = (windows == windows[:, :1]).all(axis=1)
        table[left, : len(windows)] = np.where(same, windows[:, 0], _OPEN)
    return table


def spread_stops(scores: Floats, tau: float, alpha: float = 0.05) -> tuple[Ints, Bools]:
    """After how many seeds the chi-squared rule on all runs is certain to FAIL; grids along the last axis.

    The sum of squares about the running mean never falls, so FAIL is certain once it exceeds (n-1) (b_n
    tau)^2.

    Args:
        scores: shape (..., n), in the order of the seeds.
        tau: threshold in the units of the scores.
        alpha: level.

    Returns:
        Seeds run and whether FAIL was reached; a grid where it was not runs all its seeds.
    """
    n = scores.shape[-1]
    sums = sums_of_squares(scores)
    certain = sums > _failing_sum(n, tau, alpha)
    fails = certain.any(axis=-1)
    return np.asarray(np.where(fails, certain.argmax(axis=-1) + 1, n)), np.asarray(fails)


def spread_stop(scores: ArrayLike, planned: int, tau: float, alpha: float = 0.05) -> Stop | None:
    """Is FAIL of `spread_gate(scope="all", chi2_only=True)` certain after these runs of a grid of `planned`?

    Raises:
        StabbenchError: tau or alpha is out of range.
    """
    check_positive("tau", tau)
    check_probability("alpha", alpha)
    values = np.asarray(scores, dtype=np.float64)
    if len(values) == 0 or planned < 5 or not np.isfinite(values).all():
        return None
    certain = sums_of_squares(values) > _failing_sum(planned, tau, alpha)
    return Stop(int(certain.argmax()) + 1, Outcome.FAIL) if certain.any() else None


def _failing_sum(n: int, tau: float, alpha: float) -> float:
    return float((n - 1) * (chi2_factors(n, alpha)[1] * tau) ** 2)


def sums_of_squares(scores: Floats) -> Floats:
    """Sums of squares about the mean of the first t scores: SS_{t+1} = SS_t + t/(t+1) (x - mean_t)^2."""
    t = np.arange(1, scores.shape[-1] + 1)
    means = np.cumsum(scores, axis=-1) / t
    steps = (scores[..., 1:] - means[..., :-1]) ** 2 * (t[:-1] / t[1:])
    return np.concatenate([np.zeros_like(scores[..., :1]), np.cumsum(steps, axis=-1)], axis=-1)


@dataclass(frozen=True)
class SequentialSpread:
    """A group-sequential spread gate: chi-squared bounds at each look, the levels set to keep .05 in all.

    Attributes:
        looks: seeds run at each look.
        alpha_pass: level of PASS at each look.
        alpha_fail: level of FAIL at each look.

    The default levels are calibrated for normal scores and the default looks (`benchmarks/error_rates.py`
    measures them); without such levels five looks would give a false PASS 14 % of the time.
    """

    looks: Sequence[int] = (5, 10, 15, 20, 25)
    alpha_pass: float = 0.0148
    alpha_fail: float = 0.0180

    def stops(self, scores: Floats, tau: float) -> tuple[Ints, NDArray[np.int8]]:
        """Seeds run and outcome codes for grids along the last axis (at least as long as the last look).

        Raises:
            StabbenchError: the grid is shorter than the first look, or tau is out of range.
        """
        check_positive("tau", tau)
        n = scores.shape[-1]
        looks = [look for look in self.looks if look <= n]
        if not looks:
            raise StabbenchError(
                f"{n} runs, the first look is at {self.looks[0]}", "run the seeds of the first look"
            )
        sums = sums_of_squares(scores)
        seeds = np.full(scores.shape[:-1], looks[-1])
        found = np.zeros(scores.shape[:-1], dtype=np.int8)
        for look in reversed(looks):
            s = np.sqrt(sums[..., look - 1] / (look - 1))
            passes = (s <= chi2_factors(look, self.alpha_pass)[0] * tau) & (s > 0)
            fails = s > chi2_factors(look, self.alpha_fail)[1] * tau
            seeds = np.where(passes | fails, look, seeds)
            found = np.where(passes, 1, np.where(fails, -1, found)).astype(np.int8)
        return seeds, found


def look_alpha(alpha: float, looks: int = 2) -> float:
    """Level of each look when a gate may be judged `looks` times ("more seeds until decided"): Bonferroni.

    Raises:
        StabbenchError: alpha is not between 0 and 1, or there is no look.
    """
    check_probability("alpha", alpha)
    if looks < 1:
        raise StabbenchError(f"{looks} looks", "plan at least one")
    return alpha / looks
