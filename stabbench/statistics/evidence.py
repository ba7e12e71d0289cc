"""The verdict of a gate: three-valued, with the evidence that it rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stabbench.errors import StabbenchError


class Outcome(StrEnum):
    """What a gate says. INCONCLUSIVE means that these runs cannot decide, not that something broke."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


# Arrays of outcomes (one per simulated experiment) hold these codes.
CODES = {Outcome.PASS: 1, Outcome.FAIL: -1, Outcome.INCONCLUSIVE: 0}
_OUTCOMES = {code: outcome for outcome, code in CODES.items()}


def codes(passes: ArrayLike, fails: ArrayLike) -> NDArray[np.int8]:
    """Codes of outcomes: 1 where only `passes` holds, -1 where only `fails` holds, else 0."""
    return np.asarray(passes, dtype=np.int8) - np.asarray(fails, dtype=np.int8)


def outcome_of(code: int | np.integer[Any] | NDArray[np.int8]) -> Outcome:
    """The outcome that a code stands for."""
    return _OUTCOMES[int(code)]


@dataclass(frozen=True)
class Evidence:
    """One gate's verdict and what it rests on. Every number is finite or None, so it is plain JSON.

    Attributes:
        gate: name of the gate, such as `failures`.
        outcome: PASS, FAIL or INCONCLUSIVE.
        reason: one sentence for a reader, with the numbers that decided.
        statistic: name of the statistic.
        value: its observed value, in the units of the scores (a share for failures).
        lower: one-sided lower bound at the gate's alpha.
        upper: one-sided upper bound at the gate's alpha.
        p_value: the smallest adjusted p-value of the gate's tests, where it has tests.
        seeds_needed: how many seeds in all would decide it, at a second look, with probability 0.8 if the
            truth is what was observed; None when it is decided, or when no number up to 1,000 would.
        details: further numbers by name: parts of the test, thresholds, counts.
    """

    gate: str
    outcome: Outcome
    reason: str
    statistic: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    seeds_needed: int | None = None
    details: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("value", "lower", "upper", "p_value"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "details", {key: plain(value) for key, value in self.details.items()})

    def to_json(self) -> dict[str, Any]:
        """The evidence as plain JSON values."""
        return asdict(self) | {"outcome": self.outcome.value}


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python value, and a number that is not finite as None."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def overall(outcomes: Iterable[Outcome]) -> Outcome:
    """The verdict over several gates: FAIL if any fails, PASS if all (at least one) pass.

    Else INCONCLUSIVE.

    A PASS of all gates needs no correction for their number: it is an intersection-union test.
    """
    found = list(outcomes)
    if Outcome.FAIL in found:
        return Outcome.FAIL
    if found and all(outcome is Outcome.PASS for outcome in found):
        return Outcome.PASS
    return Outcome.INCONCLUSIVE


def check_probability(name: str, value: float) -> float:
    """A number strictly between 0 and 1.

    Raises:
        StabbenchError: it is not.
    """
    if not 0.0 < value < 1.0:
        raise StabbenchError(
            f"{name} is {value!r}, not between 0 and 1", f"give {name} as a share, such as 0.05"
        )
    return float(value)


def check_positive(name: str, value: float) -> float:
    """A finite number above 0.

    Raises:
        StabbenchError: it is not.
    """
    if not (isfinite(value) and value > 0):
        raise StabbenchError(
            f"{name} is {value!r}, not a finite number above 0", f"give {name} in the units of the scores"
        )
    return float(value)
