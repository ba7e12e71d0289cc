"""The gates on one group: what passes, what fails, what stays open, and what is refused."""

import json

import numpy as np
import pytest
import scipy
from hypothesis import example, given, settings
from hypothesis import strategies as some

import stabbench.statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics import power
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.spread import spread_codes

PASS, FAIL, INCONCLUSIVE = st.Outcome


def sample(n, k=0, mean=60.0, spread=2.0, seed=0):
    """n runs of which k failed with score 50, the others normal."""
    scores = np.random.default_rng(seed).normal(mean, spread, n)
    scores[:k] = 50.0
    return st.Sample.of(scores, np.arange(n) < k, range(n))


# (PASS if k <=, FAIL if k >=) by p0 and n. Ten runs at p0 = .20: four or more failures have probability .121
# there, five or more .033, so FAIL begins at five.
N = None
TABLE_3C = {
    0.05: {5: (N, 2), 10: (N, 3), 15: (N, 3), 20: (N, 4), 25: (N, 4), 30: (N, 5), 50: (N, 6)},
    0.10: {5: (N, 3), 10: (N, 4), 15: (N, 5), 20: (N, 5), 25: (N, 6), 30: (0, 7), 50: (1, 10)},
    0.15: {5: (N, 3), 10: (N, 4), 15: (N, 6), 20: (0, 7), 25: (0, 8), 30: (1, 9), 50: (3, 13)},
    0.20: {5: (N, 4), 10: (N, 5), 15: (0, 7), 20: (0, 8), 25: (1, 9), 30: (2, 11), 50: (5, 16)},
    0.30: {5: (N, 4), 10: (0, 6), 15: (1, 9), 20: (2, 10), 25: (3, 12), 30: (4, 14), 50: (9, 21)},
}  # fmt: skip
SEEDS_TO_PASS = {
    0.05: (59, 93, 124, 153),
    0.10: (29, 46, 61, 76),
    0.15: (19, 30, 40, 50),
    0.20: (14, 22, 30, 37),
    0.30: (9, 14, 19, 24),
}


@pytest.mark.parametrize("p0", TABLE_3C)
def test_the_failed_run_table(p0):
    assert {n: st.failures_limits(n, p0) for n in TABLE_3C[p0]} == TABLE_3C[p0]
    fewest = tuple(next(n for n in range(3, 200) if failures_codes(k, n, p0) == 1) for k in range(4))
    assert fewest == SEEDS_TO_PASS[p0]


@pytest.mark.parametrize(
    ("k", "n", "p0", "outcome"),
    [(1, 25, 0.2, PASS), (2, 25, 0.2, INCONCLUSIVE), (9, 25, 0.2, FAIL), (0, 25, 0.1, INCONCLUSIVE),
     (25, 25, 0.99, FAIL), (0, 29, 0.1, PASS)],
)  # fmt: skip
def test_failures(k, n, p0, outcome):
    got = st.failures_gate(sample(n, k), p0)
    assert got.outcome is outcome
    assert got.value == k / n
    assert (got.seeds_needed is not None) == (outcome is INCONCLUSIVE)


def test_a_tiny_group_says_how_many_seeds_would_decide():
    """Two of three failed: the failed runs share a score, which may not pass but may still fail."""
    few = st.Sample.of([50, 50, 60], [True, True, False], range(3))
    failures = st.failures_gate(few, 0.2)
    assert (failures.outcome, failures.seeds_needed) == (INCONCLUSIVE, 10)
    rare = st.Sample.of([50, 60, 60, 60, 60, 60], [True] + [False] * 5, range(6))
    assert st.failures_gate(rare, 0.5).seeds_needed is None  # more of the same could never pass
    assert st.spread_gate(few, 1.0).reason.startswith("1 run to judge, fewer than 5: at least 15 seeds")


def test_a_clean_start_needs_42_seeds_to_exclude_ten_percent_at_a_second_look():
    """.9 ** 42 is the first power below .05 / 4."""
    assert st.failures_gate(sample(25), 0.10).seeds_needed == 42


def test_seeds_needed_keep_their_promise_by_simulation():
    k, n, p0 = 3, 25, 0.05
    needed = power.failures_seeds_needed(k, n, p0)
    more = np.random.default_rng(1).binomial(needed - n, k / n, 20_000)
    decided = (failures_codes(k + more, needed, p0, st.look_alpha(0.05, 2)) != 0).mean()
    assert 0.78 < decided < 0.86


