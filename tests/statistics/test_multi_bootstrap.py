"""Multi-Bootstrap: against plain loops, a two-way analysis of variance, golden values; degenerate inputs."""

from math import isnan, sqrt
from statistics import NormalDist

import numpy as np
import pytest
import scipy.stats

import stabbench.statistics as st
from stabbench.errors import StabbenchError


def accuracy(counts):
    right, by_label = np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=-1)
    return right / by_label.sum(axis=-1), right <= by_label.max(axis=-1)


def world(runs, rows, generator, failed=0):
    """Predictions of runs that differ in quality on rows that differ in difficulty, and the labels."""
    labels = (generator.random(rows) < 0.6).astype(int)
    ease = 1 + generator.normal(0, 0.4, (runs, 1)) + generator.normal(0, 1, rows)
    answers = np.where(ease + generator.normal(0, 1, (runs, rows)) > 0, labels, 1 - labels)
    answers[:failed] = 1
    return answers, labels


def drawn(answers, labels, draws, generator, judge=accuracy, n_labels=2):
    rows = st.taken(len(labels), draws, generator)
    return st.resample(answers, labels, n_labels, judge, [rows]), rows


def table_by_loops(answers, labels, rows):
    """Accuracy and failed flag of every run on the rows of every draw, each row written out as often."""
    scores, failed = [], []
    for taken in rows:
        written = [row for row, times in enumerate(taken) for _ in range(times)]
        truth = [labels[row] for row in written]
        constant = max(truth.count(0), truth.count(1))
        right = [sum(run[row] == labels[row] for row in written) for run in answers]
        scores.append([r / len(written) for r in right])
        failed.append([float(r <= constant) for r in right])
    return scores, failed


def both_by_loops(table):
    draws, n = len(table), len(table[0])
    means = [sum(row) / n for row in table]
    columns = [sum(row[i] for row in table) / draws for i in range(n)]
    grand = sum(means) / draws
    left = sum((table[b][i] - means[b] - columns[i] + grand) ** 2 for b in range(draws) for i in range(n))
    return left / (draws - 1) / (n - 1)


