"""Where variance comes from, against sums of squares in plain loops and against known truths."""

import numpy as np
import pytest
import scipy
from hypothesis import assume, given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

import stabbench.statistics as st
from stabbench.errors import StabbenchError

grids = some.tuples(some.integers(2, 5), some.integers(2, 5)).flatmap(
    lambda shape: arrays.arrays(float, shape, elements=some.integers(-1000, 1000).map(lambda i: i / 8))
)
seeds = some.lists(some.lists(some.integers(-100, 100), min_size=1, max_size=4), min_size=1, max_size=6)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def plain(grid):
    """The textbooks' analysis of variance: (mean square, degrees of freedom) of head, order and the rest."""
    rows, columns = len(grid), len(grid[0])
    every = mean(x for row in grid for x in row)
    ss_head = sum(columns * (mean(row) - every) ** 2 for row in grid)
    ss_order = sum(rows * (mean(row[j] for row in grid) - every) ** 2 for j in range(columns))
    ss_total = sum((x - every) ** 2 for row in grid for x in row)
    df = rows - 1, columns - 1, (rows - 1) * (columns - 1)
    return [(ss / d, d) for ss, d in zip((ss_head, ss_order, ss_total - ss_head - ss_order), df, strict=True)]


@given(grids)
def test_components_are_those_of_plain_loops(grid):
    (head, df_head), (order, df_order), (rest, df_rest) = plain(grid.tolist())
    assume(rest > 1e-6)
    found = st.decompose(grid)
    rows, columns = grid.shape
    want = [max(0.0, (head - rest) / columns), max(0.0, (order - rest) / rows), rest]
    got = [found.head, found.order, found.remainder]
    assert [part.variance for part in got] == pytest.approx(want, rel=1e-6, abs=1e-6)
    assert found.total == pytest.approx(sum(want))
    assert sum(part.share for part in got) == pytest.approx(1)
    for part, square, df in ((found.head, head, df_head), (found.order, order, df_order)):
        assert part.f == pytest.approx(square / rest, rel=1e-6)
        assert part.p_value == pytest.approx(scipy.stats.f.sf(square / rest, df, df_rest), rel=1e-5, abs=1e-9)
        assert 0 <= part.lower <= part.upper <= 1


@given(grids)
def test_head_and_order_change_places_with_rows_and_columns(grid):
    found, turned = st.decompose(grid), st.decompose(grid.T)
    assert (found is None) == (turned is None)
    if found is not None:
        assert turned.head.variance == pytest.approx(found.order.variance, abs=1e-9)
        assert turned.order.upper == pytest.approx(found.head.upper, abs=1e-9)


def test_the_two_seeds_are_found():
    generator = np.random.default_rng(2)
    found = []
    for _ in range(300):
        grid = (
            generator.normal(0, 2, (8, 1))
            + generator.normal(0, 1, (1, 10))
            + generator.normal(0, 1.5, (8, 10))
        )
        found.append(st.decompose(grid))
    assert np.mean([d.head.variance for d in found]) == pytest.approx(4, rel=0.12)
    assert np.mean([d.order.variance for d in found]) == pytest.approx(1, rel=0.15)
    assert np.mean([d.remainder.variance for d in found]) == pytest.approx(2.25, rel=0.05)
    truth = 4 / (4 + 2.25)
    assert np.mean([d.head.lower > truth for d in found]) == pytest.approx(0.05, abs=0.04)
    assert np.mean([d.head.upper < truth for d in found]) == pytest.approx(0.05, abs=0.04)


def test_it_has_its_level_when_the_head_does_nothing():
    generator = np.random.default_rng(3)
    p = [st.decompose(generator.normal(0, 1, (5, 5))).head.p_value for _ in range(1_000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.021)


def test_there_is_nothing_to_split():
    assert st.decompose(np.full((3, 4), 0.5)) is None
    assert st.decompose(np.add.outer(np.arange(3.0), np.arange(4.0))) is None
    for bad in (np.ones((1, 5)), np.ones(5), np.full((2, 2), np.nan)):
        with pytest.raises(StabbenchError):
            st.decompose(bad)


@given(seeds)
def test_repeated_seeds_are_those_of_plain_loops(scores):
    """Replicates: mean squares within and between seeds of any number of runs."""
    runs, n = sum(map(len, scores)), len(scores)
    assume(runs > n)
    every = mean(x for group in scores for x in group)
    within = sum((x - mean(group)) ** 2 for group in scores for x in group) / (runs - n)
    found = st.repeatability(scores)
    assert found.same_seed == pytest.approx(within**0.5)
    if n == 1:
        assert found.seed is None
        return
    between = sum(len(group) * (mean(group) - every) ** 2 for group in scores) / (n - 1)
    per_seed = (runs - sum(len(group) ** 2 for group in scores) / runs) / (n - 1)
    assert found.seed == pytest.approx(max(0.0, (between - within) / per_seed) ** 0.5, abs=1e-9)


def test_nondeterminism_is_told_from_seeds():
    generator = np.random.default_rng(4)
    found = []
    for _ in range(500):
        effects = generator.normal(0, 2, 10)
        sizes = generator.integers(1, 4, 10).clip(2 * (np.arange(10) == 0))
        found.append(
            st.repeatability([generator.normal(e, 0.5, k) for e, k in zip(effects, sizes, strict=True)])
        )
    assert np.mean([one.same_seed**2 for one in found]) == pytest.approx(0.25, rel=0.1)
    assert np.mean([one.seed**2 for one in found]) == pytest.approx(4, rel=0.1)
    assert st.repeatability([[0.8, 0.8], [0.9, 0.9]]).same_seed == 0


@pytest.mark.parametrize("bad", [[], [[0.5], [0.6]], [[0.5, np.nan], [0.6]]])
def test_without_a_repeated_seed_nothing_is_said(bad):
    with pytest.raises(StabbenchError):
        st.repeatability(bad)
