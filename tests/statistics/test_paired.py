"""Tests on runs paired by seed: against enumeration, SciPy and plain loops; and the gates that use them."""

from itertools import combinations, product
from math import isfinite, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

import stabbench
import stabbench.statistics as st
from stabbench.errors import StabbenchError
from stabbench.statistics.paired import mean_swaps, more_at_chance, rates_upper, spread_swaps
from stabbench.statistics.regression import paired_not_worse, paired_regression_tests
from stabbench.statistics.steadier import paired_steadier_tests

PASS, FAIL, INCONCLUSIVE = st.Outcome.PASS, st.Outcome.FAIL, st.Outcome.INCONCLUSIVE
MINI = Path(__file__).parents[2] / "baselines" / "mini.runs.jsonl.gz"


def related(n, correlation=0.9, drop=0.0, ratio=1.0, seed=0, step=0.01):
    """Scores of two groups, normal with a std of 2, of which the second is worse by `drop`."""
    common, x, y = np.random.default_rng(seed).normal(size=(3, n))
    x, y = (sqrt(correlation) * common + sqrt(1 - correlation) * own for own in (x, y))
    return np.round(60 + 2 * x, 2), np.round(60 - drop + 2 * ratio * y, 2)


def sample(scores, at_chance=(), seeds=None):
    scores = np.array(scores, float)
    failed = np.isin(np.arange(len(scores)), at_chance)
    return st.Sample.of(
        np.where(failed, 50.0, scores), failed, range(len(scores)) if seeds is None else seeds
    )


def masks(table):
    """Who learned, on both sides, from the counts (both at chance, only A, only B, neither)."""
    both, only_a, only_b, neither = table
    a = np.repeat([False, False, True, True], [both, only_a, only_b, neither])
    return a, np.repeat([False, True, False, True], [both, only_a, only_b, neither])


def test_mcnemar_golden_values():
    """10 seeds on which A alone is at chance, 2 with B alone: (66 + 12 + 1) / 4096."""
    a, b = masks((3, 10, 2, 5))
    assert more_at_chance(a, b) == pytest.approx(79 / 4096, abs=1e-12)
    assert more_at_chance(b, a) == pytest.approx((4096 - 13) / 4096, abs=1e-12)
    assert more_at_chance(a, a) == 1.0


@given(some.tuples(*[some.integers(0, 12)] * 4).filter(any))
def test_mcnemar_is_the_binomial_test_of_the_seeds_that_differ(table):
    a, b = masks(table)
    _, more, fewer, _ = table
    want = stats.binomtest(more, more + fewer, alternative="greater").pvalue if more else 1.0
    assert more_at_chance(a, b) == pytest.approx(want, abs=1e-9)
    assert more_at_chance(a, b) == pytest.approx(st.mcnemar(more, fewer), abs=1e-12)


