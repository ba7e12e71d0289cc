"""Expected maximum, predictions, early stopping."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import stabbench.statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics.curtailment import failures_stops
from stabbench.statistics.failures import failures_codes

scores = some.lists(some.floats(-100, 100), min_size=2, max_size=8)


@given(scores, some.data())
def test_expected_maximum_is_the_mean_over_all_subsets(x, data):
    k = data.draw(some.integers(1, len(x)))
    want = np.mean([max(subset) for subset in combinations(x, k)])
    assert st.expected_max(x, k) == pytest.approx(want, rel=1e-9, abs=1e-9)


@given(scores)
def test_expected_maximum_rises_to_the_maximum(x):
    curve = [st.expected_max(x, k) for k in range(1, len(x) + 1)]
    assert all(b >= a - 1e-9 for a, b in pairwise(curve))
    assert curve[-1] == max(x)
    assert all(st.expected_max_dodge(x, k)[0] <= value + 1e-9 for k, value in enumerate(curve, 1))


@pytest.mark.parametrize("k", [0, 4])
def test_expected_maximum_of_impossible_k(k):
    with pytest.raises(StabbenchError):
        st.expected_max([1.0, 2.0, 3.0], k)


def test_disagreement_is_twice_the_per_point_variance_and_fleiss_observed_agreement():
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 2, 50)
    predictions = np.where(generator.random((7, 50)) < 0.2, 1 - gold, gold)
    disagreement = st.pairwise_disagreement(predictions)
    brute = np.mean([(a != b).mean() for a, b in combinations(predictions, 2)])
    assert disagreement == pytest.approx(brute)
    assert disagreement == pytest.approx(2 * st.per_point_stability(predictions == gold, ddof=1))


def test_fleiss_kappa_by_the_book():
    """The usual worked example: 14 raters, 10 subjects, 5 classes, kappa .210."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    predictions = np.array([np.repeat(np.arange(5), row) for row in counts]).T
    assert st.fleiss_kappa(predictions) == pytest.approx(0.210, abs=5e-4)


def test_unanimous_runs():
    same = np.zeros((4, 6), int)
    assert st.pairwise_disagreement(same) == 0
    assert st.fleiss_kappa(same) is None
    assert st.churn_ratio([0.5] * 4, same) is None


def test_churn_ratio_tells_flips_from_whole_runs():
    generator = np.random.default_rng(1)
    flips = generator.random((200, 300)) < 0.8
    assert st.churn_ratio(flips.mean(axis=1), flips) == pytest.approx(1, abs=0.25)
    whole = np.repeat(generator.random((200, 1)) < 0.8, 300, axis=1)
    assert st.churn_ratio(whole.mean(axis=1), whole) == pytest.approx(300)


def test_jensen_shannon():
    sure = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert st.jensen_shannon(sure) == pytest.approx(np.log(2))
    assert st.jensen_shannon(np.full((3, 5, 2), 0.5)) == 0
    p, q = np.array([0.9, 0.1]), np.array([0.4, 0.6])
    m = (p + q) / 2
    want = 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()
    assert st.jensen_shannon([[p], [q]]) == pytest.approx(want)


@pytest.mark.parametrize(
    "bad", [np.ones((1, 3, 2)), np.ones((2, 3)), np.full((2, 3, 2), np.nan), -np.ones((2, 3, 2))]
)
def test_jensen_shannon_refuses(bad):
    with pytest.raises(StabbenchError):
        st.jensen_shannon(bad)


@given(some.integers(5, 30), some.floats(0.02, 0.5), some.floats(0, 1), some.integers(0, 2**32 - 1))
def test_curtailed_failures_say_what_the_full_grid_says(n, p0, p, seed):
    failed = np.random.default_rng(seed).random((20, n)) < p
    rule = st.failures_rule(n, p0)
    seeds, codes = failures_stops(failed, rule)
    assert np.array_equal(codes, failures_codes(failed.sum(axis=1), n, p0))
    for row, stop in zip(failed[:4], seeds[:4], strict=True):
        assert st.failures_stop(row, rule).seeds == stop
        assert st.failures_stop(row[: stop - 1], rule) is None


def test_no_stop_before_it_is_certain():
    at_most_two = np.where(np.arange(26) <= 2, 1, -1)
    assert st.failures_stop([], at_most_two) is None
    assert st.failures_stop([True, True], at_most_two) is None
    assert st.failures_stop([True, True, True], at_most_two) == st.Stop(3, st.Outcome.FAIL)
    assert st.failures_stop([False] * 23, at_most_two) == st.Stop(23, st.Outcome.PASS)
    with pytest.raises(StabbenchError):
        st.failures_stop([False] * 26, at_most_two)


def test_two_looks_share_the_level():
    assert [st.look_alpha(0.04, look) for look in (1, 2)] == pytest.approx([0.03, 0.01])
    assert st.look_alpha(0.05, looks=1) == 0.05
    generator = np.random.default_rng(6)
    failed = generator.random((20_000, 50)) < 0.2
    first = failures_codes(failed[:, :25].sum(axis=1), 25, 0.2, st.look_alpha(0.05))
    second = failures_codes(failed.sum(axis=1), 50, 0.2, st.look_alpha(0.05, 2))
    final = np.where(first != 0, first, second)
    assert (final == 1).mean() <= 0.055
    assert (final == -1).mean() <= 0.055
