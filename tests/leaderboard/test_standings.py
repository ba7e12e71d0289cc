"""Order, the best and the star against second implementations, and worlds in which nobody may be praised."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from stabbench import statistics
from stabbench.leaderboard.standings import relation, standings, star_test
from stabbench.statistics import Outcome, Sample


def sample(
    rng: np.random.Generator,
    mean: float,
    sd: float,
    at_chance: int = 0,
    n: int = 25,
    failed: int | None = None,
) -> Sample:
    """Return normal scores, some of them at a constant of 52.7."""
    scores = np.round(rng.normal(mean, sd, n), 2)
    scores[:at_chance] = 52.7 + 0.3 * np.arange(at_chance)
    flags = np.arange(n) < (at_chance if failed is None else failed)
    return Sample.of(scores, flags, range(n), learned=np.arange(n) >= at_chance)


def ceiling(n: int = 25) -> Sample:
    return Sample.of([99.8, 100.0] * (n // 2) + [100.0] * (n % 2), seeds=range(n))


def some(seed: int) -> list[Sample]:
    """Return a mixed board: other sizes, a degenerate and an unclear sample among them."""
    rng = np.random.default_rng(seed)
    made = [
        sample(rng, *rng.choice([(70, 2), (70, 4), (75, 2), (66, 9)]), at_chance=int(rng.integers(0, 13)))
        for _ in range(4)
    ]
    made += [sample(rng, 70, 2, n=40), ceiling()]
    made.append(Sample.of(rng.normal(70, 2, 25), seeds=range(25), learned=[None] * 3 + [True] * 22))
    return made


def failing(samples: list[Sample]) -> list[bool]:
    return [statistics.at_chance_gate(one, 0.2).outcome is Outcome.FAIL for one in samples]


@pytest.mark.parametrize("seed", range(6))
def test_all_pairs_at_once_are_the_gate_one_by_one(seed: int) -> None:
    samples = some(seed)
    found = relation(samples)
    for i, j in permutations(range(len(samples)), 2):
        gate = statistics.steadier_gate(samples[i], samples[j])
        assert found[i, j] == (gate.outcome is Outcome.PASS)
    assert found.any()


@pytest.mark.parametrize("seed", range(12))
def test_the_order_agrees_with_the_relation_and_the_best_with_the_gates(seed: int) -> None:
    samples = some(seed)
    judged = failing(samples)
    order, near = standings(samples, judged)
    assert sorted(order) == list(range(len(samples)))
    hopeful = [place for place in order if not judged[place]]
    assert order[: len(hopeful)] == hopeful
    for ahead, behind in combinations(hopeful, 2):
        gate = statistics.steadier_gate(samples[behind], samples[ahead])
        assert gate.outcome is not Outcome.PASS, "a row stands behind one that it is steadier than"

    best, others = hopeful[0], hopeful[1:]
    if samples[best].degenerate:
        assert not any(near)
        return
    gates = [statistics.steadier_gate(samples[best], samples[place]) for place in others]
    told_apart = {place for place, gate in zip(others, gates, strict=True) if gate.outcome is Outcome.PASS}
    for place in range(len(samples)):
        wanted = place == best or (place in others and place not in told_apart)
        assert near[place] == (None if samples[place].unclear and not judged[place] else wanted)


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_samples_changes_nothing(seed: int) -> None:
    samples = some(seed)
    judged = failing(samples)
    order, near = standings(samples, judged)
    shuffle = np.random.default_rng(seed).permutation(len(samples)).tolist()
    moved = standings([samples[i] for i in shuffle], [judged[i] for i in shuffle])
    assert [shuffle[place] for place in moved.order] == order
    assert [near[i] for i in shuffle] == moved.near_best


def test_ties_go_to_fewer_at_chance_then_smaller_std_then_better_mean() -> None:
    base = np.linspace(69, 71, 25)
    shown = [
        Sample.of(base, seeds=range(25)),
        Sample.of(base + 0.5, seeds=range(25)),
        Sample.of(70 + 0.95 * (base - 70), seeds=range(25)),
        Sample.of(base + 1, [True] + [False] * 24, range(25)),
    ]
    assert standings(shown, [False] * 4).order == [2, 1, 0, 3]


def test_a_row_judged_fail_is_neither_best_nor_near_nor_starred() -> None:
    rng = np.random.default_rng(1)
    quiet = Sample.of(52.7 + 0.36 * rng.integers(1, 5, 25), seeds=range(25), learned=[False] * 25)
    for others in ([sample(rng, 70, 2)], [sample(rng, 70, 9, 4), sample(rng, 65, 5, 16)]):
        samples = [quiet, *others]
        judged = failing(samples)
        order, near = standings(samples, judged)
        assert judged[0]
        assert order[0] != 0
        assert near[0] is False
        found = star_test(samples, judged)
        assert found is None or found.sample != 0
    both = [quiet, sample(rng, 60, 3, 20)]
    assert standings(both, failing(both)).near_best == [False, False]
    assert star_test(both, failing(both)) is None


def test_nobody_is_near_a_best_one_at_its_ceiling_and_it_has_no_star() -> None:
    rng = np.random.default_rng(2)
    samples = [sample(rng, 70, 3), ceiling(), sample(rng, 70, 3, 7), sample(rng, 70, 3, 25)]
    judged = failing(samples)
    order, near = standings(samples, judged)
    assert order[0] == 1
    assert near == [None, None, None, False]
    found = star_test(samples, judged)
    assert found is not None
    assert (found.sample, found.p_value) == (1, 1.0)


def test_near_the_best_is_what_the_gate_says_however_many_strategies_there_are() -> None:
    base = scipy.stats.norm.ppf((np.arange(25) + 0.5) / 25)
    best = Sample.of(70 + 2 * base, seeds=range(25))
    other = Sample.of(70 + 3.4 * base, seeds=range(25, 50))  # of other seeds, so not paired
    p = (
        2 * scipy.stats.levene(best.scores, other.scores, center="median").pvalue
    )  # Holm over the gate's parts
    assert 0.05 / 3 < p < 0.05
    assert standings([best, other], [False] * 2).near_best == [True, False]
    assert standings([best, other, other, other], [False] * 4).near_best == [True, *[False] * 3]


def test_the_star_is_brown_forsythe_on_the_runs_that_learned() -> None:
    rng = np.random.default_rng(3)
    samples = [sample(rng, 70, 5, 1), sample(rng, 70, 1, 2), sample(rng, 70, 3)]
    found = star_test(samples, [False] * 3)
    assert found is not None
    wanted = scipy.stats.levene(samples[1].learned_scores, samples[2].learned_scores, center="median").pvalue
    assert (found.sample, found.runs) == (1, 25)
    assert found.p_value == pytest.approx(wanted, abs=1e-12)
    assert found.p_value < 0.001


@pytest.mark.parametrize(
    ("quiet", "other"),
    [((60, 1, 0), (70, 3, 0)), ((70, 1, 7), (70, 3, 0))],
    ids=["lower mean", "more at chance"],
)
def test_no_star_for_less_spread_that_is_paid_for(quiet: tuple[int, ...], other: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    found = star_test([sample(rng, *quiet), sample(rng, *other)], [False, False])
    assert found is not None
    assert (found.sample, found.p_value) == (0, 1.0)


odd = st.builds(
    lambda values, flags, told: Sample.of(
        values, flags[: len(values)], range(len(values)), learned=told[: len(values)]
    ),
    st.lists(
        st.sampled_from([0.0, 50.0, 52.7, 99.8, 100.0, 1e300, 70.1, float("nan")]), min_size=20, max_size=24
    ),
    st.lists(st.booleans(), min_size=24, max_size=24),
    st.lists(st.sampled_from([True, True, False, None]), min_size=24, max_size=24),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(odd, max_size=5))
def test_odd_samples_give_an_order_and_no_praise_for_a_fail(samples: list[Sample]) -> None:
    judged = failing(samples)
    order, near = standings(samples, judged)
    assert sorted(order) == list(range(len(samples)))
    assert not any(flag and fails for flag, fails in zip(near, judged, strict=True))
    assert not any(flag and samples[place].unclear for place, flag in enumerate(near))
    found = star_test(samples, judged)
    assert found is None or (not judged[found.sample] and 0 <= found.p_value <= 1)


@pytest.mark.parametrize("third", [(0.90, 0.025, 0), (0.60, 0.021, 0)], ids=["mean", "at chance"])
def test_no_star_by_a_neighbour_that_is_no_better_than_oneself(third: tuple[float, float, int]) -> None:
    """A second row as poor as the first must not hide a third one that is far better."""
    missed = 7 if third[0] == 0.60 else 0
    rows = [(0.60, 0.005, missed), (0.60, 0.02, 4 if missed else 0), third]
    scores = scipy.special.ndtri((np.arange(25) + 0.5) / 25)
    samples = []
    for turn, (mean, std, bad) in enumerate(rows):
        learned = np.arange(25) >= bad
        one = np.where(learned, mean + std * np.roll(scores, 7 * turn), 0.527)
        samples.append(Sample.of(one, failed=~learned, seeds=range(25)))
    assert not any(failing(samples))
    pair = star_test(samples[:2], [False] * 2)
    assert pair is not None
    assert pair.sample == 0
    assert pair.p_value <= 0.05
    found = star_test(samples, [False] * 3)
    assert found is not None
    assert found.sample == 0
    assert found.p_value == 1.0