def newcombe(both, only_a, only_b, neither, z):
    """Method 10 step by step, from the roots of Wilson's quadratic equation (p - t)^2 = z^2 t (1 - t) / n."""
    n = both + only_a + only_b + neither
    ends = []
    for k in (both + only_a, both + only_b):
        p = k / n
        ends.append((p, *sorted(np.roots([1 + z * z / n, -2 * p - z * z / n, p * p]).real)))
    (p, _, u), (q, low, _) = ends
    product = both * neither - only_a * only_b
    if product > 0:
        product = max(product - n / 2, 0)
    root = sqrt((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    phi = product / root if root else 0.0
    return p - q + sqrt((u - p) ** 2 - 2 * phi * (u - p) * (q - low) + (q - low) ** 2)


@pytest.mark.parametrize(
    ("table", "lower", "upper"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((20, 12, 2, 16), 0.0562, 0.3292)],
)
def test_the_bounds_on_paired_rates_are_the_published_ones(table, lower, upper):
    """Newcombe (1998), Statistics in Medicine 17:2635, method 10, two-sided 95 %."""
    a, b = masks(table)
    assert rates_upper(a, b, 0.025) == pytest.approx(upper, abs=5e-5)
    assert -rates_upper(b, a, 0.025) == pytest.approx(lower, abs=5e-5)


@given(some.tuples(*[some.integers(0, 30)] * 4).filter(any), some.sampled_from([0.05, 0.025, 0.01]))
def test_the_bound_on_paired_rates_is_newcombes(table, alpha):
    z = stats.norm.isf(alpha)
    assert rates_upper(*masks(table), alpha) == pytest.approx(newcombe(*table, z), abs=1e-7)


def test_pairs_that_agree_narrow_the_bound():
    """4 of 25 at chance on both sides: on the same seeds .11, on other ones .17, unpaired in between."""
    same, apart = rates_upper(*masks((4, 0, 0, 21))), rates_upper(*masks((0, 4, 4, 17)))
    unpaired = st.newcombe_upper(4, 25, 4, 25)
    assert same < unpaired - 0.05
    assert same < 0.11 < unpaired < apart
    # nothing known of the correlation where no run of one side is at chance: as unpaired
    assert rates_upper(*masks((0, 3, 0, 22))) == pytest.approx(st.newcombe_upper(3, 25, 0, 25), abs=1e-12)


ALTERNATIVES = ["two-sided", "greater", "less"]


def enumerated(x, y, alternative, statistic):
    """Share of all swaps that are at least as extreme as none."""
    found = []
    for swap in product([False, True], repeat=len(x)):
        found.append(statistic(np.where(swap, y, x), np.where(swap, x, y)))
    turn = {"two-sided": abs, "greater": lambda t: t, "less": lambda t: -t}[alternative]
    return np.mean([turn(t) >= turn(found[0]) - 1e-9 for t in found])


def brown_forsythe(u, v):
    return (u.mean() - v.mean()) / sqrt((u.var(ddof=1) + v.var(ddof=1)) / len(u))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("n", [3, 4, 7, 10])
def test_few_pairs_are_enumerated(n, alternative):
    """The t statistic of all 2^n swaps, with plain Python; the last pairs are left out by the mask."""
    for seed in range(3):
        a, b = related(n + 2, 0.5, ratio=1.5, drop=0.7, seed=seed)
        keep = np.arange(n + 2) < n
        x, y = a[:n], b[:n]
        zx, zy = abs(x - np.median(x)), 1.3 * abs(y - np.median(y))
        got = spread_swaps(a, b, keep, alternative, ratio=1.3).p_value
        assert got == pytest.approx(enumerated(zx, zy, alternative, brown_forsythe), abs=1e-9)
        got = mean_swaps(a, b, keep, alternative, shift=0.4).p_value
        want = enumerated(x + 0.4, y, alternative, lambda u, v: (u - v).mean())
        assert got == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_many_pairs_agree_with_scipys_permutations(alternative):
    a, b = related(25, 0.5, drop=0.6, ratio=1.4, seed=3)
    every = np.ones(25, bool)
    zx, zy = abs(a - np.median(a)), abs(b - np.median(b))
    for got, x, y in (
        (mean_swaps(a, b, every, alternative), a, b),
        (spread_swaps(a, b, every, alternative), zx, zy),
    ):
        want = stats.permutation_test(
            (x, y),
            lambda u, v, axis: (u - v).mean(axis=axis),
            permutation_type="samples",
            alternative=alternative,
            n_resamples=20_000,
            vectorized=True,
            rng=np.random.default_rng(8),
        ).pvalue
        assert got.p_value == pytest.approx(
            want, abs=4 * sqrt(want * (1 - want) * (1 / 9_999 + 1 / 20_000)) + 1e-9
        )


def test_a_p_value_counts_the_observed_assignment():
    """25 pairs, all of one sign: no random swap reaches them, and p is 1 / (B + 1), never 0."""
    a = np.arange(25.0)
    every = np.ones(25, bool)
    assert mean_swaps(a, a + 1 + a % 3, every, "less").p_value == 1 / 10_000
    assert mean_swaps(a, a + 1 + a % 3, every, "less", swaps=999).p_value == 1 / 1_000
    assert mean_swaps(a, a + 1 + a % 3, every, "greater").p_value == 1.0


def test_many_experiments_at_once_are_each_alone():
    generator = np.random.default_rng(4)
    a, b = generator.normal(size=(2, 40, 14))
    keep = generator.random(a.shape) < 0.75
    for test in (spread_swaps, mean_swaps):
        together = test(a, b, keep, swaps=999)
        for i in range(40):
            alone = test(a[i][keep[i]], b[i][keep[i]], np.ones(keep[i].sum(), bool), swaps=999)
            assert together.p_value[i] == alone.p_value
            assert together.statistic[i] == pytest.approx(alone.statistic, abs=1e-12)
    assert {int(n) <= 10 for n in keep.sum(axis=-1)} == {True, False}


whole = some.integers(-40, 40)
groups = some.lists(some.tuples(whole, whole, some.booleans(), some.booleans()), min_size=3, max_size=16)


def judged(a, b, learned_a, learned_b):
    return paired_steadier_tests(a, b, learned_a, learned_b, swaps=499)


def columns(rows):
    a, b, learned_a, learned_b = (np.array(column) for column in zip(*rows, strict=True))
    return a.astype(float), b.astype(float), learned_a, learned_b


@given(groups)
def test_the_sides_are_treated_alike(rows):
    a, b, learned_a, learned_b = columns(rows)
    one, two = judged(a, b, learned_a, learned_b), judged(b, a, learned_b, learned_a)
    assert np.array_equal(one.for_a, two.for_b)
    assert np.array_equal(one.for_b, two.for_a)
    assert (one.a_lower, one.b_lower) == (two.b_lower, two.a_lower)


@given(groups, some.integers(-1000, 1000), some.sampled_from([0.25, 3.0, 64.0]))
def test_shift_and_scale_of_both_sides_change_nothing(rows, shift, scale):
    a, b, learned_a, learned_b = columns(rows)
    one = judged(a, b, learned_a, learned_b)
    two = judged(scale * (a + shift), scale * (b + shift), learned_a, learned_b)
    for old, new in zip(one, two, strict=True):
        assert np.array_equal(old, new)


@given(groups, some.integers(-1000, 1000))
def test_the_mean_of_one_side_does_not_disturb_the_spreads(rows, shift):
    a, b, learned_a, learned_b = columns(rows)
    one, two = judged(a, b, learned_a, learned_b), judged(a, b + shift, learned_a, learned_b)
    assert np.array_equal(one.for_a, two.for_a)
    assert np.array_equal(one.for_b, two.for_b)


@settings(max_examples=40)
@given(some.permutations(range(25)), some.permutations(range(25)), some.sampled_from([None, True, False]))
def test_the_order_of_the_seeds_does_not_matter(first, second, paired):
    a, b = related(25, 0.8, drop=1.0, ratio=1.5)
    x, y = sample(a, (3, 7)), sample(b, (7, 9, 12))

    def ordered(runs, order):
        order = np.array(order)
        return st.Sample.of(runs.scores[order], runs.failed[order], runs.seeds[order])

    for gate in (st.steadier_gate, st.regression_gate):
        want, got = gate(x, y, paired=paired), gate(ordered(x, first), ordered(y, second), paired=paired)
        assert (got.outcome, got.seeds_needed) == (want.outcome, want.seeds_needed)
        assert got.p_value == pytest.approx(want.p_value, rel=1e-9)
        if paired is not False:
            assert got.p_value == want.p_value


def test_pairs_see_what_the_seeds_hide():
    """One point less in every second run, beside a std of 2 that comes from the seeds."""
    baseline, candidate = related(25, 0.97, drop=0.8)
    paired = st.regression_gate(sample(candidate), sample(baseline))
    assert paired.outcome is FAIL
    assert "worse than the baseline in mean" in paired.reason
    assert paired.reason.endswith("paired by seed")
    assert paired.details["paired"] is True
    unpaired = st.regression_gate(sample(candidate), sample(baseline), paired=False)
    assert unpaired.outcome is not FAIL
    assert "paired" not in unpaired.reason
    assert unpaired.details["paired"] is False
    a, b = related(25, 0.97, ratio=1.6)
    assert st.steadier_gate(sample(a), sample(b)).outcome is PASS
    assert st.steadier_gate(sample(b), sample(a)).outcome is FAIL
    assert st.steadier_gate(sample(a), sample(b), paired=False).outcome is INCONCLUSIVE


def test_a_steadier_side_that_is_reliably_a_little_worse_is_not_certified():
    b, a = related(25, 0.97, drop=0.5)
    b = 60 + 1.8 * (b - 60)
    assert st.steadier_gate(sample(a), sample(b), paired=False).outcome is not FAIL
    got = st.steadier_gate(sample(a), sample(b))
    assert got.outcome is INCONCLUSIVE
    assert "but its mean is" in got.reason
    assert st.steadier_gate(sample(a), sample(b), lower_mean=1.0).outcome is PASS


def words(x):
    return f"{x:.4g}"


def test_figures_are_those_of_the_seeds_on_which_both_learned():
    """A is lower where both learned, though B's other seeds make A's mean the higher one."""
    b, a = related(25, 0.97, drop=2.0)
    b, a = 60 + 1.8 * (b - 60), a + np.where(np.arange(25) < 13, 15, 0)
    got = st.steadier_gate(sample(a), sample(b, range(13)))
    assert a.mean() > b[13:].mean() + 4
    assert got.outcome is INCONCLUSIVE
    where = " on the 12 seeds on which both learned"
    gap = (b - a)[13:].mean()
    stds = [x[13:].std(ddof=1) for x in (a, b)]
    assert f"but its mean is {words(gap)} lower{where}: 0/25 at chance against 13/25" in got.reason
    assert f"{words(stds[0])} against {words(stds[1])}{where}, paired by seed" in got.reason
    assert (got.details["std_a"], got.details["std_b"]) == pytest.approx(stds)
    other = st.steadier_gate(sample(b, range(13)), sample(a))
    assert f"B is steadier than A, but its mean is {words(gap)} lower{where}" in other.reason
    alone = st.steadier_gate(sample(a), sample(b, range(13)), paired=False)
    assert f"std of the learned runs {words(a.std(ddof=1))} against" in alone.reason
    assert "on which both learned" not in alone.reason + st.steadier_gate(sample(a), sample(b)).reason


def test_a_regression_tells_of_the_runs_that_are_paired():
    """A baseline of 50, whose last 30 runs are another world; of the others two learned nothing."""
    a, b = related(20, 0.9, drop=2.0, seed=3)
    stored = sample(np.concatenate([a, np.linspace(80, 90, 30)]), (0, 1, 30))
    got = st.regression_gate(sample(b), stored, mean_margin=3.0)
    figures = [words(f(x[2:])) for x in (b, a) for f in (np.mean, lambda y: y.std(ddof=1))]
    assert got.reason.endswith(
        "0/20 at chance against 2/20 at chance, learned runs {} +- {} against {} +- {} "
        "on the 18 seeds on which both learned, paired by seed".format(*figures)
    )
    assert (got.details["baseline_n"], got.details["baseline_at_chance"]) == (20, 2)
    unpaired = st.regression_gate(sample(b), stored, mean_margin=3.0, paired=False)
    assert "0/20 at chance against 3/50 at chance" in unpaired.reason


def test_more_runs_at_chance_speak_against_the_side_that_has_them():
    a, b = related(25)
    often, seldom = sample(a, range(2, 12)), sample(b, range(2, 4))
    worse, better = st.regression_gate(often, seldom), st.regression_gate(seldom, often)
    assert worse.outcome is FAIL
    assert "worse than the baseline in runs at chance" in worse.reason
    assert (worse.details["p_chance"], better.details["p_chance"]) == (2**-8, 1.0)
    assert (worse.details["chance_not_worse"], better.details["chance_not_worse"]) == (False, True)
    assert better.outcome is PASS
    assert st.steadier_gate(seldom, often).outcome is PASS
    assert st.steadier_gate(often, seldom).outcome is FAIL


def test_the_default_looks_at_seeds_only():
    a, b = related(25)
    other = sample(b, seeds=range(1, 26))
    assert st.steadier_gate(sample(a), sample(b)).details["paired"] is True
    assert st.steadier_gate(sample(a), other).details["paired"] is False
    assert st.steadier_gate(sample(a[:10]), sample(b[:10])).details["paired"] is True
    assert st.steadier_gate(sample(a[:9]), sample(b[:9])).details["paired"] is False
    assert st.steadier_gate(sample(a[:9]), sample(b[:9]), paired=True).details["paired"] is True
    # a candidate's seeds may be a part of the baseline's, not the other way round
    assert st.regression_gate(sample(a[:12]), sample(b)).details["paired"] is True
    assert st.regression_gate(sample(a), other).details["paired"] is False
    assert st.steadier_gate(sample(a[:12]), sample(b)).details["paired"] is False


def test_what_the_baseline_has_beside_the_pairs_is_left_out():
    a, b = related(40, seed=2)
    odd = np.where(np.arange(40) < 15, b, b - 7)
    one = st.regression_gate(sample(a[:15]), sample(b), mean_margin=2.0)
    two = st.regression_gate(sample(a[:15]), sample(odd), mean_margin=2.0)
    parts = [f"p_{part}" for part in ("spread", "chance", "mean")]
    assert [one.details[p] for p in parts] == [two.details[p] for p in parts]
    assert two.details["p_mean"] < 1.0


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (range(25), range(1, 26), "only the candidate has seed 0"),
        (range(30), range(25), r"only the candidate has seed 25, 26, 27 \.\.\."),
        (None, range(25), "the seeds of the candidate are not known"),
        ([1] * 25, range(25), "a seed comes twice in the candidate"),
    ],
)
def test_pairs_that_cannot_be_are_refused_with_the_cause(a, b, says):
    def made(seeds):
        n = 25 if seeds is None else len(seeds)
        return st.Sample.of(np.linspace(50, 60, n), seeds=seeds)

    with pytest.raises(StabbenchError, match=f"cannot be paired by seed: {says}(?s:.*)paired=False"):
        st.regression_gate(made(a), made(b), paired=True)
    with pytest.raises(StabbenchError, match="cannot be paired by seed"):
        st.steadier_gate(made(a), made(b), paired=True)
    with pytest.raises(StabbenchError, match="only B has seed 25"):
        st.steadier_gate(made(range(25)), made(range(26)), paired=True)


