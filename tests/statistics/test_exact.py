"""Exact tests on the counts of one run, against scipy.stats, plain sums of fractions, and books."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from stabbench.statistics.exact import beats_majority, beats_share, correlation_above_zero, fisher, mcnemar

rows = some.integers(0, 60)
binary = some.tuples(some.tuples(rows, rows), some.tuples(rows, rows))
counts = some.integers(2, 4).flatmap(
    lambda k: some.lists(some.lists(rows, min_size=k, max_size=k).map(tuple), min_size=k, max_size=k).map(
        tuple
    )
)


def tossed(heads, n):
    """P(at least so many heads of n fair coins), in integers."""
    return Fraction(sum(comb(n, k) for k in range(heads, n + 1)), 2**n)


@given(some.integers(0, 300), some.integers(0, 300))
def test_mcnemar_is_the_binomial_test_of_the_rows_that_differ(better, worse):
    want = stats.binomtest(better, better + worse, alternative="greater").pvalue if better + worse else 1.0
    assert mcnemar(better, worse) == pytest.approx(want, rel=1e-9)
    assert mcnemar(better, worse) == pytest.approx(float(tossed(better, better + worse)), rel=1e-9)


@pytest.mark.parametrize(
    ("better", "worse", "p"),
    [(5, 0, 1 / 32), (4, 0, 1 / 16), (8, 1, 10 / 512), (0, 7, 1.0), (0, 0, 1.0), (60, 40, 0.0284439668)],
)
def test_mcnemar_by_hand(better, worse, p):
    assert mcnemar(better, worse) == pytest.approx(p, rel=1e-9)


@given(counts)
def test_the_most_frequent_label_is_beaten_row_by_row(found):
    """Against a list of rows: where only the predictions are right, and where only the constant answer is."""
    sizes = [sum(row) for row in found]
    pairs = [(true, said) for true, row in enumerate(found) for said, n in enumerate(row) for _ in range(n)]
    most = Fraction(0)
    for label in (label for label, n in enumerate(sizes) if n == max(sizes)):
        better = sum(true == said != label for true, said in pairs)
        worse = sum(true == label != said for true, said in pairs)
        most = max(most, tossed(better, better + worse))
    assert beats_majority(found) == pytest.approx(float(most), rel=1e-9)


def test_of_two_most_frequent_labels_the_harder_one_must_be_beaten():
    lopsided = ((100, 0), (91, 9))  # right on 109 of 200: against label 0 9 better, against label 1 100 to 91
    assert beats_majority(lopsided) == pytest.approx(stats.binomtest(100, 191, alternative="greater").pvalue)
    assert mcnemar(9, 0) < 0.05 < beats_majority(lopsided)


@given(some.integers(1, 10_000), some.floats(0, 1), some.floats(0.01, 0.99))
def test_a_share_is_beaten_by_the_binomial_test(n, portion, share):
    right = round(portion * n)
    assert beats_share(right, n, share) == pytest.approx(stats.binom.sf(right - 1, n, share), rel=1e-7)


def test_rows_that_it_takes_to_beat_the_constant():
    """RTE, 146 of 277: 161 right rows (58.1 %) are the first that show something; QNLI needs 1.1 points."""
    for n, majority, enough in ((277, 146, 161), (5463, 2761, 2823)):
        p = {
            k: stats.binomtest(k, n, majority / n, alternative="greater").pvalue for k in (enough - 1, enough)
        }
        assert p[enough] <= 0.05 < p[enough - 1]
        assert {k: beats_share(k, n, majority / n) for k in p} == pytest.approx(p, rel=1e-9)


@given(binary)
def test_fisher_of_two_labels_is_scipys(found):
    assert fisher(found) == pytest.approx(stats.fisher_exact(found, "greater").pvalue, rel=1e-7, abs=1e-15)


@pytest.mark.parametrize(
    ("found", "p"),
    [
        (((3, 1), (1, 3)), 17 / 70),  # Fisher (1935), the lady tasting tea: 3 of 4 cups, then all 4
        (((4, 0), (0, 4)), 1 / 70),
        (((10, 3), (2, 15)), 0.00046518094),  # and his twins of criminals: 10 of 13 monozygotic, 2 of 17 not
        (((0, 4), (4, 0)), 1.0),
        (((0, 0), (0, 9)), 1.0),
    ],
)
def test_fisher_by_the_book(found, p):
    assert fisher(found) == pytest.approx(p, rel=1e-6)


@given(counts)
def test_more_labels_are_each_tested_against_the_others(found):
    if len(found) < 3:
        return
    table, p = np.array(found), []
    for label in range(len(table)):
        hits, true, named = table[label, label], table[label].sum(), table[:, label].sum()
        rest = [[hits, true - hits], [named - hits, table.sum() - true - named + hits]]
        p.append(stats.fisher_exact(rest, "greater").pvalue)
    assert fisher(found) == pytest.approx(min(1.0, len(table) * min(p)), rel=1e-7, abs=1e-15)


@given(some.floats(-1, 1), some.integers(1, 5000), some.booleans())
def test_a_correlation_is_tested_by_fishers_z(r, n, ranks):
    want = 1.0
    if r > 0 and n > 3:
        variance = (1.06 if ranks else 1.0) / (n - 3)
        want = stats.norm.sf(0.5 * np.log((1 + r) / (1 - r)) / variance**0.5) if r < 1 - 1e-12 else 0.0
    assert correlation_above_zero(r, n, ranks) == pytest.approx(want, rel=1e-6, abs=1e-12)


def test_fishers_z_by_hand():
    """artanh(.5) = .549306, times the root of 25: 2.746531."""
    assert correlation_above_zero(0.5, 28) == pytest.approx(0.0030115, rel=1e-4)
    assert correlation_above_zero(0.5, 3) == 1.0


@pytest.mark.parametrize("ranks", [False, True])
def test_a_correlation_of_independent_numbers_is_significant_in_one_of_twenty(ranks):
    generator = np.random.default_rng(4)
    x, y = (
        generator.normal(size=(2, 4_000, 40)).argsort().argsort()
        if ranks
        else generator.normal(size=(2, 4_000, 40))
    )
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    rate = np.mean([correlation_above_zero(one, 40, ranks) <= 0.05 for one in r])
    assert rate == pytest.approx(0.05, abs=0.0104)  # three standard errors
