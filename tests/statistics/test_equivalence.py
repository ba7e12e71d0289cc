"""As steady as: against a second implementation, the same from either side, and never PASS without ground."""

from __future__ import annotations

from math import isfinite

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as strat
from scipy.optimize import brentq

from stabbench import statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics.equivalence import equivalence_bounds, equivalence_parts

PASS, FAIL, INCONCLUSIVE = st.Outcome.PASS, st.Outcome.FAIL, st.Outcome.INCONCLUSIVE


def sample(n: int, at_chance: int = 0, spread: float = 2.0, seed: int = 0) -> st.Sample:
    scores = np.random.default_rng(seed).normal(70, spread, n)
    scores[:at_chance] = 50
    return st.Sample.of(scores, np.arange(n) < at_chance, range(n))


def one_sided_p(a: np.ndarray, b: np.ndarray, ratio: float) -> float:
    """Of "A spreads more than ratio times B": SciPy's pooled t test on the distances from the medians."""
    za, zb = np.abs(a - np.median(a)), np.abs(b - np.median(b)) * ratio
    return float(scipy.stats.ttest_ind(za, zb, equal_var=True, alternative="greater").pvalue)


def newcombe(k1: int, n1: int, k0: int, n0: int, alpha: float) -> float:
    """Upper bound of p1 - p0 from SciPy's two-sided Wilson intervals."""
    first, second = (
        scipy.stats.binomtest(k, n).proportion_ci(1 - 2 * alpha, method="wilson")
        for k, n in ((k1, n1), (k0, n0))
    )
    p1, p0 = k1 / n1, k0 / n0
    return float(p1 - p0 + np.hypot(first.high - p1, p0 - second.low))


def second_verdict(a: st.Sample, b: st.Sample, ratio: float, apart: float, alpha: float) -> st.Outcome:
    """The rule in plain words: two one-sided tests a part, and beyond the margin by Holm."""
    x, y = a.scores[a.learned], b.scores[b.learned]
    counts = (a.n_at_chance, a.n, b.n_at_chance, b.n)
    back = (*counts[2:], *counts[:2])
    inside = one_sided_p(ratio * y, x, 1) <= alpha and one_sided_p(ratio * x, y, 1) <= alpha
    inside &= newcombe(*counts, alpha) < apart and newcombe(*back, alpha) < apart
    p_spread = min(one_sided_p(x, y, ratio), one_sided_p(y, x, ratio))

    def rates_beyond(level: float) -> bool:
        return -newcombe(*back, level) > apart or -newcombe(*counts, level) > apart

    if p_spread <= alpha / 2 or rates_beyond(alpha / 2):
        return FAIL
    return PASS if inside else INCONCLUSIVE