def test_fewer_than_three_learned_pairs_judge_neither_spread_nor_mean():
    a, b = related(25, drop=20)
    first, second = np.arange(25) < 13, np.arange(25) >= 11
    tests = paired_steadier_tests(a, b, first, second)
    assert (tests.for_a[1], tests.for_b[1], tests.a_lower, tests.b_lower) == (1, 1, 1, 1)
    assert list(paired_regression_tests(a, b, first, second)[[0, 2]]) == [1, 1]
    assert not paired_not_worse(a, b, first, second, 1e9, ratio_margin=1e9)[[0, 2]].any()
    three = np.arange(25) >= 10
    assert paired_steadier_tests(a, b, first, three).b_lower == 1 / 8


@pytest.mark.parametrize("values", [[60.0] * 3, [60.0] * 25, [60.0, 61.0] * 12, [1e300, 1e-300] * 12])
def test_what_does_not_vary_never_passes(values):
    generator = np.random.default_rng(1)
    good = sample(generator.normal(60, 2, len(values)))
    odd = [sample(values), sample(values, range(len(values)))]
    for x, y in [(x, y) for x in odd for y in (*odd, sample(values, (0, 1)), good)]:
        for got in (st.steadier_gate(x, y, paired=True), st.regression_gate(x, y, 0.05, 3.0, paired=True)):
            assert got.outcome is not PASS, got
            numbers = [got.value, got.p_value, *got.details.values()]
            assert all(isfinite(number) for number in numbers if isinstance(number, float))
    # whoever never varies has one draw, not 25: it is not found to be lower either
    assert mean_swaps(np.full(25, 60.0), np.full(25, 61.0), np.ones(25, bool), "less").p_value == 1.0


