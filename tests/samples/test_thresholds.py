"""Thresholds: what would allow everything or nothing is refused by every gate, before anything is judged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from stabbench.errors import StabbenchError
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome
from tests.samples.records import STEADY, records
from tests.samples.test_direction import sample, spread

Gate = Callable[[Stability, Any], object]

STABILITY = Stability.from_records(records(STEADY))
LOSSES = sample(spread(1.1, 1.3), metric="loss", better="lower", constant=5.0)

GATES: dict[str, tuple[Gate, float, float]] = {  # gate, what it takes, percent
    "few_failures": (lambda s, x: s.few_failures(x), 0.2, 20),
    "few_at_chance": (lambda s, x: s.few_at_chance(x), 0.2, 20),
    "few_collapses": (lambda s, x: s.few_collapses(x), 0.2, 20),
    "few_worse_than, share": (lambda s, x: s.few_worse_than(0.6, x), 0.2, 20),
    "few_worse_than, floor": (lambda s, x: s.few_worse_than(x, 0.2), 0.6, 60),
    "is_certain_to_fail": (lambda s, x: s.is_certain_to_fail(x), 0.2, 20),
    "close_scores": (lambda s, x: s.close_scores(x), 0.05, 5),
    "close_scores, all": (lambda s, x: s.close_scores(x, scope="all"), 0.05, 5),
    "good_mean": (lambda s, x: s.good_mean(x), 0.6, 87),
    "good_mean, all": (lambda s, x: s.good_mean(x, scope="all"), 0.6, 87),
    "steadier_than": (lambda s, x: s.steadier_than(s, lower_mean=x), 0.02, 2),
    "no_regression": (lambda s, x: s.no_regression(s, drop=x), 0.03, 3),
    "as_steady_as, share": (lambda s, x: s.as_steady_as(s, at_chance_within=x), 0.2, 20),
    "as_steady_as, ratio": (lambda s, x: s.as_steady_as(s, ratio=x), 1.5, -1.5),
    "alpha": (lambda s, x: s.few_failures(0.2, alpha=x), 0.05, 5),
    "alpha of one's own": (lambda s, x: s.judge(lambda *_: pytest.fail("judged"), alpha=x), math.nan, 5),
}
WRONG = (-1, -0.1, math.nan, math.inf, -math.inf, 10**400, True, False, "0.2", [0.2], None)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:6])
@pytest.mark.parametrize("name", GATES)
def test_no_gate_takes_what_is_no_threshold(name: str, wrong: Any) -> None:
    if name == "no_regression" and wrong is None:
        pytest.skip("its default: the baseline's standard deviation")
    fresh = Stability.from_records(records(STEADY))
    with pytest.raises(StabbenchError, match=r"\n  -> .*write"):
        GATES[name][0](fresh, wrong)
    assert fresh.verdicts == []


@pytest.mark.parametrize("name", sorted(GATES.keys() - {"steadier_than", "as_steady_as, ratio"}))
def test_nothing_and_zero_allow_nothing(name: str) -> None:
    with pytest.raises(StabbenchError, match=r"=0"):
        GATES[name][0](STABILITY, 0)


@pytest.mark.parametrize("name", [name for name in GATES if "ratio" not in name])
def test_percent_and_points_are_refused_with_what_was_meant(name: str) -> None:
    gate, right, percent = GATES[name]
    with pytest.raises(StabbenchError, match=rf"={percent} .*\n.*did you mean {percent / 100:g}\? write"):
        gate(STABILITY, percent)
    if not math.isnan(right):
        gate(STABILITY, right)


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda s: s.close_scores(0.5), "is above 0 and at most 0.5"),
        (lambda s: s.no_regression(s, drop=1.0), "above 0 and below 1"),
        (lambda s: s.steadier_than(s, lower_mean=1.0), "0 or more and below 1"),
        (lambda s: s.few_worse_than(0.0, 0.2), "and every run reaches the worst"),
        (lambda s: s.few_worse_than(1.01, 0.2), "from 0 to 1"),
        (lambda s: s.good_mean(0.0), "and every run reaches the worst"),
        (lambda s: s.as_steady_as(s, ratio=1), "not above 1"),
    ],
)
def test_what_the_range_of_the_metric_decides_is_refused(ask: Gate, says: str) -> None:
    with pytest.raises(StabbenchError, match=f"(?s){says}"):
        ask(STABILITY)  # type: ignore[call-arg]


def test_the_best_score_may_be_asked_for_and_a_small_allowance_of_the_mean() -> None:
    assert STABILITY.good_mean(1.0).outcome is Outcome.FAIL
    assert STABILITY.few_worse_than(1.0, 0.2).outcome is Outcome.FAIL
    assert STABILITY.steadier_than(STABILITY, lower_mean=0).outcome is Outcome.INCONCLUSIVE


def test_a_metric_without_an_end_takes_any_finite_threshold() -> None:
    assert LOSSES.close_scores(within=5.0)
    assert LOSSES.good_mean(at_most=300.0)
    assert LOSSES.few_worse_than(40.0, 0.2)
    for ask in (
        lambda: LOSSES.close_scores(within=0),
        lambda: LOSSES.few_worse_than(-0.1, 0.2),
        lambda: LOSSES.good_mean(at_most=math.inf),
    ):
        with pytest.raises(StabbenchError) as error:
            ask()
        assert "points" not in str(error.value)


@pytest.mark.parametrize(("confidence", "says"), [(0.5, "write 0.05"), (0.95, r"did you mean 0\.05\? write")])
def test_a_confidence_is_no_level(confidence: float, says: str) -> None:
    """Its bounds would be in the wrong order, and what is on neither side for sure would PASS or FAIL."""
    with pytest.raises(StabbenchError, match=rf"alpha={confidence} .*\n.*{says}"):
        STABILITY.close_scores(0.05, alpha=confidence)