@pytest.mark.parametrize(
    ("tau", "outcome"), [(4.0, PASS), (2.0, INCONCLUSIVE), (1.0, FAIL)], ids=["half", "equal", "twice"]
)
def test_spread(tau, outcome):
    got = st.spread_gate(sample(25, 3), tau)
    assert got.outcome is outcome
    assert got.details["n"] == 22
    assert got.lower < got.value < got.upper


@pytest.mark.parametrize(("wanted", "outcome"), [(55, PASS), (60, INCONCLUSIVE), (65, FAIL)])
def test_mean(wanted, outcome):
    assert st.mean_gate(sample(25, 3), wanted).outcome is outcome


def test_every_run_failed_is_never_steady():
    collapsed = st.Sample.of(np.full(25, 52.7), np.ones(25, bool))
    for got in (
        st.failures_gate(collapsed, 0.5),
        st.spread_gate(collapsed, 3.0),
        st.spread_gate(collapsed, 3.0, scope="all"),
        st.mean_gate(collapsed, 50.0),
    ):
        assert got.outcome is FAIL
        assert "every one of the 25" in got.reason or "none of the 25" in got.reason


@pytest.mark.parametrize(
    ("scores", "seeds", "says"),
    [
        ([], None, "no runs"),
        ([60.0, 61.0], None, "2 runs"),
        ([60.0, np.nan, 61.0, 62.0], [4, 7, 8, 9], "seed 7"),
        ([60.0, np.inf, 61.0, 62.0], None, "run 1"),
        ([60.0, 61.0, 62.0, 63.0, 64.0, 65.0], [1, 1, 2, 3, 4, 5], "5 different seeds"),
        ([60.0] * 30, range(30), "1 different score"),
        ([60.0, 61.0] * 15, range(30), "2 different scores"),
        ([0.1 + 0.2, 0.3] * 15, range(30), "1 different score"),
    ],
)
def test_degenerate_samples_do_not_pass_and_say_why(scores, seeds, says):
    runs = st.Sample.of(scores, seeds=seeds)
    for got in (st.failures_gate(runs, 0.5), st.spread_gate(runs, 1e6), st.mean_gate(runs, 0.0)):
        assert got.outcome is INCONCLUSIVE
    assert says in st.failures_gate(runs, 0.5).reason


@pytest.mark.parametrize(
    "call",
    [
        lambda runs: st.failures_gate(runs, 0.0),
        lambda runs: st.failures_gate(runs, 1.0),
        lambda runs: st.failures_gate(runs, float("nan")),
        lambda runs: st.failures_gate(runs, 0.1, alpha=1.5),
        lambda runs: st.spread_gate(runs, -1.0),
        lambda runs: st.spread_gate(runs, 1.0, scope="some"),
        lambda runs: st.mean_gate(runs, float("inf")),
        lambda runs: st.steadier_gate(runs, runs, alpha=0),
        lambda runs: st.regression_gate(runs, runs, mean_margin=0.0),
        lambda runs: st.regression_gate(runs, runs, failures_margin=20),
        lambda runs: st.Sample.of([1.0, 2.0], [False]),
        lambda runs: st.look_alpha(0.05, 0),
    ],
)
def test_wrong_arguments_are_named(call):
    with pytest.raises(StabbenchError):
        call(sample(10))


def test_evidence_is_plain_json_without_nan():
    few = st.spread_gate(sample(4), 1.0)
    assert json.loads(json.dumps(few.to_json(), allow_nan=False))["outcome"] == "INCONCLUSIVE"
    got = st.Evidence("g", PASS, "r", "s", np.float64(np.nan), details={"x": np.float64(2.0), "y": np.inf})
    assert (got.value, got.details) == (None, {"x": 2.0, "y": None})


def test_overall():
    assert st.overall([PASS, PASS]) is PASS
    assert st.overall([PASS, INCONCLUSIVE]) is INCONCLUSIVE
    assert st.overall([FAIL, PASS, INCONCLUSIVE]) is FAIL
    assert st.overall([]) is INCONCLUSIVE


@given(some.integers(1, 80), some.floats(0.01, 0.2))
def test_clopper_pearson_bounds_rise_with_the_count(n, alpha):
    lower, upper = st.clopper_pearson(np.arange(n + 1), n, alpha)
    assert (np.diff(lower) > 0).all()
    assert (np.diff(upper) > 0).all()
    assert (lower <= np.arange(n + 1) / n).all()
    assert (upper >= np.arange(n + 1) / n).all()


