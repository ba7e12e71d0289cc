"""Planning, advice and prediction against second implementations: sums over binomials, SciPy, loops."""

from math import comb

import numpy as np
import pytest
import scipy
import scipy.stats as ss
from hypothesis import given, settings
from hypothesis import strategies as some

import stabbench.statistics as st
from stabbench.statistics import planning, power, predictive
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.spread import spread_codes, spread_factors

SECOND = 0.05 / 4


def verdict_by_hand(k, n, p0, alpha):
    """Clopper and Pearson's bounds by their definition: tails of the binomial at the allowance."""
    if n < 3:
        return 0
    if k == n or ss.binom.sf(k - 1, n, p0) < alpha:  # as many failures would be too rare
        return -1
    return 1 if ss.binom.cdf(k, n, p0) <= alpha else 0


def decided_by_hand(n, p0, truth, alpha, start=0, seen=0):
    """Exact P(PASS), P(FAIL) at n runs, of which `seen` of the first `start` failed, the rest at `truth`."""
    found = {1: 0.0, -1: 0.0, 0: 0.0}
    more = n - start
    for j in range(more + 1):
        weight = comb(more, j) * truth**j * (1 - truth) ** (more - j)
        found[verdict_by_hand(seen + j, n, p0, alpha)] += weight
    return found[1], found[-1]


@settings(max_examples=60)
@given(some.integers(1, 60), some.sampled_from([0.05, 0.1, 0.2, 0.3, 0.45]), some.floats(0, 1))
def test_power_of_a_share_is_the_sum_over_its_counts(n, p0, truth):
    got = planning.share_power(n, p0, truth)
    assert got == pytest.approx(decided_by_hand(n, p0, truth, 0.05), abs=1e-9)


