"""One strategy over several tasks: against SciPy, plain loops, and values that must not move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

import stabbench.statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics.over_tasks import RESAMPLES, SEED


def tasks(seed=0, sizes=(25, 25, 25), failed=0.1):
    generator = np.random.default_rng(seed)
    found = []
    for place, n in enumerate(sizes):
        scores = generator.normal(0.5 + 0.15 * place, 0.08, n)
        found.append(np.where(generator.random(n) < failed, 0.0, scores))
    return found


def resamples(strata):
    """Every resample as scores, drawn one by one in the way that the module says."""
    generator = np.random.default_rng(SEED)
    drawn = []
    for scores in strata:
        ordered, n = np.sort(scores), len(scores)
        picked = (generator.random((RESAMPLES, n)) * n).astype(int)
        drawn.append([ordered[one] for one in picked])
    return list(zip(*drawn, strict=True))


def ends(values):
    return np.percentile(values, [2.5, 97.5])


def test_normalised_scores_run_from_the_constant_predictor_to_a_perfect_score():
    assert st.normalised([0.52, 1.0, 0.76, 0.28], 0.52, 1.0) == pytest.approx([0, 1, 0.5, -0.5])
    loss = st.normalised([-0.69, 0.0, -1.38], -0.69, 0.0)
    assert loss == pytest.approx([(0.69 - x) / 0.69 for x in (0.69, 0.0, 1.38)])


@pytest.mark.parametrize(("constant", "best"), [(0.5, np.inf), (1.0, 1.0), (0.5, np.nan), (2.0, 1.0)])
def test_without_a_best_score_above_the_constant_one_there_is_no_scale(constant, best):
    assert not st.has_scale(constant, best)
    with pytest.raises(StabbenchError, match="leave the task out"):
        st.normalised([0.5], constant, best)


@pytest.mark.parametrize("sizes", [(25, 25, 25), (20, 20), (1,), (3, 3), (7, 7, 7)])
def test_the_interquartile_mean_is_scipys_trimmed_mean_of_all_runs(sizes):
    strata = tasks(sizes=sizes)
    found = st.iqm_over_tasks(strata)
    assert found.value == pytest.approx(stats.trim_mean(np.concatenate(strata), 0.25), abs=1e-12)
    drawn = [stats.trim_mean(np.concatenate(one), 0.25) for one in resamples(strata)]
    assert (found.low, found.high) == pytest.approx(ends(drawn), abs=1e-9)


def test_tasks_weigh_the_same_however_many_runs_they_have():
    """Each run of a task of 20 is worth two of one of 40: the mean is that of the former written twice."""
    few, many = tasks(sizes=(20, 40))
    found = st.iqm_over_tasks([few, many])
    twice = np.concatenate([few, few, many])
    assert found.value == pytest.approx(stats.trim_mean(twice, 0.25), abs=1e-12)
    assert found.value != pytest.approx(stats.trim_mean(np.concatenate([few, many]), 0.25), abs=1e-3)
    assert found.low < found.value < found.high


def test_a_profile_is_the_share_above_each_value():
    strata = tasks(sizes=(25, 40), failed=0.3)
    grid = np.array([-0.1, 0.0, 0.3, 0.62, 1.0])
    found = st.profile_over_tasks(strata, grid)
    for place, tau in enumerate(grid):
        share = np.mean([np.mean([x > tau for x in scores]) for scores in strata])
        assert found.share[place] == pytest.approx(share, abs=1e-12)
        drawn = [np.mean([np.mean(x > tau) for x in one]) for one in resamples(strata)]
        low, high = ends(drawn)
        unseen = np.log(40) / (2 * 25)
        assert found.low[place] == pytest.approx(min(low, 1 - unseen), abs=1e-9)
        assert found.high[place] == pytest.approx(max(high, unseen), abs=1e-9)
    assert found.share[1] < found.share[0] == 1.0  # a failed run is at 0, so not above it


def test_the_probability_of_improvement_is_mann_whitneys():
    a, b = tasks(1, (25, 30)), tasks(2, (25, 20), failed=0.4)
    found = st.improvement_over_tasks(a, b)
    pairs = list(zip(a, b, strict=True))
    want = [stats.mannwhitneyu(x, y).statistic / (len(x) * len(y)) for x, y in pairs]
    assert found.value == pytest.approx(np.mean(want), abs=1e-12)
    assert found.value == pytest.approx(
        np.mean([np.mean([(u > v) + (u == v) / 2 for u in x for v in y]) for x, y in pairs]), abs=1e-12
    )
    drawn = [
        np.mean(
            [np.mean((x[:, None] > y) + (x[:, None] == y) / 2) for x, y in zip(r[:2], r[2:], strict=True)]
        )
        for r in resamples([*a, *b])
    ]
    assert (found.low, found.high) == pytest.approx(ends(drawn), abs=1e-9)


def test_who_wins_mirrored():
    a, b = tasks(1), tasks(2, failed=0.4)
    assert st.improvement_over_tasks(a, b).value == pytest.approx(1 - st.improvement_over_tasks(b, a).value)
    same = st.improvement_over_tasks(a, a)
    assert same.value == 0.5
    assert same.low < 0.5 < same.high


def test_no_win_so_far_is_not_never():
    """25 runs on each of three tasks that all lose still leave a probability of ln(40) / 75."""
    low, high = [np.zeros(25)] * 3, [np.linspace(0.5, 1, 25)] * 3
    assert st.improvement_over_tasks(low, high) == pytest.approx((0, 0, np.log(40) / 75))
    assert st.improvement_over_tasks(high, low) == pytest.approx((1, 1 - np.log(40) / 75, 1))


def test_golden():
    a, b = tasks(1), tasks(2, failed=0.4)
    assert st.iqm_over_tasks(a) == pytest.approx(IQM, abs=1e-9)
    assert st.improvement_over_tasks(a, b) == pytest.approx(IMPROVEMENT, abs=1e-9)
    profile = st.profile_over_tasks(b)
    assert (profile.share[50], profile.low[50], profile.high[50]) == pytest.approx(PROFILE, abs=1e-9)


IQM = (0.621921836472, 0.598057770584, 0.643502192678)
IMPROVEMENT = (0.665333333333, 0.576, 0.749346666667)
PROFILE = (0.466666666667, 0.36, 0.573333333333)


@settings(max_examples=10)
@given(some.permutations(range(25)), some.permutations(range(3)))
def test_the_order_of_runs_changes_nothing_and_that_of_tasks_no_value(runs, places):
    strata = tasks()
    mixed = [scores[list(runs)] for scores in strata]
    assert st.iqm_over_tasks(mixed) == st.iqm_over_tasks(strata)
    assert st.improvement_over_tasks(mixed, tasks(2)) == st.improvement_over_tasks(strata, tasks(2))
    moved = st.iqm_over_tasks([strata[place] for place in places])
    assert moved.value == pytest.approx(st.iqm_over_tasks(strata).value)


@given(
    some.lists(
        some.lists(some.sampled_from([-1e75, -1.0, 0.0, 1e-12, 0.3, 1.0]), min_size=1, max_size=6),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_the_scores_there_are_numbers(strata):
    least, most = min(map(min, strata)), max(map(max, strata))
    for value in st.iqm_over_tasks(strata):
        assert least - 1e-9 * abs(least) <= value <= most + 1e-9 * abs(most)
    profile = st.profile_over_tasks(strata)
    assert (np.diff(profile.share) <= 1e-12).all()
    assert (profile.low <= profile.share + 1e-12).all()
    assert (profile.share <= profile.high + 1e-12).all()
    assert profile.high.max() <= 1 + 1e-12
    found = st.improvement_over_tasks(strata, strata)
    assert (found.value, found.low <= 0.5 <= found.high) == (0.5, True)


def test_a_loss_that_exploded_is_trimmed_away():
    for n in (20, 24, 28, 36, 44, 52):  # the cut lies just behind the exploded quarter
        strata = [np.append(np.linspace(0.4, 0.6, n - n // 4), np.full(n // 4, -1e75)) for _ in range(3)]
        assert 0.4 < st.iqm_over_tasks(strata).value < 0.6
    found = st.iqm_over_tasks([np.append(np.linspace(0.4, 0.6, 24), -1e75)] * 3)
    assert 0.4 < found.low < found.value < found.high < 0.6


def test_an_interquartile_mean_hides_a_quarter_of_failed_runs():
    """Why it is never a verdict, and why the share of runs at chance stands beside it."""
    good = [np.full(24, 0.8)] * 3
    worse = [np.append(np.full(18, 0.8), np.zeros(6))] * 3
    assert [st.iqm_over_tasks(one).value for one in (good, worse)] == pytest.approx([0.8, 0.8])
    assert st.profile_over_tasks(worse).share[0] == pytest.approx(0.75)


def test_what_is_no_sample_is_refused():
    for wrong in ([], [[]], [[0.5], []], [[0.5, np.nan]], [[np.inf]], [[[0.5]]]):
        for function in (st.iqm_over_tasks, st.profile_over_tasks):
            with pytest.raises(StabbenchError):
                function(wrong)
    with pytest.raises(StabbenchError, match="on the same tasks"):
        st.improvement_over_tasks([[0.5]], [[0.5], [0.6]])


def test_a_claim_over_tasks_is_corrected_for_their_number():
    assert st.tasks_that_remain([0.04]) == 1
    assert st.tasks_that_remain([0.04, 0.04, 0.04]) == 0
    assert st.tasks_that_remain([0.001, 0.02, 0.2]) == 2
    assert st.tasks_that_remain([0.001, 0.03, 0.2]) == 1
    assert st.tasks_that_remain([1.0, 1.0]) == 0
    assert st.tasks_that_remain([]) == 0


@given(some.lists(some.floats(0, 1), min_size=1, max_size=8))
def test_it_is_holms_step_down(p_values):
    remaining = 0
    for place, p in enumerate(sorted(p_values)):
        if p * (len(p_values) - place) > 0.05:
            break
        remaining += 1
    assert st.tasks_that_remain(p_values) == remaining
