"""Comparisons: steadier than, regressions, and the tests under them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from scipy import stats

import stabbench.statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics.two_rates import more_failures
from stabbench.statistics.two_samples import mean_test, spread_test

PASS, FAIL, INCONCLUSIVE = st.Outcome


def sample(n, k=0, mean=60.0, spread=2.0, seed=0, at=50.0):
    scores = np.random.default_rng(seed).normal(mean, spread, n)
    scores[:k] = at
    return st.Sample.of(scores, np.arange(n) < k, range(n))


def every(x):
    return np.ones(np.shape(x), bool)


def test_fewer_failures_are_steadier():
    steady, shaky = sample(25, 0), sample(25, 12, seed=1)
    assert st.steadier_gate(steady, shaky).outcome is PASS
    assert st.steadier_gate(shaky, steady).outcome is FAIL


def test_a_smaller_spread_is_steadier():
    assert st.steadier_gate(sample(25, spread=1), sample(25, spread=4, seed=1)).outcome is PASS


def test_a_loser_that_always_fails_does_not_hide_how_many_seeds_would_decide():
    got = st.steadier_gate(sample(3, 1), sample(3, 3, seed=1))
    assert (got.outcome, got.seeds_needed) == (INCONCLUSIVE, 12)
    more = sample(12, 4), sample(12, 12, seed=1)
    assert st.steadier_gate(*more, st.look_alpha(0.05, 2)).outcome is PASS


def test_equals_stay_open_and_say_how_many_seeds_would_decide():
    got = st.steadier_gate(sample(25, 1), sample(25, 3, seed=1))
    assert got.outcome is INCONCLUSIVE
    assert got.seeds_needed > 25


def test_a_collapsed_strategy_is_never_steadier():
    """Devlin with every run failed has no spread at all; ours is the steadier one, both ways round."""
    ours, devlin = sample(25, mean=98.1, spread=0.7), sample(25, 25, at=68.4)
    assert st.steadier_gate(ours, devlin).outcome is PASS
    got = st.steadier_gate(devlin, ours)
    assert got.outcome is FAIL
    assert got.details["raw_p"] < 1e-3  # the raw test would have called Devlin the steadier one


def test_a_tiny_spread_does_not_outweigh_more_failures():
    few_left = sample(25, 14, spread=0.01)
    assert st.steadier_gate(few_left, sample(25, 0, spread=3, seed=1)).outcome is not PASS


def test_a_winner_without_variation_is_not_certified():
    constant = st.Sample.of(np.full(25, 90.0))
    assert st.steadier_gate(constant, sample(25, 12, seed=1)).outcome is INCONCLUSIVE


def test_the_paper_mode_is_shown_with_its_warning_only():
    got = st.steadier_gate(sample(25), sample(25, seed=1))
    assert got.details["paper_note"] == st.PAPER_WARNING
    assert got.details["raw_note"] is None
    assert got.details["paper_w"] == pytest.approx(
        stats.levene(sample(25).scores, sample(25, seed=1).scores, center="mean").statistic
    )
    small = st.steadier_gate(sample(9), sample(9, seed=1))
    assert (small.details["raw_p"], small.details["paper_p"]) == (None, None)


@pytest.fixture(scope="module")
def baseline():
    return sample(50, seed=9)


@pytest.mark.parametrize(
    ("candidate", "part"),
    [
        (sample(25, mean=55, seed=1), "mean"),
        (sample(25, 10, seed=1), "chance"),
        (sample(25, spread=6, seed=1), "spread"),
        (sample(25, 25), "chance"),
    ],
    ids=["mean", "chance", "spread", "collapse"],
)
def test_a_regression_fails_and_names_its_part(candidate, part, baseline):
    got = st.regression_gate(candidate, baseline)
    assert got.outcome is FAIL
    assert part in got.reason
    assert got.details[f"p_{part}_holm"] <= 0.05


def test_no_change_passes_by_non_inferiority(baseline):
    assert st.regression_gate(sample(25, seed=3), baseline, mean_margin=3.0).outcome is PASS


def test_a_pass_of_a_regression_names_its_margins():
    """By default the mean's is a standard deviation of the baseline, which may be a dozen points."""
    got = st.regression_gate(sample(50, seed=3, spread=12.0), sample(50, seed=5, spread=12.25), paired=False)
    margin = got.details["mean_margin"]
    assert got.outcome is PASS
    assert (
        f"less than 2 times the spread, 20 points more runs at chance, a mean {margin:.4g} worse"
        in got.reason
    )


