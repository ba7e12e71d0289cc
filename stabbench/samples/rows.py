"""One run from elsewhere: what its columns mean, and whether they can be true."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stabbench import metrics
from stabbench.errors import UnknownNameError
from stabbench.metrics import Metric
from stabbench.runs.record import LARGEST_SEED, LARGEST_WHOLE
from stabbench.spec import Direction

COARSEST = 0.01
"""No score is taken to be rounded more than this: "0.7" among others is 0.7000 without its zeros."""

FINEST = 1e-6
"""An accuracy may be this far from a count of rows however many decimals it has: single precision."""


class Row(BaseModel):
    """One imported run; ``stabbench.samples.imports`` describes the columns."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    task: str = Field(min_length=1)
    model: str = Field(min_length=1)
    strategy: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    better: Direction | None = None
    n_dev: int = Field(ge=1, le=LARGEST_WHOLE)
    seed: int = Field(ge=0, le=LARGEST_SEED)
    score: Decimal | None = None
    n_correct: int | None = Field(default=None, ge=0)
    n_majority: int | None = Field(default=None, ge=1)
    constant: Decimal | None = None
    floor: Decimal | None = None
    status: Literal["completed", "diverged"] = "completed"

    @field_validator("n_dev", "seed", "n_correct", "n_majority", mode="before")
    @classmethod
    def _a_number(cls, value: Any) -> Any:
        """Refuse JSON's truth values, which are 1 and 0 to Python."""
        if isinstance(value, bool):
            raise ValueError("not a number")
        return value

    @field_validator("score", "constant", "floor", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """Keep the decimals as written: they say to what step a score was rounded."""
        try:
            number = None if value is None else Decimal(str(value).strip())
        except InvalidOperation as error:
            raise ValueError("not a number") from error
        if number is not None and not math.isfinite(float(number)):
            raise ValueError("not a finite number; a run that diverged has status diverged and no score")
        return number

    @property
    def rounded_to(self) -> float:
        """Step to which the score was rounded, by its decimals; 0 when its count is known."""
        if self.n_correct is not None or self.score is None:
            return 0.0
        return min(COARSEST, _step(self.score))

    def measured(self, better: Direction | None) -> Metric:
        """Return the metric.

        Args:
            better: its direction, where the row does not say it.

        Raises:
            UnknownNameError: when nobody registered it and its direction is not known.
            ValueError: when it has another direction.
        """
        said = self.better or better
        try:
            found = metrics.get(self.metric)
        except UnknownNameError as error:
            if said is None:
                raise UnknownNameError(
                    f"{error.cause.rstrip('.')}, so nothing tells which of its scores are better.",
                    f"say higher or lower in a column `better` or with --better; or: {error.action}",
                ) from error
            return metrics.named(self.metric, said)
        if said not in (None, found.better):
            raise ValueError(f"of {found.name} the {found.better} score is better, not the {said} one")
        return found

    def constant_of(self, metric: Metric) -> float:
        """Return the constant predictor's score.

        Raises:
            ValueError: when the row does not say it, or it cannot be one.
        """
        constant = self.constant
        if constant is not None:
            self._check("constant", constant, metric)
        if metric.share_of_rows and self.n_majority is not None:
            if self.n_majority > self.n_dev:
                raise ValueError(f"n_majority {self.n_majority} is more than n_dev {self.n_dev}")
            exact = self.n_majority / self.n_dev
            if constant is not None and abs(float(constant) - exact) > COARSEST:
                raise ValueError(f"constant {constant} is not n_majority / n_dev = {exact:.4f}")
            return exact
        if metric.chance is not None:
            if constant is not None and abs(float(constant) - metric.chance) > COARSEST:
                raise ValueError(f"a constant predictor's {metric.name} is {metric.chance:g}, not {constant}")
            return metric.chance
        if constant is not None:
            return float(constant)
        wanted = "n_majority or constant" if metric.share_of_rows else "constant"
        raise ValueError(f"{wanted} is missing: without it no failed run can be told")

    def score_of(self, metric: Metric) -> float:
        """Return the score.

        Raises:
            ValueError: when there is none, or it cannot be one.
        """
        if self.status == "diverged":
            return self._of_diverged(metric)
        if self.n_correct is not None:
            if not metric.share_of_rows or self.n_correct > self.n_dev:
                raise ValueError("n_correct goes with accuracy and is at most n_dev")
            exact = self.n_correct / self.n_dev
            if self.score is not None and abs(float(self.score) - exact) > COARSEST:
                raise ValueError(f"score {self.score} is not n_correct / n_dev = {exact:.4f}")
            return exact
        if self.score is None:
            raise ValueError("there is no score; a run that diverged has status diverged")
        self._check("score", self.score, metric)
        return float(self.score)

    def floor_of(self, metric: Metric) -> float | None:
        """Return the least score (of a loss the largest) that shows that a run learned, if declared.

        Raises:
            ValueError: when it cannot be one, or is not better than the constant predictor's.
        """
        if self.floor is None:
            return None
        self._check_range("floor", self.floor, metric)
        if not metric.is_better(float(self.floor), self.constant_of(metric)):
            raise ValueError(f"floor {self.floor} is not better than a constant predictor's score")
        return float(self.floor)

    def _of_diverged(self, metric: Metric) -> float:
        """Return the constant predictor's score, which such a run gets; another one would be dropped."""
        constant = self.constant_of(metric)
        said = "a run that diverged has no score, but"
        step = 0.0 if self.score is None else max(FINEST, min(COARSEST, _step(self.score)))
        if self.score is not None and abs(float(self.score) - constant) > step:
            raise ValueError(f"{said} score is {self.score}")
        if self.n_correct is not None and abs(self.n_correct - constant * self.n_dev) > 0.5:
            raise ValueError(f"{said} n_correct is {self.n_correct}")
        return constant

    def _check(self, name: str, score: Decimal, metric: Metric) -> None:
        """Raise a ``ValueError`` unless a score is possible in this metric on so many rows."""
        self._check_range(name, score, metric)
        if metric.share_of_rows:
            nearest = round(score * self.n_dev) / self.n_dev
            if abs(float(score) - nearest) > max(FINEST, _step(score)):
                raise ValueError(f"no count of {self.n_dev} rows gives the {name} {score} (is n_dev right?)")

    @staticmethod
    def _check_range(name: str, score: Decimal, metric: Metric) -> None:
        low, high = metric.range
        if not low <= score <= high:
            percent = ""
            if metric.scale == 100:
                percent = "; give fractions, not percent"
                if low <= score / 100 <= high:
                    percent += f" (did you mean {score / 100}?)"
            raise ValueError(f"{name} {score} is outside {low:g} to {high:g}{percent}")


def _step(score: Decimal) -> float:
    """Return the value of a number's last decimal: the step to which it was rounded or cut."""
    exponent = score.as_tuple().exponent
    return 10.0**exponent if isinstance(exponent, int) else 0.0