def variance(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def quantile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def mean_by_loops(seen, table, seeds):
    """The interval of the mean from the definition: draws scaled to the variance of the components."""
    n = len(seen)
    draws = [sum(w * x for w, x in zip(ws, xs, strict=True)) / n for ws, xs in zip(seeds, table, strict=True)]
    luck = both_by_loops(table) / n
    rows = max(0.0, variance([sum(row) / n for row in table]) - luck)
    own = max(variance(seen) / n, luck)
    scale = student((rows + own) ** 2 / (own**2 / (n - 1))) * sqrt((rows + own) / variance(draws))
    centre = sum(draws) / len(draws)
    least, most = min(map(min, table)), max(map(max, table))
    scaled = [min(max(centre + scale * (draw - centre), least), most) for draw in draws]
    return sum(seen) / n, quantile(scaled, 0.025), quantile(scaled, 0.975)


def student(freedom):
    return scipy.stats.t.ppf(0.975, freedom) / NormalDist().inv_cdf(0.975)


def stds_by_loops(seen, table, seeds):
    found = []
    for taken, row in zip(seeds, table, strict=True):
        written = [x for x, times in zip(row, taken, strict=True) for _ in range(times)]
        found.append(variance(written))
    scale = variance(seen) / (sum(found) / len(found))
    return [sqrt(scale * v) for v in found]


def test_it_is_what_plain_loops_give():
    generator = np.random.default_rng(1)
    answers, labels = world(14, 30, generator, failed=2)
    every, rows = drawn(answers, labels, 40, generator)
    a, b = every.part(slice(6)), every.part(slice(6, None))
    seeds, others = st.taken(6, 40, generator), st.taken(8, 40, generator)
    scores, failed = table_by_loops(answers, labels, rows)
    assert np.array_equal(every.scores, scores)
    assert np.array_equal(every.failed, failed)
    (seen,), (seen_failed,) = table_by_loops(answers, labels, [[1] * 30])

    found, one = st.on_other_data(a, seeds), [row[:6] for row in scores]
    assert found.mean == pytest.approx(mean_by_loops(seen[:6], one, seeds), abs=1e-9)
    stds = stds_by_loops(seen[:6], one, seeds)
    wanted = (sqrt(variance(seen[:6])), quantile(stds, 0.025), quantile(stds, 0.975))
    assert found.std == pytest.approx(wanted, abs=1e-9)
    rate, low, high = mean_by_loops(seen_failed[:6], [row[:6] for row in failed], seeds)
    exact = [float(end) for end in st.clopper_pearson(round(6 * rate), 6, 0.025)]
    wanted = (rate, min(low, exact[0]), max(high, exact[1]))
    assert found.failure_rate == pytest.approx(wanted, abs=1e-9)
    both = both_by_loops(one)
    parts = max(0, variance(seen[:6]) - both), variance([sum(row) / 6 for row in one]) - both / 6
    shares = [part / (sum(parts) + both) for part in parts]
    assert (found.seeds_share, found.rows_share) == pytest.approx(shares, abs=1e-9)

    # the same seeds on both sides: as one group of differences
    twin = every.part(slice(6, 12))
    pairs = st.differences_on_other_data(a, twin, seeds)
    less = [[row[i + 6] - row[i] for i in range(6)] for row in scores]
    value, low, high = mean_by_loops([seen[i + 6] - seen[i] for i in range(6)], less, seeds)
    # bounds of a difference are those of the values that were seen
    assert pairs.mean == pytest.approx((value, low, high), abs=1e-9)
    theirs = stds_by_loops(seen[6:12], [row[6:12] for row in scores], seeds)
    stds = [y - x for x, y in zip(stds, theirs, strict=True)]
    assert pairs.std[1:] == pytest.approx((quantile(stds, 0.025), quantile(stds, 0.975)), abs=1e-9)

    # other seeds: two groups on the same rows
    two = [row[6:] for row in scores]
    draws = [
        sum(w * x for w, x in zip(theirs, row[6:], strict=True)) / 8
        - sum(w * x for w, x in zip(ours, row[:6], strict=True)) / 6
        for ours, theirs, row in zip(seeds, others, scores, strict=True)
    ]
    luck = [both_by_loops(one) / 6, both_by_loops(two) / 8]
    margins = [sum(y) / 8 - sum(x) / 6 for x, y in zip(one, two, strict=True)]
    own = max(variance(seen[:6]) / 6, luck[0]), max(variance(seen[6:]) / 8, luck[1])
    wanted = max(0.0, variance(margins) - sum(luck)) + sum(own)
    freedom = wanted**2 / (own[0] ** 2 / 5 + own[1] ** 2 / 7)
    centre, scale = sum(draws) / 40, student(freedom) * sqrt(wanted / variance(draws))
    scaled = [centre + scale * (draw - centre) for draw in draws]
    apart = st.differences_on_other_data(a, b, seeds, others)
    assert apart.mean[1:] == pytest.approx((quantile(scaled, 0.025), quantile(scaled, 0.975)), abs=1e-9)
    assert apart.mean.value == pytest.approx(sum(seen[6:]) / 8 - sum(seen[:6]) / 6, abs=1e-9)


def test_golden_values_of_a_fixed_generator():
    generator = np.random.default_rng(2022)
    every, _ = drawn(*world(25, 277, generator, failed=3), 400, generator)
    found = st.on_other_data(every, st.taken(25, 400, generator))
    assert found.mean == pytest.approx(GOLDEN[0], abs=1e-12)
    assert found.std == pytest.approx(GOLDEN[1], abs=1e-12)
    assert found.failure_rate == pytest.approx(GOLDEN[2], abs=1e-12)
    assert (found.seeds_share, found.rows_share) == pytest.approx(GOLDEN[3], abs=1e-12)


GOLDEN = (
    (0.7380505415162, 0.6912321871088, 0.7916961944105),
    (0.1097134424332, 0.0824114319227, 0.1353644319126),
    (0.16, 0.0355348065912, 0.3608284544593),
    (0.9454574218567, 0.010885539108),
)


def test_the_shares_are_those_of_a_two_way_analysis_of_variance():
    generator = np.random.default_rng(3)
    answers, labels = world(20, 200, generator)
    every, _ = drawn(answers, labels, 20_000, generator)
    right = (answers == labels).astype(float)
    components = st.decompose(right)
    seeds, rows = components.head.variance, components.order.variance / 200
    total = seeds + rows + components.remainder.variance / 200
    assert st.variance_shares(every) == pytest.approx((seeds / total, rows / total), abs=0.015)


def test_the_order_of_rows_and_of_blocks_changes_nothing():
    generator = np.random.default_rng(4)
    answers, labels = world(5, 40, generator)
    rows, order = st.taken(40, 30, generator), generator.permutation(40)
    one = st.resample(answers, labels, 2, accuracy, [rows])
    other = st.resample(answers[:, order], labels[order], 2, accuracy, [rows[:7, order], rows[7:, order]])
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.failed, other.failed)


