"""The sample that a gate judges: the scores of one group of runs, and what disqualifies it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Bools, Floats, Ints, distinct

MIN_RUNS = 3
MIN_LEARNED = 5
MIN_DISTINCT = 3
_LARGEST_SCORE = 1e75  # the fourth power of a larger one, as in kurtosis, is no number any more


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of one group (task, model, strategy), one per seed.

    Attributes:
        scores: shape (n,), larger is better, all in one unit (a fraction or points). Where the lower score
            is the better one they are the negated scores, so that no procedure needs to know.
        failed: shape (n,), true where the run is a failed run (not better than the constant classifier).
        learned: shape (n,), true where the run learned something: significantly better than the constant.
        untold: shape (n,), true where nothing tells whether the run learned anything; it is not `learned`.
        seeds: shape (n,), the seed of each run, or None when unknown.
        sign: -1 where `scores` are negated, else 1.
        scale: what readers see is the score times this: 100 for points.
        range: the least and the greatest possible of `scores`.
        constant: the constant predictor's score, oriented as `scores` are; None when unknown.
    """

    scores: Floats
    failed: Bools
    learned: Bools
    untold: Bools
    seeds: Ints | None = None
    sign: int = 1
    scale: int = 1
    range: tuple[float, float] = (-math.inf, math.inf)
    constant: float | None = None

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        failed: ArrayLike | None = None,
        seeds: ArrayLike | None = None,
        sign: int = 1,
        *,
        learned: Sequence[bool | None] | Bools | None = None,
        scale: int = 1,
        range: tuple[float, float] = (-math.inf, math.inf),
        constant: float | None = None,
    ) -> "Sample":
        """A sample from anything array-like; `failed` defaults to no failed run.

        A perplexity may be of any finite size: one beyond 1e75 counts as 1e75, which changes no verdict,
        since a mean and a spread of that size are beyond every bound.

        Args:
            scores: as they were measured.
            failed: whether each run failed.
            seeds: the seed of each run.
            sign: 1 where the higher score is better, -1 where the lower one is.
            learned: whether each run learned something, None where nothing tells; by default each that did
                not fail. A failed run did not.
            scale: what readers see is the score times this.
            range: the least and the greatest possible score, as it is measured.
            constant: the constant predictor's score, as it is measured; None when unknown.

        Raises:
            StabbenchError: the arrays are not one-dimensional and of one length.
        """
        values = sign * np.asarray(scores, dtype=np.float64)
        finite = np.isfinite(values)
        values[finite] = np.clip(values[finite], -_LARGEST_SCORE, _LARGEST_SCORE)
        flags = np.zeros(values.shape, bool) if failed is None else np.asarray(failed, dtype=bool)
        numbers = None if seeds is None else np.asarray(seeds, dtype=np.int64)
        told = np.asarray(~flags if learned is None else list(learned), dtype=object)
        lengths = {array.shape for array in (values, flags, told, numbers) if array is not None}
        if values.ndim != 1 or len(lengths) != 1:
            raise StabbenchError(
                f"scores, flags and seeds have the shapes {sorted(lengths)}",
                "give one score, one flag and one seed per run",
            )
        untold = np.array([flag is None for flag in told], bool) & ~flags
        known = np.array([bool(flag) for flag in told], bool) & ~flags
        low, high = sorted(sign * bound for bound in range)
        guess = None if constant is None or not math.isfinite(constant) else sign * float(constant)
        return cls(values, flags, known, untold, numbers, sign, scale, (low, high), guess)

    def measured(self, score: float | Floats) -> float:
        """A score, or a mean of scores, as it was measured: without the negation of lower-is-better ones."""
        return self.sign * float(score) + 0.0  # never -0.0

    def text(self, value: float | Floats) -> str:
        """A score as it was measured, or a difference of scores, as readers see it: points."""
        shown = self.scale * float(value)
        return f"{shown:.2f}" if self.scale == 100 else f"{shown:.4g}"

    @property
    def unit(self) -> str:
        """What stands behind a number of `text`."""
        return " points" if self.scale == 100 else ""

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.scores)

    @property
    def n_failed(self) -> int:
        """Number of failed runs."""
        return int(self.failed.sum())

    @property
    def n_learned(self) -> int:
        """Number of runs that learned something."""
        return int(self.learned.sum())

    @property
    def n_at_chance(self) -> int:
        """Number of runs that are not known to have learned anything, failed ones included."""
        return self.n - self.n_learned

    @property
    def learned_scores(self) -> Floats:
        """Scores of the runs that learned something."""
        return np.asarray(self.scores[self.learned])

    @property
    def all_failed(self) -> bool:
        """Every run failed, and there are enough runs to say so."""
        return self.n >= MIN_RUNS and self.n_failed == self.n

    @property
    def none_learned(self) -> bool:
        """No run learned anything, and there are enough runs to say so."""
        return self.n >= MIN_RUNS and self.n_learned == 0 and not self.untold.any()

    @property
    def at_chance(self) -> str:
        """How many runs are at chance, for a sentence."""
        failed = "" if self.n_failed == self.n_at_chance else f", {self.n_failed} of them failed"
        return f"{self.n_at_chance}/{self.n} at chance{failed}"

    @cached_property
    def unusable(self) -> str | None:
        """Why no verdict at all may be drawn from this sample, or None."""
        if self.n == 0:
            return "there are no runs"
        wrong = ~np.isfinite(self.scores)
        if wrong.any():
            at = int(np.argmax(wrong))
            which = f"run {at}" if self.seeds is None else f"seed {self.seeds[at]}"
            return f"the score of {which} is {self.measured(self.scores[at])}, which is not a score"
        if self.seeds is not None and len(np.unique(self.seeds)) < self.n:
            return f"{self.n} runs carry only {len(np.unique(self.seeds))} different seeds"
        if self.n < MIN_RUNS:
            return f"{self.n} run{'s' if self.n > 1 else ''} cannot show a spread; {MIN_RUNS} are the least"
        return None

    @cached_property
    def degenerate(self) -> str | None:
        """Why this sample may not be certified (no PASS), though it may still FAIL; or None.

        Scores that hardly differ between seeds show a ceiling, or that the seed has no effect, not stability.
        """
        if self.unusable:
            return self.unusable
        # each by its own scale: beside a perplexity that exploded all others look alike
        parts = (self.failed, self.learned, ~self.failed & ~self.learned)
        values = sum(int(distinct(self.scores, part)) for part in parts)
        return _too_few_values(values, self.n, "runs")

    @cached_property
    def degenerate_learned(self) -> str | None:
        """The same for the runs that learned something alone."""
        if self.unusable:
            return self.unusable
        n = self.n_learned
        return _too_few_values(int(distinct(self.scores, self.learned)), n, "learned runs") if n else None

    @cached_property
    def unclear(self) -> str | None:
        """Why nothing that rests on learned runs may be said of this sample, or None."""
        if self.unusable or not self.untold.any():
            return self.unusable
        untold = int(self.untold.sum())
        return (
            f"of {untold} of {self.n} runs nothing tells whether they learned anything: "
            "declare a floor, the least score that shows it"
        )


def _too_few_values(values: int, n: int, what: str) -> str | None:
    if values >= MIN_DISTINCT:
        return None
    plural = "s" if values > 1 else ""
    return f"{n} {what} take only {values} different score{plural}: a ceiling, or a seed without effect"


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half (rliable's IQM). For display only: it hides up to a quarter of failed runs."""
    return float(scipy.stats.trim_mean(np.asarray(scores, dtype=np.float64), 0.25))
