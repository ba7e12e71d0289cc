"""Values of metrics: those of scikit-learn and SciPy, and what counts as no better than a constant answer."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy
import sklearn.metrics as theirs
from hypothesis import given
from hypothesis import strategies as st

from stabbench import metrics
from stabbench.metrics import LabelMetric

LABEL_METRICS = [
    metric for metric in map(metrics.get, metrics.REGISTRY.names()) if isinstance(metric, LabelMetric)
]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Return true labels, predicted labels and the number of labels; some labels never occur."""
    n_labels = draw(st.integers(2, 6))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, n_labels - 1), st.integers(0, n_labels - 1)), min_size=1, max_size=120
        )
    )
    truth, guess = (list(side) for side in zip(*pairs, strict=True))
    return truth, guess, n_labels


def sklearns(metric: str, truth: list[int], guess: list[int], n_labels: int) -> float:
    """Return what 0.1.0 computed, by scikit-learn."""
    if metric == "accuracy":
        return float(theirs.accuracy_score(truth, guess))
    if metric == "f1" and n_labels == 2:
        return float(theirs.f1_score(truth, guess, zero_division=0.0))
    if metric.startswith("f1"):
        average = "micro" if metric == "f1-micro" else "macro"
        return float(
            theirs.f1_score(truth, guess, labels=range(n_labels), average=average, zero_division=0.0)
        )
    if metric == "balanced-accuracy":
        return float(theirs.balanced_accuracy_score(truth, guess))
    return float(theirs.matthews_corrcoef(truth, guess))


@pytest.mark.parametrize("metric", LABEL_METRICS, ids=lambda metric: metric.name)
@given(answers())
def test_label_metrics_equal_scikit_learns_to_the_last_bit(
    metric: LabelMetric, found: tuple[list[int], list[int], int]
) -> None:
    truth, guess, n_labels = found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of single labels
        expected = sklearns(metric.name, truth, guess, n_labels)
    value = metric.value(metrics.confusion(truth, guess, n_labels))
    if metric.name == "balanced-accuracy":
        assert value == pytest.approx(expected, abs=1e-15)
    else:
        assert value == expected


@given(answers())
def test_a_confusion_matrix_is_scikit_learns(found: tuple[list[int], list[int], int]) -> None:
    truth, guess, n_labels = found
    expected = theirs.confusion_matrix(truth, guess, labels=range(n_labels))
    assert metrics.confusion(truth, guess, n_labels) == tuple(map(tuple, expected.tolist()))


@pytest.mark.parametrize("metric", LABEL_METRICS, ids=lambda metric: metric.name)
@given(answers())
def test_failed_is_not_better_than_the_best_constant_answer(
    metric: LabelMetric, found: tuple[list[int], list[int], int]
) -> None:
    truth, guess, n_labels = found
    counts = metrics.confusion(truth, guess, n_labels)
    rows = tuple(map(sum, counts))
    constants = [metrics.confusion(truth, [label] * len(truth), n_labels) for label in range(n_labels)]
    best = metric.constant(rows)
    assert best == max(map(metric.value, constants))
    assert all(map(metric.fails, constants))
    if abs(metric.value(counts) - best) > 1e-12:
        assert metric.fails(counts) == (metric.value(counts) < best)
    low, high = metric.range
    assert low <= metric.value(counts) <= high
    if metric.chance is not None:
        assert best == metric.chance


@pytest.mark.parametrize(
    ("tp", "fp", "fn", "tn", "failed"),
    [(279, 129, 0, 0, True), (279, 128, 0, 1, False), (278, 129, 1, 0, True), (0, 0, 279, 129, True)],
)
def test_f1_is_compared_with_the_all_positive_answer(
    tp: int, fp: int, fn: int, tn: int, failed: bool
) -> None:
    assert metrics.for_classifiers("f1").fails(((tn, fp), (fn, tp))) is failed


def test_counts_decide_where_decimals_are_too_coarse() -> None:
    half, f1 = 5 * 10**8, metrics.for_classifiers("f1")
    assert f1.fails(((0, half), (0, half)))
    assert not f1.fails(((1, half - 1), (0, half)))  # better by one row in a milliard, 4e-10 of F1


def test_a_metric_without_an_exact_test_is_compared_by_value() -> None:
    errors = LabelMetric(
        "errors", better="lower", compute=lambda counts: (counts[0][1] + counts[1][0]) / sum(map(sum, counts))
    )
    assert errors.constant((146, 131)) == 131 / 277
    assert errors.fails(((146, 0), (131, 0)))
    assert not errors.fails(((146, 0), (130, 1)))


NUMBERS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=40)


@given(NUMBERS, st.sampled_from([1e-160, 1.0, 1e150]))
def test_number_metrics_equal_scipys(pairs: list[tuple[int, int]], unit: float) -> None:
    truth, guess = (unit * np.array(side, float) for side in zip(*pairs, strict=True))
    pearson, spearman = metrics.get("pearson"), metrics.get("spearman")
    varied = len(set(truth)) > 1 and len(set(guess)) > 1
    with np.errstate(all="ignore"):
        if varied and unit == 1.0:
            assert pearson.value(truth, guess) == pytest.approx(
                scipy.stats.pearsonr(truth, guess)[0], abs=1e-9
            )
        if varied:
            assert -1 <= pearson.value(truth, guess) <= 1
            expected = scipy.stats.spearmanr(truth, guess)[0]
            assert spearman.value(truth, guess) == pytest.approx(expected, abs=1e-9)
        else:
            assert pearson.value(truth, guess) == spearman.value(truth, guess) == 0.0
    assert pearson.constant(truth) == spearman.constant(truth) == 0.0
    if unit == 1.0:
        mse = metrics.get("mse")
        assert mse.value(truth, guess) == pytest.approx(theirs.mean_squared_error(truth, guess))
        assert mse.constant(truth) == pytest.approx(np.var(truth))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any))
def test_the_constant_of_a_loss_is_that_of_the_labels_shares(rows: list[int]) -> None:
    labels = np.repeat(np.arange(len(rows)), rows)
    shares = np.array(rows) / sum(rows)
    expected = -np.log(shares[labels]).mean()
    assert metrics.for_classifiers("loss").constant(rows) == pytest.approx(expected, abs=1e-12)
    assert metrics.for_classifiers("perplexity").constant(rows) == pytest.approx(math.exp(expected))


def test_an_overflowing_perplexity_is_infinite() -> None:
    assert metrics.for_classifiers("perplexity").value(800.0) == math.inf


def test_scores_need_no_scikit_learn() -> None:
    program = (
        "import sys; from stabbench import metrics; "
        "print([metrics.get(name).name for name in metrics.REGISTRY.names()]); "
        "print(metrics.get('f1').value(((3, 1), (2, 4)))); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == [str(8 / 11), "False"]