def test_as_many_are_taken_as_there_are_in_blocks_that_fit(monkeypatch):
    import stabbench.statistics.multi_bootstrap as module

    monkeypatch.setattr(module, "LARGEST_BLOCK", 100)
    blocks = list(st.taken_in_blocks(30, 10, np.random.default_rng(5)))
    assert [len(block) for block in blocks] == [3, 3, 3, 1]
    assert all((block.sum(axis=1) == 30).all() for block in blocks)
    many = st.taken(4, 20_000, np.random.default_rng(6))
    assert many.mean(axis=0) == pytest.approx(np.ones(4), abs=0.03)
    assert many.var(axis=0) == pytest.approx(np.full(4, 0.75), abs=0.03)


@pytest.mark.parametrize(
    ("answers", "labels"),
    [
        ([[1]], [1]),  # one run, one row
        ([[0, 1, 1]], [1, 1, 0]),  # one run
        ([[1], [0]], [1]),  # one row
        ([[1, 1, 1], [1, 1, 1]], [1, 1, 1]),  # one label, one answer
        ([[1, 0, 1], [1, 0, 1], [1, 0, 1]], [1, 0, 0]),  # all runs equal
        ([[1, 0], [0, 1]], [1, 1]),  # equal scores, other answers
    ],
)
def test_degenerate_inputs_have_numbers_within_the_range(answers, labels):
    generator, n = np.random.default_rng(7), len(answers)
    every, _ = drawn(answers, labels, 50, generator)
    seeds = st.taken(n, 50, generator)
    found = st.on_other_data(every, seeds)
    for value, low, high in (found.mean, found.failure_rate):
        assert 0 <= low <= high <= 1
        assert 0 <= value <= 1
    assert isnan(found.std.value) == (n == 1)
    if found.seeds_share is not None:
        assert 0 <= found.seeds_share <= found.seeds_share + found.rows_share <= 1 + 1e-12
    less = st.differences_on_other_data(every, every, seeds)
    assert less.mean == (0, 0, 0)
    assert less.failure_rate.low <= 0 <= less.failure_rate.high


def test_no_failure_seen_is_not_no_failure():
    generator = np.random.default_rng(8)
    _, labels = world(1, 277, generator)
    every, _ = drawn(np.tile(labels, (25, 1)), labels, 50, generator)
    found = st.on_other_data(every, st.taken(25, 50, generator)).failure_rate
    assert found == pytest.approx((0, 0, 1 - 0.025 ** (1 / 25)))


@pytest.mark.parametrize("bad", [([], [1]), ([[1, 0]], [1]), ([[2]], [1]), ([[-1]], [1]), ([[1]], [2])])
def test_what_does_not_fit_is_refused(bad):
    with pytest.raises(StabbenchError, match=r"shape|classes"):
        st.resample(*bad, 2, accuracy, [np.array([[1]])])