@given(some.integers(1, 60), some.floats(0.001, 0.999))
def test_clopper_pearson_covers(n, p):
    from scipy import stats

    lower, upper = st.clopper_pearson(np.arange(n + 1), n, 0.05)
    weights = stats.binom.pmf(np.arange(n + 1), n, p)
    assert weights[upper < p].sum() <= 0.05 + 1e-12
    assert weights[lower > p].sum() <= 0.05 + 1e-12


@settings(max_examples=25)
@given(some.integers(3, 60), some.floats(0.01, 0.9))
def test_limits_agree_with_the_gate(n, p0):
    at_most, at_least = st.failures_limits(n, p0)
    for k in range(n + 1):
        outcome = st.failures_gate(sample(n, k), p0).outcome
        if outcome is PASS:
            assert k <= at_most
        assert (outcome is FAIL) == (at_least is not None and k >= at_least)


def test_vectorised_bounds_equal_those_of_each_sample():
    generator = np.random.default_rng(3)
    x, keep = generator.normal(60, 2, (40, 15)), generator.random((40, 15)) < 0.7
    many = st.spread_bounds(x, keep)
    for i in range(40):
        one = st.spread_bounds(x[i][keep[i]])
        assert [field[i] for field in many] == pytest.approx([float(x) for x in one], rel=1e-12)


@given(some.lists(some.floats(-1e12, 1e12), min_size=2, max_size=4))
@example([1232.84480463, 1248.94382299])
def test_under_five_scores_bound_nothing(scores):
    bounds = st.spread_bounds(np.array(scores))
    assert (bounds.chi2_lower, bounds.bonett_lower) == (0, 0)
    assert (bounds.chi2_upper, bounds.bonett_upper) == (np.inf, np.inf)


@pytest.mark.parametrize(
    ("n", "ratio", "passes", "fails"),
    [(25, 0.5, 1.0, 0.0), (25, 0.7, 0.75, 0.0), (25, 1.5, 0.0, 0.88), (5, 2, 0, 0.67)],
)
def test_power_of_the_spread_rule(n, ratio, passes, fails):
    a, b = st.chi2_factors(n)
    rule = scipy.stats.chi2(n - 1)
    power_of = rule.cdf((n - 1) * (a / ratio) ** 2), rule.sf((n - 1) * (b / ratio) ** 2)
    assert power_of == pytest.approx((passes, fails), abs=0.006)


@pytest.mark.parametrize(("observed", "tau"), [(2.0, 3.5), (2.0, 1.5), (1.0, 1.2)])
def test_seeds_needed_for_a_spread_are_the_first_with_enough_power(observed, tau):
    needed = power.spread_seeds_needed(observed, tau, 10, 10)
    scores = np.random.default_rng(2).normal(0, observed, (40_000, needed))

    def decided(n):
        """By the gate itself, whose kurtosis varies from sample to sample."""
        bounds = st.spread_bounds(scores[:, :n], alpha=0.05 / 4)
        return (spread_codes(bounds.lower, bounds.upper, tau) != 0).mean()

    assert decided(needed) > 0.77
    assert decided(needed - 3) < 0.81


def test_power_of_failures():
    codes = failures_codes(np.arange(26), 25, 0.10)
    assert scipy.stats.binom.pmf(np.arange(26), 25, 0.24)[codes == -1].sum() == pytest.approx(0.58, abs=0.006)
    codes = failures_codes(np.arange(26), 25, 0.20)
    assert scipy.stats.binom.pmf(np.arange(26), 25, 0.05)[codes == 1].sum() == pytest.approx(0.64, abs=0.006)


def test_both_bounds_must_agree():
    """With a heavy tail Bonett's interval is the wider one, on both sides, and holds the verdict open."""
    runs = st.Sample.of(
        [60, 60.2, 59.9, 60.1, 59.8, 60.3, 59.7, 60, 60.1, 59.9, 64, 56.5, 60.05, 59.95], seeds=range(14)
    )
    bounds = st.spread_bounds(runs.scores)
    assert bounds.bonett_lower < bounds.chi2_lower
    assert bounds.chi2_upper < bounds.bonett_upper
    between_upper = float(bounds.chi2_upper + bounds.bonett_upper) / 2
    between_lower = float(bounds.chi2_lower + bounds.bonett_lower) / 2
    assert st.spread_gate(runs, between_upper).outcome is INCONCLUSIVE
    assert st.spread_gate(runs, between_lower).outcome is INCONCLUSIVE
    assert st.spread_gate(runs, float(bounds.bonett_upper) * 1.01).outcome is PASS
    assert st.spread_gate(runs, float(bounds.bonett_lower) * 0.99).outcome is FAIL
