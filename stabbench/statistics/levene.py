"""Levene's test for display: the paper's statistic on all runs, beside the gates, never instead of them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Floats, varies
from stabbench.statistics.sample import MIN_RUNS

PAPER_WARNING = (
    "paper mode (Levene 1960, centre = mean): with failed runs in both groups it finds a difference between "
    "identical strategies in up to 35 % of comparisons at .05 and up to 11 % at .001"
)
STAR_RUNS = 20
TEST_RUNS = 10


@dataclass(frozen=True)
class Levene:
    """Levene's W over two or more groups of raw scores.

    Attributes:
        statistic: W, or None when the test is degenerate.
        p_value: two-sided, or None when the test is degenerate.
        center: "median" (Brown-Forsythe), "mean" (Levene 1960, the paper's) or "trimmed".
        df: degrees of freedom (groups - 1, runs - groups).
        degenerate: why there is no p-value, or None.
        warning: to be printed beside the number in paper mode, or None.
    """

    statistic: float | None
    p_value: float | None
    center: str
    df: tuple[int, int]
    degenerate: str | None = None
    warning: str | None = None


def levene(*groups: ArrayLike, center: Literal["median", "mean", "trimmed"] = "median") -> Levene:
    """Levene's test, guarded: two runs, or groups that do not vary, would give p = 0 or NaN.

    With z the absolute deviations of a group of n runs from its centre: the F statistic of a one-way analysis
    of variance of all z, as `scipy.stats.levene`, which takes half a second to load.

    Args:
        groups: one-dimensional raw scores, failed runs included.
        center: see `Levene`; of a sample without a twentieth at each end.

    Raises:
        StabbenchError: fewer than two groups.
    """
    samples = [np.asarray(group, dtype=np.float64) for group in groups]
    if len(samples) < 2:
        raise StabbenchError("Levene's test compares at least two groups", "give another group of scores")
    df = (len(samples) - 1, sum(map(len, samples)) - len(samples))
    warning = PAPER_WARNING if center == "mean" else None
    reason = _degenerate(samples, center)
    if reason:
        return Levene(None, None, center, df, reason, warning)
    z = _deviations(samples, center)
    grand = np.concatenate(z).mean()
    between = sum(len(part) * (part.mean() - grand) ** 2 for part in z) / df[0]
    w = float(between / (_within(z) / df[1]))
    return Levene(w, float(scipy.special.fdtrc(*df, w)), center, df, None, warning)


def _degenerate(samples: list[np.ndarray], center: str) -> str | None:
    if any(len(sample) < MIN_RUNS for sample in samples):
        return f"a group has fewer than {MIN_RUNS} runs"
    if not all(np.isfinite(sample).all() for sample in samples):
        return "a score is not finite"
    scale = max(float(np.abs(sample).max()) for sample in samples)
    if scale > 1e12:
        return "a score is too large to be one"
    if not varies(_within(_deviations(samples, center)), scale):
        return "the scores of no group vary, or take two values only"
    return None


def _deviations(samples: list[Floats], center: str) -> list[Floats]:
    found = []
    for sample in samples:
        out = len(sample) // 20 if center == "trimmed" else 0
        kept = np.sort(sample)[out : len(sample) - out]
        found.append(np.abs(sample - (np.median(kept) if center == "median" else kept.mean())))
    return found


def _within(z: list[Floats]) -> float:
    return sum(float(((part - part.mean()) ** 2).sum()) for part in z)


def star(p_value: float | None, runs: int) -> str:
    """The mark of a leaderboard: "*" for p <= .05, "★" for p <= .001, "" otherwise or below 20 runs a side.

    Args:
        p_value: two-sided, best against second-smallest spread, Holm-adjusted over the tasks; None =
            degenerate.
        runs: the smaller number of runs of the two groups.
    """
    if p_value is None or runs < STAR_RUNS or p_value > 0.05:
        return ""
    return "★" if p_value <= 0.001 else "*"