def test_a_few_seeds_cannot_pass(baseline):
    got = st.regression_gate(sample(8, seed=3), baseline, mean_margin=3.0)
    assert got.outcome is INCONCLUSIVE
    assert got.seeds_needed > 8


@pytest.mark.parametrize(("n", "n0", "says"), [(4, 50, "4 candidate"), (25, 24, "baseline has 24")])
def test_too_few_seeds_for_a_regression(n, n0, says):
    got = st.regression_gate(sample(n), sample(n0, seed=5))
    assert got.outcome is INCONCLUSIVE
    assert says in got.reason


def test_identical_runs_pass_without_a_test(baseline):
    replay = st.Sample.of(baseline.scores[10:20], baseline.failed[10:20], baseline.seeds[10:20])
    assert st.regression_gate(replay, baseline).details["identical"] is True
    moved = st.Sample.of(replay.scores + 1e-12, replay.failed, replay.seeds)
    assert "identical" not in st.regression_gate(moved, baseline).details
    unknown = st.Sample.of(replay.scores, replay.failed)
    assert "identical" not in st.regression_gate(unknown, baseline).details


def test_identical_constants_are_not_certified():
    constant = st.Sample.of(np.full(25, 90.0), seeds=range(25))
    assert st.regression_gate(constant, constant).outcome is INCONCLUSIVE


def test_the_mean_centre_errs_far_beyond_its_level_with_failed_runs():
    """CoLA with 14 % failed runs, two identical strategies, 25 against 25: why the median is the default."""
    generator = np.random.default_rng(11)
    shape = (4_000, 25)

    def draw():
        return np.where(generator.random(shape) < 0.14, 0.0, generator.normal(60.3, 1.8, shape))

    a, b = draw(), draw()
    size = {
        c: (spread_test(a, b, every(a), every(b), center=c).p_value <= 0.05).mean()
        for c in ("mean", "median")
    }
    assert size["mean"] > 0.20
    assert size["median"] <= 0.065


values = some.lists(some.floats(-100, 100), min_size=3, max_size=12)


@given(values, values, some.sampled_from(["median", "mean"]))
@example([0.0] * 3, [0.0, 0.0, 1.6e-159], "median")
def test_the_signed_test_is_scipys_levene(a, b, center):
    guarded = st.levene(a, b, center=center)
    test = spread_test(np.array(a), np.array(b), every(a), every(b), center=center)
    assert test.valid == (guarded.degenerate is None)
    if guarded.degenerate is None:
        assert test.statistic**2 == pytest.approx(guarded.statistic, rel=1e-6, abs=1e-9)
        assert test.p_value == pytest.approx(guarded.p_value, rel=1e-6, abs=1e-9)


@given(values, values)
@example([0.0] * 3, [0.0, 0.0, 9.4e-91])
def test_the_mean_test_is_scipys_welch(a, b):
    test = mean_test(np.array(a), np.array(b), every(a), every(b), "less")
    if test.valid and min(np.ptp(a), np.ptp(b)) > 1e-3:
        want = stats.ttest_ind(a, b, equal_var=False, alternative="less")
        assert test.p_value == pytest.approx(want.pvalue, rel=1e-6, abs=1e-9)


def test_masked_tests_equal_those_of_the_kept_runs():
    generator = np.random.default_rng(5)
    a, b = generator.normal(0, 1, (30, 12)), generator.normal(0, 2, (30, 14))
    keep_a, keep_b = generator.random(a.shape) < 0.7, generator.random(b.shape) < 0.7
    many = spread_test(a, b, keep_a, keep_b, "less")
    for i in range(30):
        x, y = a[i][keep_a[i]], b[i][keep_b[i]]
        assert many.p_value[i] == pytest.approx(spread_test(x, y, every(x), every(y), "less").p_value)


@given(some.lists(some.floats(0, 1), min_size=1, max_size=8))
def test_holm(p):
    adjusted = st.holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= np.minimum(1, np.array(p) * len(p) + 1e-15)).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert min(adjusted) == pytest.approx(min(1, len(p) * min(p)))
    assert list(st.holm(list(reversed(p)))) == list(adjusted)[::-1]


def test_holm_of_many_rows_is_holm_of_each():
    p = np.random.default_rng(2).random((20, 4))
    assert np.array_equal(st.holm(p), np.array([st.holm(row) for row in p]))