@settings(max_examples=40)
@given(some.integers(3, 30), some.data())
def test_the_advised_number_is_the_first_with_enough_power(n, data):
    """At the level of the second look, after the runs that are there."""
    k, p0 = data.draw(some.integers(0, n // 2)), data.draw(some.sampled_from([0.1, 0.2, 0.3]))
    needed = power.failures_seeds_needed(k, n, p0)
    if needed is None or needed > 120:
        return
    enough = [sum(decided_by_hand(m, p0, k / n, SECOND, n, k)) for m in range(n + 1, needed + 1)]
    assert enough[-1] >= 0.8 - 1e-9
    assert all(one < 0.8 + 1e-9 for one in enough[:-1])


@pytest.mark.parametrize(
    ("p0", "truth", "seeds"),
    [
        (0.05, 0, 59),
        (0.1, 0, 29),
        (0.2, 0, 14),
        (0.3, 0, 9),
        (0.2, 0.02, 22),
        (0.1, 0.02, 61),
        (0.05, 0.05, None),
    ],
)
def test_seeds_for_a_share(p0, truth, seeds):
    assert planning.least_seeds(lambda n: planning.share_power(n, p0, truth)[0], 0.8) == seeds
    if seeds:
        assert (
            decided_by_hand(seeds, p0, truth, 0.05)[0] >= 0.8 > decided_by_hand(seeds - 1, p0, truth, 0.05)[0]
        )


@pytest.mark.parametrize(("ratio", "side", "seeds"), [(0.5, 0, 11), (0.6, 0, 17), (2.0, 1, 10), (1.5, 1, 22)])
def test_seeds_for_a_spread_hold_in_a_simulation_of_the_gate(ratio, side, seeds):
    assert planning.least_seeds(lambda n: power.spread_power(n, ratio)[side], 0.8, 5) == seeds
    scores = np.random.default_rng(3).normal(0, ratio, (20_000, seeds))
    bounds = st.spread_bounds(scores)
    found = spread_codes(bounds.lower, bounds.upper, 1.0)
    assert (found == (1, -1)[side]).mean() == pytest.approx(0.82, abs=0.04)


def test_heavy_tails_need_more_seeds():
    assert power.spread_seeds_needed(1.0, 1.6, 10, 10, kurtosis=6.0) > 1.5 * power.spread_seeds_needed(
        1.0, 1.6, 10, 10
    )
    assert power.spread_seeds_needed(1.0, 1.6, 10, 10, kurtosis=1.8) == power.spread_seeds_needed(
        1.0, 1.6, 10, 10
    )


def test_the_factors_are_the_gates_own():
    """A sample is judged as its deviation against the factors at its own kurtosis says."""
    scores = np.random.default_rng(4).standard_t(5, (500, 12))
    bounds = st.spread_bounds(scores)
    for i in range(500):
        passing, failing = spread_factors(12, 0.05, float(bounds.kurtosis[i]))
        by_factors = int(bounds.std[i] <= passing * 1.3) - int(bounds.std[i] > failing * 1.3)
        assert by_factors == spread_codes(bounds.lower, bounds.upper, 1.3)[i]


@settings(max_examples=60)
@given(some.integers(3, 40), some.integers(1, 60), some.sampled_from([0.1, 0.2, 0.4]), some.data())
def test_chances_of_a_share_are_beta_binomial(n, more, p0, data):
    k = data.draw(some.integers(0, n))
    weights = ss.betabinom(more, k + 0.5, n - k + 0.5).pmf(np.arange(more + 1))
    want = [0.0, 0.0]
    for j, weight in enumerate(weights):
        code = verdict_by_hand(k + j, n + more, p0, SECOND)
        want[0] += weight * (code == 1)
        want[1] += weight * (code == -1)
    assert predictive.share_chances(k, n, n + more, p0) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(("ratio", "n", "total"), [(0.7, 10, 30), (1.0, 12, 60), (1.4, 8, 25)])
def test_chances_of_a_spread_by_drawing_truths_and_runs(ratio, n, total):
    """Posterior draws of the variance, then the runs that are missing, about the mean that was seen."""
    rng, reps = np.random.default_rng(5), 100_000
    sigma = ratio * np.sqrt((n - 1) / rng.chisquare(n - 1, reps))
    mu = rng.normal(0, sigma / np.sqrt(n))
    fresh = mu + sigma * rng.normal(size=(total - n, reps))
    squares = (n - 1) * ratio**2 + (fresh**2).sum(axis=0) - fresh.sum(axis=0) ** 2 / total
    s = np.sqrt(squares / (total - 1))
    passing, failing = spread_factors(total, SECOND, 3.0)
    want = ((s <= passing).mean(), (s > failing).mean())
    assert predictive.spread_chances(ratio, n, total) == pytest.approx(want, abs=0.006)


@pytest.mark.parametrize(("gap", "n", "total"), [(0.3, 10, 40), (-0.5, 8, 20), (0.0, 25, 80)])
def test_chances_of_a_mean_by_drawing_truths_and_runs(gap, n, total):
    rng, reps = np.random.default_rng(6), 100_000
    sigma = np.sqrt((n - 1) / rng.chisquare(n - 1, reps))
    fresh = gap + sigma * rng.normal(size=reps) * np.sqrt(1 / n + 1 / (total - n))  # their mean
    mean = (n * gap + (total - n) * fresh) / total
    reach = ss.t.isf(SECOND, total - 1) / np.sqrt(total)
    want = ((mean >= reach).mean(), (mean < -reach).mean())
    assert predictive.mean_chances(gap, n, total) == pytest.approx(want, abs=0.006)


@given(some.lists(some.floats(0, 1), min_size=3, max_size=20, unique=True), some.floats(0.01, 0.9))
def test_evidence_has_chances_exactly_where_it_has_a_number(scores, tau):
    runs = st.Sample.of(scores, seeds=range(len(scores)))
    for got in (st.spread_gate(runs, tau), st.mean_gate(runs, tau), st.floor_gate(runs, tau, 0.2)):
        has = "chance_of_pass" in got.details
        assert has == (got.seeds_needed is not None)
        if has:
            chances = (got.details["chance_of_pass"], got.details["chance_of_fail"])
            assert min(chances) >= 0
            assert sum(chances) <= 1 + 1e-9
        elif got.outcome is st.Outcome.INCONCLUSIVE and not runs.degenerate and len(scores) >= 5:
            assert "no number of seeds up to 1,000 would decide" in got.reason


def test_comparisons_are_simulated_alike_every_time():
    assert planning.steadier_power(25, 3.0) == planning.steadier_power(25, 3.0)
    assert planning.steadier_power(25, 2.0, paired=False)[0] == pytest.approx(0.69, abs=0.03)
    assert planning.regression_power(25, 50, ratio=2.0, paired=False)[1] == pytest.approx(0.91, abs=0.02)
    assert planning.regression_power(25, 25, at_chance=0.2, paired=False)[1] == pytest.approx(0.59, abs=0.03)


@pytest.mark.parametrize("n", [9, 10, 20, 50, 60])
def test_the_planned_power_is_that_of_the_gate_that_runs(n):
    """Seeds 0 to n - 1 against a stored 50: the gate itself decides whether it pairs."""
    generator, reps = np.random.default_rng(8), 150
    found = {"regression": [], "steadier": []}
    for _ in range(reps):
        own, base = generator.normal(60, 2, n), generator.normal(60, 2, 50)
        worse = st.Sample.of(own, generator.random(n) < 0.4, range(n))
        found["regression"].append(st.regression_gate(worse, st.Sample.of(base, seeds=range(50))).outcome)
        other = st.Sample.of(generator.normal(60, 2, n), seeds=range(n))
        found["steadier"].append(st.steadier_gate(worse, other).outcome)
    planned = {
        "regression": planning.regression_power(n, 50, at_chance=0.4)[1],
        "steadier": planning.steadier_power(n, at_chance=0.4)[0],
    }
    for gate, outcomes in found.items():
        fails = np.mean([outcome is st.Outcome.FAIL for outcome in outcomes])
        error = (planned[gate] * (1 - planned[gate]) / reps + 1 / reps**2) ** 0.5
        assert abs(fails - planned[gate]) < 4 * error, (gate, fails, planned[gate])


def test_pairs_see_more_runs_at_chance_only_by_six_seeds_that_differ():
    """Against a clean baseline McNemar's p is 2^-m: Holm over three asks for six. The docs quote these."""

    def power_at(n):
        return ss.binom.sf(5, n, 0.2)

    assert [power_at(n) for n in (20, 25, 40)] == pytest.approx([0.20, 0.38, 0.84], abs=0.005)
    assert min(n for n in range(6, 100) if power_at(n) >= 0.8) == 39  # 38 with what the other parts find
    for n in (20, 39):
        assert planning.regression_power(n, 50, at_chance=0.2)[1] == pytest.approx(power_at(n), abs=0.04)


def test_the_fewest_seeds_to_be_steadier():
    fewest = planning.fewest_to_be_steadier()
    tables = [ss.boschloo_exact([[n, 0], [0, n]], alternative="greater").pvalue for n in (fewest - 1, fewest)]
    assert tables[0] > 0.025 >= tables[1]


def test_bisection_finds_what_a_scan_finds():
    def power_at(n):
        return float(scipy.special.ndtr(0.2 * np.sqrt(n)))

    assert (
        planning.least_simulated(power_at, 0.9, [range(5, 251)])
        == planning.least_simulated(power_at, 0.9, [range(n, n + 1) for n in range(5, 251)])
        == 42
    )
    assert planning.least_simulated(power_at, 0.9999, [range(5, 251)]) is None


def test_a_power_that_falls_once_is_found_before_and_after():
    def power_at(n):
        return float(scipy.special.ndtr(0.2 * np.sqrt(n if n < 30 else n - 20)))

    pieces = [range(5, 30), range(30, 251)]
    assert [planning.least_simulated(power_at, p, pieces) for p in (0.8, 0.9)] == [18, 62]


def test_limits_of_counts_are_those_of_single_gates():
    at_most, at_least = power.limits_table(0.2, 0.05)
    for n in (3, 13, 14, 25, 60):
        found = failures_codes(np.arange(n + 1), n, 0.2)
        assert at_most[n] == (found == 1).sum() - 1
        assert at_least[n] == n + 1 - (found == -1).sum()


def test_no_advice_exceeds_the_most_seeds() -> None:
    """Few of the runs learned: 1,000 learned runs are 3,000 seeds, which nobody is to be sent after."""
    for tau in np.linspace(1.01, 1.4, 40):
        assert (power.spread_seeds_needed(1.0, tau, 30, 10) or 0) <= power.MOST_SEEDS
    for gap in np.linspace(0.05, 0.5, 40):
        assert (power.mean_seeds_needed(gap, 1.0, 30, 10) or 0) <= power.MOST_SEEDS