@pytest.mark.parametrize("size", [0, 1, 2])
def test_no_runs_or_two_judge_nothing(size):
    few = sample([60.0, 62.0][:size])
    assert st.steadier_gate(few, few, paired=True).outcome is INCONCLUSIVE
    assert st.regression_gate(few, few, paired=True).outcome is INCONCLUSIVE


def test_how_many_seeds_would_decide_counts_the_differences_within_pairs():
    baseline, candidate = related(12, 0.95, drop=0.25, seed=6)
    baseline = np.concatenate([baseline, np.linspace(57, 63, 60)])
    found = {
        paired: st.regression_gate(sample(candidate), sample(baseline), mean_margin=0.6, paired=paired)
        for paired in (True, False)
    }
    assert {got.outcome for got in found.values()} == {INCONCLUSIVE}
    assert 12 < found[True].seeds_needed < (found[False].seeds_needed or 1_000)
    a, b = related(12, 0.95, ratio=1.15, seed=7)
    pairs, unpaired = (st.steadier_gate(sample(a), sample(b), paired=paired) for paired in (True, False))
    assert 12 < pairs.seeds_needed < unpaired.seeds_needed


@pytest.fixture(scope="module")
def archive():
    return {str(group): group for group in stabbench.load(MINI).groups()}


def test_one_dev_row_in_one_run_is_no_cliff(archive):
    """Identical scores pass; so do all but identical ones, where unpaired tests gave up in many groups."""
    groups = [group for group in archive.values() if group.planned >= 25 and group.sample.n_learned >= 6]
    assert len(groups) > 20
    lost = 0
    for group in groups:
        base = group.sample
        scores = base.scores.copy()
        scores[np.flatnonzero(base.learned)[0]] += 1 / 300
        moved = st.Sample.of(scores, base.failed, base.seeds, learned=base.learned, scale=100)
        assert st.regression_gate(base, base).details["identical"] is True
        assert st.regression_gate(moved, base).outcome is PASS, group
        lost += st.regression_gate(moved, base, paired=False).outcome is INCONCLUSIVE
    assert lost >= 5


