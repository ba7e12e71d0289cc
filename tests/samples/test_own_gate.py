"""A gate of one's own: a pure function of the sample and the level."""

from __future__ import annotations

import numpy as np
import pytest

from stabbench.samples.stability import Stability
from stabbench.statistics import Evidence, Outcome, Sample
from tests.samples.records import STEADY, N, records


def high_median(at_least: float):
    """Return a gate that asks whether the median is high, by order statistics (a sign test's bounds)."""

    def gate(sample: Sample, alpha: float) -> Evidence:
        ordered = np.sort(sample.scores)
        reach = int(np.floor(sample.n / 2 - 0.82 * np.sqrt(sample.n))) if alpha == 0.05 else 0
        lower, upper = ordered[max(0, reach)], ordered[min(sample.n - 1, sample.n - 1 - reach)]
        outcome = (
            Outcome.PASS if lower >= at_least else Outcome.FAIL if upper < at_least else Outcome.INCONCLUSIVE
        )
        median = float(np.median(ordered))
        return Evidence("median", outcome, f"median {median:.3f} (alpha {alpha:g})", "median", value=median)

    return gate


@pytest.mark.parametrize(
    ("at_least", "outcome"), [(0.6, "PASS"), (0.9, "FAIL"), (float(np.median(STEADY)) / N, "INCONCLUSIVE")]
)
def test_a_rule_of_ones_own_judges(at_least: float, outcome: str) -> None:
    stability = Stability.from_records(records(STEADY))
    verdict = stability.judge(high_median(at_least))
    assert str(verdict.outcome) == outcome
    assert stability.verdicts == [verdict]
    assert bool(verdict) == (outcome == "PASS")


def test_two_looks_share_its_level() -> None:
    many = Stability.from_records(records([*STEADY, *STEADY]))
    few = Stability.from_records(records(STEADY[:7]))
    few.more, few.looks = lambda: many, 2
    verdict = few.judge(high_median(float(np.median(STEADY)) / N))
    assert "look 2 of 2" in verdict.summary
    assert "at alpha 0.0125" in verdict.summary
    assert few.judged is many


def test_an_incomplete_group_is_not_judged() -> None:
    from stabbench.samples.scores import Incomplete

    incomplete = Stability.from_records(records(STEADY), planned_seeds=range(26))
    with pytest.raises(Incomplete):
        incomplete.judge(high_median(0.5))
