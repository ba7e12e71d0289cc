"""Bounds on mean and spread of all runs, which allow for runs at chance too rare to have been seen.

The second implementation is `plain_mixture`.
"""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import stabbench.statistics as st
from stabbench.statistics.mixture import box, half, mixture_bounds
from tests.statistics.plain_mixture import plain_bounds, plain_box, variance

PASS, FAIL, INCONCLUSIVE = st.Outcome
RANGE = (-100.0, 100.0)
CONSTANT = 10.0


def runs(n, k, seed=0, mean=60.0, spread=2.0):
    """n scores of which the first k are at chance around 10, and which of them learned something."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(mean, spread, n)
    scores[:k] = generator.normal(CONSTANT, 1.0, k)
    return scores, np.arange(n) >= k


def sample(n, k, **changes):
    scores, learned = runs(n, k)
    known = {"constant": CONSTANT, "range": RANGE} | changes
    return st.Sample.of(scores, ~learned, range(n), **known)


CASES = [(25, 0), (25, 1), (25, 4), (12, 5), (40, 20), (30, 24), (100, 2)]


@pytest.mark.parametrize(("n", "k"), CASES)
def test_bounds_are_the_extremes_of_the_box(n, k):
    scores, learned = runs(n, k, seed=n + k)
    want = plain_bounds(list(scores), list(learned), CONSTANT, RANGE)
    assert list(mixture_bounds(scores, learned, CONSTANT, RANGE)) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize(("n", "k"), CASES)
def test_no_point_of_a_grid_over_the_box_lies_outside_of_the_bounds(n, k):
    scores, learned = runs(n, k, seed=n + k)
    share, means, stds, chances = plain_box(list(scores), list(learned), CONSTANT, RANGE, 0.05)
    spreads = (0.0, ((chances[1] - chances[0]) / 2) ** 2)
    lowest, highest = math.inf, 0.0
    for p in np.linspace(*share, 41):
        for m in np.linspace(*means, 4):
            for s in np.linspace(*stds, 4):
                for f in np.linspace(*chances, 4):
                    for v in spreads:
                        std = math.sqrt(variance(p, m, s, f, v))
                        lowest, highest = min(lowest, std), max(highest, std)
    got = mixture_bounds(scores, learned, CONSTANT, RANGE)
    assert got.std_lower - 1e-9 <= lowest <= got.std_lower * 1.001
    assert got.std_upper * 0.999 <= highest <= got.std_upper + 1e-9


def test_golden_values():
    """25 equally spaced scores from 58 to 62, then with two runs at chance besides: by the second way."""
    scores = np.linspace(58.0, 62.0, 25)
    got = mixture_bounds(scores, np.ones(25, bool), CONSTANT, RANGE)
    assert list(got) == pytest.approx(GOLDEN_CLEAN, rel=1e-9)
    learned = np.r_[np.ones(25, bool), False, False]
    got = mixture_bounds(np.r_[scores, 10.0, 12.0], learned, CONSTANT, RANGE)
    assert list(got) == pytest.approx(GOLDEN_TWO, rel=1e-9)


GOLDEN_CLEAN = [51.9764892660146, 60.55388629150517, 0.9385138996585121, 18.176390079847312]
GOLDEN_TWO = [46.68105709938408, 60.198367939582866, 4.151720530121174, 22.181162325323225]

SCORES = some.integers(0, 2**31).flatmap(
    lambda seed: some.tuples(some.integers(5, 40), some.integers(0, 12)).map(
        lambda size: runs(size[0], min(size[1], size[0] - 2), seed)
    )
)


def close(got, want):
    return all(one == pytest.approx(other, rel=1e-9, abs=1e-9) for one, other in zip(got, want, strict=True))


@given(SCORES, some.randoms(use_true_random=False))
def test_the_order_of_runs_changes_nothing(given_runs, random):
    scores, learned = given_runs
    order = random.sample(range(len(scores)), len(scores))
    want = mixture_bounds(scores, learned, CONSTANT, RANGE)
    assert close(mixture_bounds(scores[order], learned[order], CONSTANT, RANGE), want)


@given(SCORES, some.floats(-1e3, 1e3), some.floats(1e-3, 1e3))
def test_shift_and_scale_go_through(given_runs, shift, scale):
    scores, learned = given_runs
    want = mixture_bounds(scores, learned, CONSTANT, RANGE)
    moved = [scale * x + shift for x in (scores, CONSTANT, *RANGE)]
    got = mixture_bounds(moved[0], learned, moved[1], (moved[2], moved[3]))
    tolerance = 1e-9 * (abs(shift) + 100 * scale)
    assert np.allclose(got[:2], scale * np.array(want[:2]) + shift, rtol=0, atol=tolerance)
    assert np.allclose(got[2:], scale * np.array(want[2:]), rtol=1e-6, atol=tolerance)


@given(SCORES, some.sampled_from([CONSTANT, None]), some.floats(0.5, 100.0))
def test_where_lower_is_better_the_verdicts_are_the_mirror_image(given_runs, constant, tau):
    scores, learned = given_runs
    losses = st.Sample.of(
        -scores,
        ~learned,
        sign=-1,
        range=(-RANGE[1], -RANGE[0]),
        constant=None if constant is None else -constant,
    )
    gains = st.Sample.of(scores, ~learned, range=RANGE, constant=constant)
    assert st.spread_gate(losses, tau, scope="all") == st.spread_gate(gains, tau, scope="all")
    mirror, mean = st.mean_gate(losses, -tau, scope="all"), st.mean_gate(gains, tau, scope="all")
    assert (mirror.outcome, mirror.seeds_needed) == (mean.outcome, mean.seeds_needed)
    assert (mirror.lower, mirror.upper) == (-mean.upper, -mean.lower)


@given(SCORES)
def test_one_more_run_at_chance_lowers_the_mean_and_widens_the_spread(given_runs):
    """With the constant predictor's score. The spread's upper bound rises until the share's bound reaches the
    top of the variance as a function of the share, (1 + (v - s^2) / d^2) / 2.
    """
    scores, learned = given_runs
    more, flags = np.r_[scores, CONSTANT], np.r_[learned, False]
    before = mixture_bounds(scores, learned, CONSTANT, RANGE)
    after = mixture_bounds(more, flags, CONSTANT, RANGE)
    found = box(more, flags, CONSTANT, RANGE, 0.05)
    assume(found.mean[0] > found.chance[1])
    assert after.mean_lower <= before.mean_lower + 1e-9
    assert after.mean_upper <= before.mean_upper + 1e-9
    distance = found.mean[1] - found.chance[0]
    top = (1 + (found.chance_variance[1] - found.std[1] ** 2) / distance**2) / 2
    if found.share[1] <= top:
        assert after.std_upper >= before.std_upper - 1e-9


@given(SCORES, some.floats(0.01, 0.2), some.floats(0.0, 50.0))
def test_a_stricter_level_or_a_worse_constant_never_narrows_the_bounds(given_runs, alpha, drop):
    """The constant being no better than any run at chance: else it may bring their ends closer together."""
    scores, learned = given_runs
    constant = min(CONSTANT, scores.min())
    usual = mixture_bounds(scores, learned, constant, RANGE, alpha)
    for wider in (
        mixture_bounds(scores, learned, constant, RANGE, alpha / 2),
        mixture_bounds(scores, learned, constant - drop, RANGE, alpha),
    ):
        assert wider.mean_lower <= usual.mean_lower + 1e-9
        assert wider.mean_upper >= usual.mean_upper - 1e-9
        assert wider.std_upper >= usual.std_upper - 1e-9


@given(SCORES, some.booleans())
def test_the_bounds_hold_what_was_seen_and_stay_in_the_range(given_runs, tight):
    scores, learned = given_runs
    limits = (float(scores.min()), float(scores.max())) if tight else RANGE
    got = mixture_bounds(scores, learned, max(CONSTANT, limits[0]), limits)
    assert limits[0] <= got.mean_lower <= scores.mean() + 1e-9
    assert scores.mean() - 1e-9 <= got.mean_upper <= limits[1]
    assert got.std_lower - 1e-9 <= scores.std() <= got.std_upper + 1e-9
    assert got.std_upper <= half(limits)


@given(some.lists(SCORES, min_size=1, max_size=4))
def test_many_samples_at_once_are_judged_as_each_alone(several):
    n = min(len(scores) for scores, _ in several)
    scores, flags = (np.stack([one[i][-n:] for one in several]) for i in (0, 1))
    together = mixture_bounds(scores, flags, CONSTANT, RANGE)
    for i in range(len(several)):
        assert close([part[i] for part in together], mixture_bounds(scores[i], flags[i], CONSTANT, RANGE))


@pytest.mark.parametrize(
    ("tau", "outcome"), [(25.0, PASS), (10.0, INCONCLUSIVE), (1.0, FAIL)], ids=["wide", "between", "tight"]
)
def test_the_spread_of_clean_runs(tau, outcome):
    """25 runs of spread 2 around 60, none at chance: 15 % of all may be, 50 points lower."""
    got = st.spread_gate(sample(25, 0), tau, scope="all")
    assert got.outcome is outcome
    assert (got.lower, got.upper) == st.std_bounds(sample(25, 0), scope="all")
    assert 17 < got.upper < 20
    assert (got.seeds_needed is not None) == (outcome is INCONCLUSIVE)


@pytest.mark.parametrize(("wanted", "outcome"), [(45.0, PASS), (58.0, INCONCLUSIVE), (62.0, FAIL)])
def test_the_mean_of_clean_runs(wanted, outcome):
    got = st.mean_gate(sample(25, 0), wanted, scope="all")
    assert got.outcome is outcome
    assert (got.lower, got.upper) == st.mean_bounds(sample(25, 0), scope="all")
    assert 50 < got.lower < 53
    assert (got.seeds_needed is not None) == (outcome is INCONCLUSIVE)


def test_failures_that_were_seen_fail_the_spread():
    assert st.spread_gate(sample(25, 6), 2.0, scope="all").outcome is FAIL
    assert st.spread_gate(sample(25, 6), 30.0, scope="all").outcome is PASS


def test_where_the_constant_is_unknown_a_rare_failure_may_have_the_worst_score():
    known, worst = sample(25, 0), sample(25, 0, constant=None)
    assert st.std_bounds(worst, scope="all")[1] > st.std_bounds(known, scope="all")[1]
    assert st.std_bounds(worst, scope="all") == st.std_bounds(sample(25, 0, constant=-100.0), scope="all")
    nothing = sample(25, 0, constant=None, range=(-math.inf, math.inf))
    for got in (st.spread_gate(nothing, 1e6, scope="all"), st.mean_gate(nothing, -1e6, scope="all")):
        assert got.outcome is INCONCLUSIVE
        assert "the constant predictor's score is not known" in got.reason
        assert "inf" not in got.reason
        assert got.seeds_needed is None
    assert st.spread_gate(nothing, 0.5, scope="all").outcome is FAIL
    assert st.mean_gate(nothing, 70.0, scope="all").outcome is FAIL
    seen = sample(25, 2, constant=None, range=(-math.inf, math.inf))
    assert st.spread_gate(seen, 40.0, scope="all").outcome is PASS


def test_bounds_of_learned_runs_stay_in_the_range():
    scores = np.r_[np.full(12, 0.99), np.full(11, 0.6), 0.7, 0.8]
    good = st.Sample.of(scores[[0, 0, 0, 12, -1]] + [0, 0.001, 0.002, 0, 0], range=(0, 1), constant=0.5)
    assert st.mean_bounds(good)[1] == 1.0
    assert st.std_bounds(good)[1] == 0.5
    assert st.spread_gate(good, 0.4).reason.endswith("to 0.5 fits; allowed 0.4")


ODD = {
    "none": [],
    "one": [60.0],
    "two": [60.0, 61.0],
    "constant": [60.0] * 30,
    "two-point": [0.0, 60.0] * 15,
    "nan": [60.0, math.nan, 61.0] * 10,
    "infinite": [60.0, math.inf, 61.0] * 10,
    "huge": [1e300, 2e300, 3e300, 4e300, 5e300, 6e300],
    "four learned": [*np.linspace(9, 10, 21), 60, 61, 62, 63],
    "two values learned": [9.0, 10.0, *[60.0] * 12, *[61.0] * 12],
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("known", [True, False])
def test_degenerate_samples_never_pass(name, known):
    scores = np.array(ODD[name])
    more = {"constant": CONSTANT, "range": RANGE} if known else {}
    judged = [st.Sample.of(scores, scores <= CONSTANT, range(len(scores)), **more)]
    judged += [
        st.Sample.of(np.linspace(50, 60, 25), seeds=[1] * 25, **more),
        st.Sample.of(np.linspace(5, 10, 25), np.ones(25, bool), **more),
        st.Sample.of(np.linspace(50, 60, 25), learned=[False] * 25, **more),
        st.Sample.of(np.linspace(50, 60, 25), learned=[None] * 25, **more),
    ]
    for one in judged:
        for got in (st.spread_gate(one, 1e4, scope="all"), st.mean_gate(one, -1e4, scope="all")):
            assert got.outcome is not PASS
            json.dumps(got.to_json(), allow_nan=False)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_bounds_of_very_few_runs_exclude_nothing(n):
    scores = np.linspace(60.0, 61.0, n)
    got = mixture_bounds(scores, np.ones(n, bool), None, (-math.inf, math.inf))
    assert (got.mean_lower, got.std_lower, got.std_upper) == (-math.inf, 0.0, math.inf)
    assert got.mean_upper > 61.0
    nobody = mixture_bounds(scores, np.zeros(n, bool), None, (-math.inf, math.inf))
    assert list(nobody) == [-math.inf, math.inf, 0.0, math.inf]


def test_runs_that_nobody_can_tell_leave_the_verdict_open():
    scores, _ = runs(25, 0)
    unclear = st.Sample.of(scores, learned=[True] * 24 + [None], constant=CONSTANT, range=RANGE)
    assert st.spread_gate(unclear, 1e3, scope="all").outcome is INCONCLUSIVE
    assert st.std_bounds(unclear, scope="all") is None
    assert st.mean_bounds(unclear, scope="all") is None


@pytest.mark.parametrize("k", [0, 2])
def test_seeds_needed_keep_their_promise_by_simulation(k):
    """With further runs drawn from those that were seen."""
    start, tau = sample(25, k), {0: 12.0, 2: 20.0}[k]
    needed = st.spread_gate(start, tau, scope="all").seeds_needed
    more = np.random.default_rng(5).integers(25, size=(400, needed - 25))
    rows = np.concatenate([np.tile(np.arange(25), (400, 1)), more], axis=1)
    bounds = mixture_bounds(start.scores[rows], start.learned[rows], CONSTANT, RANGE)
    assert 0.7 < (bounds.std_upper <= tau).mean() <= 1.0
    fewer = mixture_bounds(start.scores[rows[:, :-8]], start.learned[rows[:, :-8]], CONSTANT, RANGE)
    assert (fewer.std_upper <= tau).mean() < 0.85