def test_boschloo_is_the_supremum_over_the_common_rate():
    """Against a direct enumeration on a fine grid: 4 of 8 against 1 of 9."""
    n1, n0 = 8, 9
    i, j = np.ogrid[: n1 + 1, : n0 + 1]
    fisher = stats.hypergeom.sf(i - 1, n1 + n0, i + j, n1)
    extreme = fisher <= fisher[4, 1] * (1 + 1e-12)
    rates = np.linspace(0, 1, 20_001)[1:-1]
    first = stats.binom.pmf(np.arange(n1 + 1)[:, None], n1, rates)
    second = stats.binom.pmf(np.arange(n0 + 1)[:, None], n0, rates)
    want = np.einsum("ip,jp,ij->p", first, second, extreme).max()
    assert st.boschloo(4, n1, 1, n0) == pytest.approx(want, abs=1e-6)
    assert list(more_failures([4, 1, 0], n1, [1, 2, 0], n0)) == [st.boschloo(4, n1, 1, n0), 1.0, 1.0]


@given(some.data())
def test_boschloo_agrees_with_scipy(data):
    n1, n0 = data.draw(some.integers(1, 14)), data.draw(some.integers(1, 14))
    k1, k0 = data.draw(some.integers(0, n1)), data.draw(some.integers(0, n0))
    if k1 + k0 in (0, n1 + n0):
        assert st.boschloo(k1, n1, k0, n0) == 1
        return
    table = [[k1, k0], [n1 - k1, n0 - k0]]
    want = stats.boschloo_exact(table, alternative="greater", n=64).pvalue
    assert st.boschloo(k1, n1, k0, n0) == pytest.approx(want, abs=1e-6)


def test_the_gates_never_load_scipy_stats():
    """Loading it takes half a second, which every session would wait for."""
    code = """
import sys
import numpy as np
import stabbench.statistics as st

scores, seeds = np.random.default_rng(0).normal(60, 1, 12), np.arange(12)
a, b = st.Sample.of(scores, seeds < 0, seeds), st.Sample.of(scores[::-1] * 2, seeds < 5, seeds)
st.failures_gate(a, 0.2), st.spread_gate(a, 2.0), st.mean_gate(a, 50.0)
st.steadier_gate(a, b), st.regression_gate(a, b), st.regression_gate(b, a)
assert "scipy.special" in sys.modules
print("scipy.stats" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_newcombe_excludes_a_fifth_only_with_enough_seeds():
    assert st.newcombe_upper(0, 25, 0, 25) < 0.20
    assert st.newcombe_upper(0, 10, 0, 25) > 0.20
    # his example (f): 9/10 - 3/10, two-sided 95 %: 0.1705 to 0.8090
    assert st.newcombe_upper(9, 10, 3, 10, 0.025) == pytest.approx(0.8090, abs=5e-5)


def test_permutations_use_only_their_generator():
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    one = st.permutation_spread_test(a, b, np.random.default_rng(3), 500)
    two = st.permutation_spread_test(a, b, np.random.default_rng(3), 500)
    assert one == two
    assert one != st.permutation_spread_test(a, b, np.random.default_rng(4), 500)
    assert np.array_equal(before, np.random.get_state()[1])
    assert one[1] >= 1 / 501


def test_levene_needs_two_groups_and_guards_what_scipy_does_not():
    with pytest.raises(StabbenchError):
        st.levene([1.0, 2.0, 3.0])
    for a, b in (([1.0, 2.0], [3.0, 9.0]), ([5.0] * 9, [5.0] * 9), ([0.0, 1.0] * 4, [0.0, 3.0] * 4)):
        assert st.levene(a, b).p_value is None
    assert st.levene([1.0, np.nan, 2.0], [1.0, 2.0, 4.0]).degenerate == "a score is not finite"


@pytest.mark.parametrize(
    ("p", "n", "mark"), [(0.0005, 25, "★"), (0.03, 20, "*"), (0.03, 19, ""), (0.2, 25, ""), (None, 25, "")]
)
def test_stars(p, n, mark):
    assert st.star(p, n) == mark


def test_successes_of_two_values_do_not_win_by_their_spread():
    scores = np.where(np.arange(25) % 2, 90.0, 90.1)
    scores[:2] = 50.0
    two_valued = st.Sample.of(scores, np.arange(25) < 2, range(25))
    other = sample(25, 2, mean=90, spread=5, seed=1)
    assert st.steadier_gate(two_valued, other).outcome is INCONCLUSIVE
    assert st.steadier_gate(other, two_valued).outcome is INCONCLUSIVE
    varied = st.Sample.of(scores + np.linspace(0, 0.1, 25), two_valued.failed, range(25))
    assert st.steadier_gate(varied, other).outcome is PASS
