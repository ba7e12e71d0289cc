"""What must hold of every gate, whatever the scores: directions, orders, units.

The verdict is ordered: FAIL < INCONCLUSIVE < PASS. Gates on a share can only fall when one more run is bad.
Gates on the scores of learned runs do not see the others, and are not monotone in one run: an outlier that
fails is an outlier less. What holds of them is said in the tests.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

import stabbench.statistics as st
from stabbench.samples.verdict import collapse_gate
from stabbench.statistics.evidence import CODES

PASS, FAIL, INCONCLUSIVE = st.Outcome
FAILED_AT = -20.0


@dataclass(frozen=True)
class Runs:
    """Runs before they are a sample: higher is better, scores on a grid that no rounding touches."""

    scores: np.ndarray
    kinds: np.ndarray

    def sample(self, sign=1, by=1.0, to=0.0, order=None):
        """The sample: in other units (score * by + to), in an order, or with lower scores better."""
        index = np.arange(len(self.scores)) if order is None else order
        scores, kinds = sign * (by * self.scores + to)[index], self.kinds[index]
        learned = [{"learned": True, "untold": None}.get(kind, False) for kind in kinds]
        return st.Sample.of(scores, kinds == "failed", index, sign, learned=learned)

    def with_one_more(self, kind, which):
        """The same runs, one of which failed or learned nothing."""
        scores, kinds = self.scores.copy(), self.kinds.copy()
        scores[which % len(scores)], kinds[which % len(scores)] = FAILED_AT, kind
        return Runs(scores, kinds)


@some.composite
def runs(draw, least=3, untold=True):
    """Runs of one strategy, from hopeless to perfect, steady to shaky."""
    n, mean, sd = (
        draw(some.integers(least, 40)),
        draw(some.sampled_from([-2.0, 0.0, 2.0])),
        draw(some.sampled_from([0.1, 1.0, 5.0])),
    )
    rates = [draw(some.sampled_from(rates)) for rates in ((0, 0.1, 0.6), (0, 0.1, 0.6), (0, 0, 0.1))]
    generator = np.random.default_rng(draw(some.integers(0, 2**32 - 1)))
    scores = np.round(generator.normal(mean, sd, n) * 64) / 64
    kinds = np.full(n, "learned")
    for kind, rate in zip(("chance", "failed", "untold" if untold else "learned"), rates, strict=True):
        kinds[generator.random(n) < rate] = kind
    return Runs(np.where(kinds == "failed", FAILED_AT, scores), kinds)


def collapsed(sample):
    return [None if untold else not ok for untold, ok in zip(sample.untold, sample.learned, strict=True)]


# each asked in the sample's units: score times `by` plus `to`
SHARES = {
    "failures": lambda a, at_most, by=1.0, to=0.0: st.failures_gate(a, at_most),
    "at chance": lambda a, at_most, by=1.0, to=0.0: st.at_chance_gate(a, at_most),
    "floor": lambda a, at_most, by=1.0, to=0.0: st.floor_gate(a, a.sign * (to - by), at_most),
    "collapses": lambda a, at_most, by=1.0, to=0.0: collapse_gate(a, collapsed(a), at_most),
}
GATES = {
    **{name: lambda a, b, by, to, gate=gate: gate(a, 0.2, by, to) for name, gate in SHARES.items()},
    "spread": lambda a, b, by, to: st.spread_gate(a, 2.0 * by),
    "spread of all": lambda a, b, by, to: st.spread_gate(a, 2.0 * by, scope="all"),
    "mean": lambda a, b, by, to: st.mean_gate(a, a.sign * to),
    "mean of all": lambda a, b, by, to: st.mean_gate(a, a.sign * to, scope="all"),
    "steadier": lambda a, b, by, to: st.steadier_gate(a, b, lower_mean=by / 2),
    "regression": lambda a, b, by, to: st.regression_gate(a, b, mean_margin=1.5 * by),
}
signs = some.sampled_from([1, -1])
shares = some.floats(0.02, 0.98)


def code(evidence):
    return CODES[evidence.outcome]


def same(one, other):
    assert one.outcome is other.outcome, (one.reason, other.reason)
    assert (one.p_value or 0) == pytest.approx(other.p_value or 0, rel=1e-6, abs=1e-12)


@given(runs(), runs(25), some.randoms(use_true_random=False), signs)
def test_no_verdict_depends_on_the_order_of_the_seeds(a, b, random, sign):
    orders = [random.sample(range(len(x.scores)), len(x.scores)) for x in (a, b)]
    mixed = [x.sample(sign, order=np.array(order)) for x, order in zip((a, b), orders, strict=True)]
    for gate in GATES.values():
        same(gate(a.sample(sign), b.sample(sign), 1.0, 0.0), gate(*mixed, 1.0, 0.0))


@given(runs(), runs(25), some.sampled_from([2.0**-7, 1.0, 64.0]), some.integers(-64, 64), signs)
def test_no_verdict_depends_on_the_unit_of_the_scores(a, b, by, to, sign):
    """Thresholds in the unit, too; 64ths and whole numbers, so that nothing is rounded."""
    for gate in GATES.values():
        moved = gate(a.sample(sign, by, to), b.sample(sign, by, to), by, to)
        same(gate(a.sample(sign), b.sample(sign), 1.0, 0.0), moved)


@given(runs(), runs(25))
def test_where_lower_is_better_the_verdicts_are_those_of_the_negated_scores(a, b):
    for gate in GATES.values():
        mirrored = gate(a.sample(sign=-1), b.sample(sign=-1), 1.0, 0.0)
        same(gate(a.sample(), b.sample(), 1.0, 0.0), mirrored)


@given(runs(), runs(), some.sampled_from([0.0, 0.5, 3.0]), signs)
def test_steadier_is_antisymmetric(a, b, lower_mean, sign):
    x, y = a.sample(sign), b.sample(sign)
    assert code(st.steadier_gate(x, y, lower_mean=lower_mean)) == -code(
        st.steadier_gate(y, x, lower_mean=lower_mean)
    )


@given(runs(), shares, some.integers(0, 100), some.sampled_from(["failed", "chance"]), signs)
def test_one_more_bad_run_never_lifts_a_verdict(a, at_most, which, kind, sign):
    """Of samples that may be certified: two scores only are never, and a failed run would add a third."""
    assume(a.sample().degenerate is None)
    # for the failures gate a failed run that becomes one at chance is one less
    assume(kind == "failed" or a.kinds[which % len(a.kinds)] != "failed")
    bad = a.with_one_more(kind, which)
    for gate in SHARES.values():
        assert code(gate(bad.sample(sign), at_most)) <= code(gate(a.sample(sign), at_most))


@given(runs(), shares, shares, signs)
def test_a_larger_allowance_never_lowers_a_verdict(a, one, other, sign):
    less, more = sorted((one, other))
    for gate in SHARES.values():
        assert code(gate(a.sample(sign), less)) <= code(gate(a.sample(sign), more))


@given(runs(), shares, some.floats(-6, 6), some.floats(-6, 6), signs)
def test_a_better_floor_never_lifts_a_verdict(a, at_most, one, other, sign):
    easy, hard = sorted((one, other))
    x = a.sample(sign)
    assert code(st.floor_gate(x, sign * hard, at_most)) <= code(st.floor_gate(x, sign * easy, at_most))


@given(runs(), some.floats(0.05, 9), some.floats(0.05, 9), signs, some.sampled_from(["learned", "all"]))
def test_spread_and_mean_follow_their_thresholds(a, one, other, sign, scope):
    x, (less, more) = a.sample(sign), sorted((one, other))
    assert code(st.spread_gate(x, less, scope=scope)) <= code(st.spread_gate(x, more, scope=scope))
    easy, hard = (st.mean_gate(x, sign * (wanted - 4.5), scope=scope) for wanted in (less, more))
    assert code(hard) <= code(easy)


@given(runs(5, untold=False), signs)
def test_spread_and_mean_are_those_of_the_learned_runs_alone(a, sign):
    """So neither is monotone in one run; and where none learned, both FAIL."""
    kept = Runs(a.scores[a.kinds == "learned"], a.kinds[a.kinds == "learned"])
    x, y = a.sample(sign), kept.sample(sign)
    for gate in (lambda s: st.spread_gate(s, 2.0), lambda s: st.mean_gate(s, 0.0)):
        assert gate(x).outcome is (gate(y).outcome if y.n else FAIL)


def test_an_outlier_that_fails_is_an_outlier_less():
    steady = Runs(np.arange(25) / 64, np.full(25, "learned"))
    outlier = replace(steady, scores=np.where(np.arange(25) == 3, -9.0, steady.scores))
    assert st.spread_gate(outlier.sample(), 0.3).outcome is FAIL
    assert st.spread_gate(outlier.with_one_more("failed", 3).sample(), 0.3).outcome is PASS


@given(runs(), runs(), some.floats(0, 4), some.floats(0, 4), signs)
def test_a_lower_mean_that_is_allowed_can_only_decide(a, b, one, other, sign):
    x, y, (less, more) = a.sample(sign), b.sample(sign), sorted((one, other))
    strict, lenient = (st.steadier_gate(x, y, lower_mean=allowed) for allowed in (less, more))
    assert strict.outcome in (INCONCLUSIVE, lenient.outcome)


@given(
    runs(3, untold=False),
    runs(3, untold=False),
    some.integers(0, 100),
    some.sampled_from(["failed", "chance"]),
)
def test_one_more_run_at_chance_speaks_against_its_side(a, b, which, kind):
    """The part on runs at chance alone: the spread of the others may become less, as above."""
    assume(a.kinds[which % len(a.kinds)] == "learned")
    before = st.steadier_gate(a.sample(), b.sample())
    after = st.steadier_gate(a.with_one_more(kind, which).sample(), b.sample())
    assume({"p_chance_for_a"} <= before.details.keys() & after.details.keys())
    assert after.details["p_chance_for_a"] >= before.details["p_chance_for_a"] - 1e-9
    assert after.details["p_chance_for_b"] <= before.details["p_chance_for_b"] + 1e-9
    for got in (before, after):
        assert got.outcome is not PASS or got.details["p_chance_for_b"] > 0.05
        assert got.outcome is not FAIL or got.details["p_chance_for_a"] > 0.05


@given(
    runs(5, untold=False),
    runs(25, untold=False),
    some.integers(0, 100),
    some.sampled_from(["failed", "chance"]),
)
def test_one_more_run_at_chance_is_no_progress(a, b, which, kind):
    assume(a.kinds[which % len(a.kinds)] == "learned")
    before = st.regression_gate(a.sample(), b.sample(), mean_margin=1.0).details
    assume("identical" not in before)  # which is not tested
    after = st.regression_gate(a.with_one_more(kind, which).sample(), b.sample(), mean_margin=1.0).details
    assert after["p_chance"] <= before["p_chance"] + 1e-9
    assert after["chance_not_worse"] <= before["chance_not_worse"]


@given(
    runs(5),
    runs(25),
    *[some.tuples(*[some.floats(low, high)] * 2) for low, high in ((0.1, 6), (1.1, 9), (0.02, 0.9))],
    signs,
)
def test_wider_margins_of_a_regression_can_only_pass(a, b, mean, ratio, rate, sign):
    x, y = a.sample(sign), b.sample(sign)
    narrow, wide = (
        st.regression_gate(x, y, mean_margin=pick(mean), ratio_margin=pick(ratio), failures_margin=pick(rate))
        for pick in (min, max)
    )
    assert narrow.outcome is wide.outcome or (narrow.outcome, wide.outcome) == (INCONCLUSIVE, PASS)


@given(runs(25), runs(25), signs)
def test_identical_runs_pass_or_are_refused(a, b, sign):
    """The same seeds with the same scores are no regression; another score of one of them is tested."""
    x = a.sample(sign)
    got = st.regression_gate(x, a.sample(sign))
    assert got.outcome is not FAIL
    assert (got.outcome is PASS) == bool(got.details.get("identical"))
    assert got.details.get("identical") or x.unclear or x.degenerate or x.none_learned