@pytest.mark.parametrize("ratio", [1.2, 1.5, 2.5])
@pytest.mark.parametrize(("n_a", "n_b"), [(25, 25), (60, 40), (100, 100)])
def test_the_verdict_is_that_of_the_plain_tests(n_a: int, n_b: int, ratio: float) -> None:
    found = set()
    for number in range(40):
        a = sample(n_a, number % 4, spread=[2, 2, 3, 6][number % 4], seed=number)
        b = sample(n_b, [0, 0, 4, 12][number // 10], seed=100 + number)
        verdict = st.equivalence_gate(a, b, ratio=ratio)
        assert verdict.outcome is second_verdict(a, b, ratio, 0.2, 0.05), number
        found.add(verdict.outcome)
    assert FAIL in found
    assert PASS in found or (ratio, n_a) in ((1.2, 25), (1.2, 60), (1.5, 25))


@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_the_bounds_of_the_ratio_are_where_the_test_turns(alpha: float) -> None:
    for number in range(20):
        a, b = sample(30, 2, 2 + number / 5, seed=number), sample(25, 1, seed=50 + number)
        x, y = a.scores[a.learned], b.scores[b.learned]
        evidence = st.equivalence_gate(a, b, alpha)
        lower = brentq(lambda r, x, y: one_sided_p(x, y, r) - alpha, 1e-3, 50, (x, y), xtol=1e-13)
        upper = brentq(lambda r, x, y: one_sided_p(r * y, x, 1) - alpha, 1e-3, 50, (x, y), xtol=1e-13)
        assert evidence.lower == pytest.approx(lower, abs=1e-9)
        assert evidence.upper == pytest.approx(upper, abs=1e-9)
        assert evidence.details["rates_apart_upper"] == pytest.approx(newcombe(2, 30, 1, 25, alpha), abs=1e-9)
        assert evidence.details["rates_apart_lower"] == pytest.approx(
            -newcombe(1, 25, 2, 30, alpha), abs=1e-9
        )


Drawn = tuple[list[int], list[int], int, int]
SCORES = strat.lists(strat.integers(-40, 40), min_size=1, max_size=40)
PAIRS = strat.tuples(SCORES, SCORES, strat.integers(0, 6), strat.integers(0, 6))


def pair(drawn: Drawn, scale: float = 1.0) -> tuple[st.Sample, st.Sample]:
    first, second, k_a, k_b = drawn
    return tuple(  # type: ignore[return-value]
        st.Sample.of(scale * np.array(scores), np.arange(len(scores)) < k)
        for scores, k in ((first, k_a), (second, k_b))
    )


@given(PAIRS)
def test_a_is_as_steady_as_b_exactly_when_b_is_as_steady_as_a(
    drawn: Drawn,
) -> None:
    a, b = pair(drawn)
    there, back = st.equivalence_gate(a, b), st.equivalence_gate(b, a)
    assert there.outcome is back.outcome
    assert there.seeds_needed == back.seeds_needed
    if there.lower and there.upper:
        assert back.lower == pytest.approx(1 / there.upper)
        assert back.upper == pytest.approx(1 / there.lower)
    if a.n and b.n and there.details:
        assert there.details["rates_apart_lower"] == -back.details["rates_apart_upper"]


@given(
    PAIRS, strat.sampled_from([2.0**-9, 0.25, 8.0]), strat.booleans(), strat.randoms(use_true_random=False)
)
def test_neither_units_nor_order_nor_direction_matter(drawn, scale, mirrored, order) -> None:
    a, b = pair(drawn)
    plain = st.equivalence_gate(a, b)
    places = [order.sample(range(one.n), one.n) for one in (a, b)]
    sign = -1 if mirrored else 1
    c, d = (
        st.Sample.of(sign * scale * one.scores[at], one.failed[at], sign=sign)
        for one, at in zip((a, b), places, strict=True)
    )
    other = st.equivalence_gate(c, d)
    assert other.outcome is plain.outcome
    assert (other.lower, other.upper) == pytest.approx((plain.lower, plain.upper))


@given(strat.integers(0, 99), strat.integers(0, 12), strat.floats(0.05, 0.4), strat.floats(1.05, 3))
def test_wider_margins_never_take_a_pass_away(seed: int, k: int, apart: float, ratio: float) -> None:
    a, b = sample(80, k, seed=seed), sample(90, 2, seed=100 + seed)
    narrow = st.equivalence_gate(a, b, ratio=ratio, at_chance_within=apart).outcome
    wide = st.equivalence_gate(a, b, ratio=ratio + 0.5, at_chance_within=apart + 0.1).outcome
    assert wide is PASS or narrow is not PASS
    assert narrow is FAIL or wide is not FAIL


GOOD = sample(100)
ODD = {
    "none": st.Sample.of([]),
    "one": st.Sample.of([60.0]),
    "two": st.Sample.of([60.0, 61.0]),
    "nine": sample(9),
    "constant": st.Sample.of([60.0] * 100),
    "two values": st.Sample.of([60.0, 61.0] * 50),
    "two values, one rare": st.Sample.of([60.0, 60.0, 61.0] * 33),
    "not a number": st.Sample.of([np.nan, *GOOD.scores[1:]]),
    "infinite": st.Sample.of([np.inf, *GOOD.scores[1:]]),
    "huge": st.Sample.of([1e300] * 100),
    "one seed": st.Sample.of(GOOD.scores, seeds=[1] * 100),
    "all failed": st.Sample.of(GOOD.scores, np.ones(100, bool)),
    "none learned": st.Sample.of(GOOD.scores, learned=[False] * 100),
    "nobody knows": st.Sample.of(GOOD.scores, learned=[None] * 100),
    "one unknown": st.Sample.of(GOOD.scores, learned=[None] + [True] * 99),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_sample_is_not_as_steady_as_anything(name: str) -> None:
    odd = ODD[name]
    for a, b in ((odd, GOOD), (GOOD, odd), (odd, odd)):
        evidence = st.equivalence_gate(a, b)
        assert evidence.outcome is not PASS
        assert evidence.reason
        for value in (evidence.value, evidence.lower, evidence.upper, *evidence.details.values()):
            assert value is None or isfinite(value)
    assert st.equivalence_gate(odd, odd).outcome is INCONCLUSIVE


def test_a_sample_is_as_steady_as_itself_with_enough_seeds_and_says_how_many_that_takes() -> None:
    assert st.equivalence_gate(GOOD, GOOD).outcome is PASS
    few = st.equivalence_gate(sample(20), sample(20))
    assert few.outcome is INCONCLUSIVE
    assert few.seeds_needed is not None
    assert 40 < few.seeds_needed < 100


def test_few_runs_say_nothing_however_different() -> None:
    evidence = st.equivalence_gate(sample(9, 9), GOOD, names=("new", "old"))
    assert evidence.outcome is INCONCLUSIVE
    assert evidence.reason == "new: 9 runs, fewer than 10"
    assert st.equivalence_gate(sample(10, 10), GOOD).outcome is FAIL


def test_golden_values() -> None:
    a = st.Sample.of([float(x) for x in range(60, 90)], np.arange(30) < 3)
    b = st.Sample.of([float(2 * x) for x in range(30, 60)])
    evidence = st.equivalence_gate(a, b)
    assert evidence.value == pytest.approx((182 / 27) / 15)
    assert (evidence.lower, evidence.upper) == pytest.approx((0.3454609512310284, 0.5865333388041155))
    rates = (evidence.details["rates_apart_lower"], evidence.details["rates_apart_upper"])
    assert rates == pytest.approx((-0.0017965294005657662, 0.22550247949084856), abs=1e-9)
    assert evidence.outcome is FAIL


def test_reasons_name_points_and_sides() -> None:
    a = st.Sample.of(GOOD.scores / 100, scale=100)
    b = st.Sample.of(sample(100, 40, seed=3).scores / 100, np.arange(100) < 40, scale=100)
    fine = st.equivalence_gate(a, a, names=("new", "old")).reason
    assert fine.startswith("new is as steady as old; 0/100 at chance against 0/100 at chance: rates ")
    assert f"std of the learned runs {a.scores.std(ddof=1) * 100:.2f} points against " in fine
    bad = st.equivalence_gate(a, b, names=("new", "old"))
    assert bad.outcome is FAIL
    assert "not as steady as old: too different in runs at chance; " in bad.reason


def test_arrays_of_samples_give_what_each_gives_alone() -> None:
    generator = np.random.default_rng(7)
    x, y = generator.normal(60, 2, (50, 30)), generator.normal(60, 3, (50, 40))
    ok_x, ok_y = generator.random(x.shape) > 0.1, generator.random(y.shape) > 0.1
    together = equivalence_bounds(x, y, ok_x, ok_y)
    less, more = equivalence_parts(x, y, ok_x, ok_y)
    for i in range(50):
        alone = equivalence_bounds(x[i], y[i], ok_x[i], ok_y[i])
        assert np.allclose(together.lower[i], alone.lower, rtol=1e-12)
        assert np.allclose(together.upper[i], alone.upper, rtol=1e-12)
        parts = equivalence_parts(x[i], y[i], ok_x[i], ok_y[i])
        assert (parts[0] == less[i]).all()
        assert (parts[1] == more[i]).all()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("ratio", 1.0), ("ratio", np.inf), ("ratio", np.nan), ("at_chance_within", 20), ("alpha", 0)],
)
def test_arguments_out_of_range_are_refused(name: str, wrong: float) -> None:
    with pytest.raises(StabbenchError, match=name):
        st.equivalence_gate(GOOD, GOOD, **{name: wrong})