@pytest.mark.parametrize(("learned", "passes"), [(5, [0]), (6, range(15, 21)), (10, [20])])
def test_one_dev_row_is_a_cliff_where_five_seeds_learned(learned, passes):
    """One of five deviations is the median's own, which no swap changes: p is 2 / 32 at the least."""
    generator, at_chance = np.random.default_rng(1), range(learned, 25)
    passed = 0
    for scores in generator.normal(80, 2, (20, 25)):
        moved = scores + 0.3 * (np.arange(25) == 0)
        passed += st.regression_gate(sample(moved, at_chance), sample(scores, at_chance)).outcome is PASS
    assert passed in passes


def test_how_much_the_runs_of_a_seed_share_in_the_archive(archive):
    """Quartiles of the correlation of learned scores, as docs/paired.md has them."""
    groups = [group for group in archive.values() if group.planned == 25]

    def quartiles(groups):
        found = []
        for one, other in combinations(groups, 2):
            if one.task == other.task:
                both = one.sample.learned & other.sample.learned
                x, y = one.sample.scores[both], other.sample.scores[both]
                if len(x) >= 3:
                    found.append(np.corrcoef(x, y)[0, 1])
        return len(found), [round(float(q), 2) for q in np.percentile(found, (25, 50, 75))]

    assert quartiles(groups) == (100, [0.02, 0.24, 0.45])
    assert quartiles([g for g in groups if g.strategy != "pretrained-decay"]) == (77, [-0.01, 0.17, 0.38])


def test_methods_pair_by_seed_and_say_so(archive):
    devlin, mixout, ours = (archive[f"{name}-mini-mrpc-mini-bert"] for name in ("devlin", "mixout", "ours"))
    verdict = mixout.steadier_than(devlin)
    assert verdict.evidence.details["paired"] is True
    assert "paired by seed" in verdict.summary
    assert mixout.steadier_than(devlin, paired=False).evidence.details["paired"] is False
    assert mixout.steadier_than(ours).evidence.details["paired"] is False  # 25 seeds against 50
    with pytest.raises(StabbenchError, match="only ours has seed 25, 26, 27"):
        mixout.steadier_than(ours, paired=True)
    assert mixout.no_regression(ours, paired=True).evidence.details["paired"] is True
    with pytest.raises(StabbenchError, match="only the candidate has seed 25"):
        ours.no_regression(mixout, paired=True)
