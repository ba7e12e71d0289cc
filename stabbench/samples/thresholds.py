"""What a user writes as a threshold, checked for all gates before anything is judged.

A threshold beyond what scores can be allows everything or nothing: no standard deviation of accuracies is
above 0.5, so all runs would pass one of 5. The usual slip is percent or points in place of a fraction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from stabbench.errors import StabbenchError
from stabbench.metrics import Metric


def number(name: str, value: object, example: str) -> float:
    """Return a finite number as a float.

    Args:
        name: of the argument.
        value: what was given.
        example: what could be given, for the message.

    Raises:
        StabbenchError: it is none: a text, a truth value, ``None``, NaN or infinite.
    """
    try:
        found = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond all floats
        found = math.inf
    if not math.isfinite(found):
        raise StabbenchError(f"{name}={value!r} is no finite number.", f"write {name}={example}.")
    return found


def share(name: str, value: object) -> float:
    """Return a share of the runs, strictly between 0 and 1.

    Raises:
        StabbenchError: it is none; it says so where percent was meant.
    """
    found = number(name, value, "0.2")
    if not _is_share(found):
        cause = f"{name}={found:g} is no share of the runs."
        raise StabbenchError(cause, f"{_meant(found, _is_share)}write 0.2 for 20 %.")
    return found


def level(value: object) -> float:
    """Return the level ``alpha`` of a gate, strictly between 0 and 1/2.

    From 1/2 on the lower bound of what fits lies above the upper one, so that both verdicts come too easily.

    Raises:
        StabbenchError: it is none; it says so where percent, or the confidence, was meant.
    """
    found = number("alpha", value, "0.05")
    if not _is_level(found):
        meant = f"did you mean {1 - found:g}? " if 0.5 < found < 1 else _meant(found, _is_level)
        raise StabbenchError(f"alpha={found:g} is no level of a test.", f"{meant}write 0.05 for 5 %.")
    return found


def ratio(name: str, value: object) -> float:
    """Return how many times as large one of two spreads may be as the other: more than 1.

    Raises:
        StabbenchError: it is none.
    """
    found = number(name, value, "1.5")
    if found <= 1:
        cause = f"{name}={found:g} is not above 1."
        raise StabbenchError(cause, "write 1.5 where the larger spread may be 1.5 times the smaller one.")
    return found


def deviation(name: str, value: object, metric: Metric) -> float:
    """Return a standard deviation that decides something: above 0, below half of the metric's range.

    None on a bounded range is larger than that (Popoviciu 1935).

    Raises:
        StabbenchError: it is none.
    """
    most = (metric.range[1] - metric.range[0]) / 2
    why = f"a standard deviation of {metric.name} is above 0"
    why += f" and at most {most:g}" if math.isfinite(most) else ""
    return _within(name, value, metric, lambda x: 0 < x < most, "0.05", why)


def difference(name: str, value: object, metric: Metric, zero: bool = False) -> float:
    """Return a difference of two scores: above 0 (or 0 where ``zero``), below the width of the range.

    Raises:
        StabbenchError: it is none.
    """
    width = metric.range[1] - metric.range[0]
    why = f"what is allowed of {metric.name} is {'0 or more' if zero else 'above 0'}"
    why += f" and below {width:g}" if math.isfinite(width) else ""
    return _within(name, value, metric, lambda x: 0 < x < width or (zero and x == 0), "0.02", why)


def score(name: str, value: object, metric: Metric) -> float:
    """Return the worst acceptable score: in the metric's range, and better than the worst possible one.

    Raises:
        StabbenchError: it is none.
    """
    low, high = metric.range
    worst = low if metric.better == "higher" else high
    ends = [f"{end:g}" if math.isfinite(end) else "any number" for end in metric.range]
    why = f"scores of {metric.name} go from {ends[0]} to {ends[1]}"
    if value == worst:
        why += ", and every run reaches the worst"
    return _within(name, value, metric, lambda x: low <= x <= high and x != worst, "0.8", why)


def _within(
    name: str, value: object, metric: Metric, fits: Callable[[float], bool], example: str, why: str
) -> float:
    in_points = metric.scale == 100
    found = number(name, value, example if in_points else "1.5")
    if fits(found):
        return found
    action = f"give {name} in the units of {metric.name}"
    if in_points:
        action = f"{_meant(found, fits)}write {example} for {100 * float(example):g} points"
    raise StabbenchError(f"{name}={found:g} decides nothing: {why}.", f"{action}.")


def _meant(value: float, fits: Callable[[float], bool]) -> str:
    """Return the question whether percent or points were written, where that may be."""
    return f"did you mean {value / 100:g}? " if value > 1 and fits(value / 100) else ""


def _is_share(value: float) -> bool:
    return 0 < value < 1


def _is_level(value: float) -> bool:
    return 0 < value < 0.5
