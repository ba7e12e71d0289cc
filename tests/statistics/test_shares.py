"""Gates on a share of runs: failed, at chance, below a floor. Against bisected binomial sums, and exactly."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from scipy import stats

import stabbench.statistics as st
from stabbench.errors import StabbenchError

PASS, FAIL, INCONCLUSIVE = st.Outcome

kinds = some.lists(some.sampled_from(["learned", "chance", "failed", "untold"]), min_size=3, max_size=60)
shares = some.floats(0.01, 0.99)


def tail(n, least, p):
    """P(at least so many of n), by its sum."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(least, n + 1))


def bound(n, k, alpha, side):
    """Clopper and Pearson's bound by bisection: the rate at which what was seen is just as rare as alpha."""
    if (side, k) in (("lower", 0), ("upper", n)):
        return float(k > 0)
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        rare = tail(n, k, p) < alpha if side == "lower" else 1 - tail(n, k + 1, p) > alpha
        low, high = (p, high) if rare else (low, p)
    return low


def verdict(n, least, most, at_most, alpha, all_is_fail):
    """PASS if the upper bound of the largest count fits, FAIL if the lower one of the least does not."""
    if least == n and all_is_fail:
        return FAIL
    if bound(n, least, alpha, "lower") > at_most:
        return FAIL
    certified = bound(n, most, alpha, "upper") <= at_most and not (most == n and all_is_fail)
    return PASS if certified else INCONCLUSIVE


def sample(kinds, sign=1):
    """Runs of such kinds, each with a score of its own."""
    n = len(kinds)
    learned = [{"learned": True, "untold": None}.get(kind, False) for kind in kinds]
    scores = 60 + np.arange(n) / n
    return st.Sample.of(sign * scores, [kind == "failed" for kind in kinds], range(n), sign, learned=learned)


@given(kinds, shares, some.sampled_from([0.05, 0.025]))
def test_failed_and_chance_runs_are_judged_as_binomial_sums_say(kinds, at_most, alpha):
    n, failed = len(kinds), kinds.count("failed")
    least = failed + kinds.count("chance")
    runs = sample(kinds)
    for gate, k, most, all_is_fail in (
        (st.failures_gate, failed, failed, True),
        (st.at_chance_gate, least, least + kinds.count("untold"), False),
    ):
        edges = (bound(n, k, alpha, "lower"), bound(n, most, alpha, "upper"))
        assume(min(abs(edge - at_most) for edge in edges) > 1e-9)
        got = gate(runs, at_most, alpha)
        assert (got.lower, got.upper) == pytest.approx(edges, abs=1e-9)
        assert got.outcome is verdict(n, k, most, at_most, alpha, all_is_fail)
        assert (got.value, got.details["counted"]) == (k / n, k)


@given(
    some.lists(some.integers(0, 40), min_size=3, max_size=40),
    some.integers(0, 40),
    shares,
    some.sampled_from([1, -1]),
)
def test_a_floor_counts_what_is_worse_and_not_what_reaches_it(numbers, floor, at_most, sign):
    """Also where lower is better, and whether the runs failed or not."""
    n, k = len(numbers), sum(sign * x < sign * floor for x in numbers)
    runs = st.Sample.of(numbers, np.arange(n) % 2, range(n), sign)
    assume(runs.degenerate is None)
    assume(abs(bound(n, k, 0.05, "upper") - at_most) > 1e-9 < abs(bound(n, k, 0.05, "lower") - at_most))
    assert st.floor_gate(runs, floor, at_most).outcome is verdict(n, k, k, at_most, 0.05, all_is_fail=False)


@pytest.mark.parametrize(
    ("k", "untold", "outcome"),
    [
        (0, 0, PASS),
        (1, 0, PASS),
        (2, 0, INCONCLUSIVE),
        (8, 0, INCONCLUSIVE),
        (9, 0, FAIL),
        (0, 1, PASS),  # even were it at chance, one of 25 is few enough
        (0, 2, INCONCLUSIVE),
        (1, 1, INCONCLUSIVE),
        (8, 17, INCONCLUSIVE),
        (9, 16, FAIL),  # already too many
        (0, 25, INCONCLUSIVE),
    ],
)
def test_runs_of_which_nobody_can_tell_count_against_either_verdict(k, untold, outcome):
    kinds = ["chance"] * k + ["untold"] * untold + ["learned"] * (25 - k - untold)
    got = st.at_chance_gate(sample(kinds), 0.2)
    assert got.outcome is outcome
    if outcome is INCONCLUSIVE and untold:
        assert "declare a floor" in got.reason


@pytest.mark.parametrize("at_most", [0.05, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("n", [5, 14, 25, 59])
def test_the_floor_gate_is_wrong_in_at_most_five_percent_of_experiments(n, at_most):
    """Every outcome of n runs, each below the floor with exactly the allowed share, weighed."""
    weight = stats.binom.pmf(np.arange(n + 1), n, at_most)
    found = [
        st.floor_gate(st.Sample.of(np.arange(n), seeds=range(n)), k, at_most).outcome for k in range(n + 1)
    ]
    for outcome in (PASS, FAIL):
        assert sum(w for w, got in zip(weight, found, strict=True) if got is outcome) <= 0.05
    assert len(set(found)) >= 2


def test_all_runs_below_a_generous_floor_may_be_too_few_to_tell():
    """Three failed runs fail any allowance; three below a floor say that 37 % to all of them are."""
    runs = st.Sample.of([1.0, 2.0, 3.0], [True] * 3, range(3))
    assert st.failures_gate(runs, 0.9).outcome is FAIL
    got = st.floor_gate(runs, 10.0, 0.9)
    assert (got.outcome, got.lower) == (INCONCLUSIVE, pytest.approx(0.05 ** (1 / 3)))
    assert st.floor_gate(runs, 10.0, 0.3).outcome is FAIL


@pytest.mark.parametrize(("failed", "untold"), [(25, 0), (24, 1), (1, 24), (0, 25)])
def test_a_floor_is_not_passed_by_runs_none_of_which_is_known_to_have_learned(failed, untold):
    """The least score that shows it may be above the floor that all of them reach."""
    runs = sample(["failed"] * failed + ["untold"] * untold)
    got = st.floor_gate(runs, 59.0, 0.5)
    assert got.outcome is INCONCLUSIVE
    assert ("declare a floor" if untold else "it is too low") in got.reason
    assert st.floor_gate(sample(["learned"] + ["failed"] * 24), 59.0, 0.5).outcome is PASS
    assert st.floor_gate(runs, 70.0, 0.5).outcome is FAIL


def test_a_floor_is_a_number_and_a_share_a_share():
    runs = sample(["learned"] * 5)
    for call in (
        lambda: st.floor_gate(runs, math.nan, 0.2),
        lambda: st.floor_gate(runs, math.inf, 0.2),
        lambda: st.floor_gate(runs, 60.0, 0.0),
        lambda: st.at_chance_gate(runs, 1.0),
        lambda: st.at_chance_gate(runs, 0.2, alpha=0.0),
    ):
        with pytest.raises(StabbenchError, match="->"):
            call()
