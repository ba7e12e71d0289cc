"""The sample that a gate judges: the scores of one group of runs, and what disqualifies it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike

from stabbench.errors import StabbenchError
from stabbench.statistics.masked import Bools, Floats, Ints, distinct

MIN_RUNS = 3
MIN_SUCCESSES = 5
MIN_DISTINCT = 3
_LARGEST_SCORE = 1e75  # the fourth power of a larger one, as in kurtosis, is no number any more


@dataclass(frozen=True, eq=False)
class Sample:
    """Scores of one group (task, model, strategy), one per seed.

    Attributes:
        scores: shape (n,), larger is better, all in one unit (a fraction or points). Where the lower score
            is the better one they are the negated scores, so that no procedure needs to know.
        failed: shape (n,), true where the run is a failed run (not better than the constant classifier).
        seeds: shape (n,), the seed of each run, or None when unknown.
        sign: -1 where `scores` are negated, else 1.
    """

    scores: Floats
    failed: Bools
    seeds: Ints | None = None
    sign: int = 1

    @classmethod
    def of(
        cls,
        scores: ArrayLike,
        failed: ArrayLike | None = None,
        seeds: ArrayLike | None = None,
        sign: int = 1,
    ) -> "Sample":
        """A sample from anything array-like; `failed` defaults to no failed run.

        A perplexity may be of any finite size: one beyond 1e75 counts as 1e75, which changes no verdict,
        since a mean and a spread of that size are beyond every bound.

        Args:
            scores: as they were measured.
            failed: whether each run failed.
            seeds: the seed of each run.
            sign: 1 where the higher score is better, -1 where the lower one is.

        Raises:
            StabbenchError: the arrays are not one-dimensional and of one length.
        """
        values = sign * np.asarray(scores, dtype=np.float64)
        finite = np.isfinite(values)
        values[finite] = np.clip(values[finite], -_LARGEST_SCORE, _LARGEST_SCORE)
        flags = np.zeros(values.shape, bool) if failed is None else np.asarray(failed, dtype=bool)
        numbers = None if seeds is None else np.asarray(seeds, dtype=np.int64)
        lengths = {array.shape for array in (values, flags, numbers) if array is not None}
        if values.ndim != 1 or len(lengths) != 1:
            raise StabbenchError(
                f"scores, failed flags and seeds have the shapes {sorted(lengths)}",
                "give one score, one flag and one seed per run",
            )
        return cls(values, flags, numbers, sign)

    def measured(self, score: float | Floats) -> float:
        """A score, or a mean of scores, as it was measured: without the negation of lower-is-better ones."""
        return self.sign * float(score) + 0.0  # never -0.0

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.scores)

    @property
    def n_failed(self) -> int:
        """Number of failed runs."""
        return int(self.failed.sum())

    @property
    def successes(self) -> Floats:
        """Scores of the runs that did not fail."""
        return np.asarray(self.scores[~self.failed])

    @property
    def all_failed(self) -> bool:
        """Every run failed, and there are enough runs to say so."""
        return self.n >= MIN_RUNS and self.n_failed == self.n

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
        values = sum(int(distinct(self.scores, part)) for part in (self.failed, ~self.failed))
        return _too_few_values(values, self.n, "runs")

    @cached_property
    def degenerate_successes(self) -> str | None:
        """The same for the successful runs alone."""
        if self.unusable:
            return self.unusable
        n = self.n - self.n_failed
        return _too_few_values(int(distinct(self.scores, ~self.failed)), n, "successful runs") if n else None


def _too_few_values(values: int, n: int, what: str) -> str | None:
    if values >= MIN_DISTINCT:
        return None
    plural = "s" if values > 1 else ""
    return f"{n} {what} take only {values} different score{plural}: a ceiling, or a seed without effect"


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half (rliable's IQM). For display only: it hides up to a quarter of failed runs."""
    return float(scipy.stats.trim_mean(np.asarray(scores, dtype=np.float64), 0.25))
