"""The sample: every run counted, none dropped, scores as the rules say."""

from __future__ import annotations

import statistics as plain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench.errors import StabbenchError
from stabbench.runs import ErrorNote, RunRecord, Score
from stabbench.samples.failed import is_collapsed, is_failed, judged_score
from stabbench.samples.scores import Incomplete
from stabbench.samples.stability import Stability
from tests.samples.records import MAJORITY, STEADY, N, record, records

corrects = st.lists(st.one_of(st.none(), st.integers(0, N)), min_size=2, max_size=40)


@given(corrects)
def test_every_run_is_counted_and_scored(found: list[int | None]) -> None:
    stability = Stability.from_records(records(found))
    scores = [MAJORITY / N if correct is None else correct / N for correct in found]
    assert stability.scores == tuple(scores)
    assert stability.planned == stability.finished == len(found)
    assert stability.failed == sum(correct is None or correct <= MAJORITY for correct in found)
    assert stability.mean == pytest.approx(plain.fmean(scores))
    assert stability.std == pytest.approx(plain.stdev(scores), abs=1e-12)
    assert stability.median == pytest.approx(plain.median(scores))
    assert stability.best == max(scores)
    assert stability.expected_best(1) == pytest.approx(stability.mean)
    assert stability.expected_best(len(found)) == pytest.approx(stability.best)


@given(st.lists(st.integers(MAJORITY + 1, N), min_size=2, max_size=9), st.integers(1, 4))
def test_an_incomplete_group_has_no_score_and_no_verdict(found: list[int], missing: int) -> None:
    planned = range(len(found) + missing)
    stability = Stability.from_records(records(found), planned)
    assert not stability.complete
    assert stability.missing_seeds == tuple(planned)[len(found) :]
    for ask in (
        lambda: stability.mean,
        lambda: stability.std,
        lambda: stability.few_failures(at_most=0.9),
        lambda: stability.close_scores(within=0.1),
        lambda: stability.good_mean(at_least=0.5),
        lambda: stability.few_collapses(at_most=0.9),
        lambda: stability.steadier_than(stability),
        lambda: stability.no_regression(stability),
    ):
        with pytest.raises(Incomplete, match=f"{len(found)} of {len(planned)} runs .*\n.*not run: seed"):
            ask()
    assert stability.verdicts == []


def test_an_incomplete_group_is_no_other_samples_rival_either() -> None:
    whole = Stability.from_records(records(STEADY))
    part = Stability.from_records(records(STEADY), range(30))
    with pytest.raises(Incomplete):
        whole.steadier_than(part)
    with pytest.raises(Incomplete):
        whole.no_regression(part)


def test_an_errored_run_is_named_with_its_reason() -> None:
    stability = Stability.from_records(records(STEADY[:2]), range(4))
    stability.errored = {3: ErrorNote(key="k", kind="timeout", message="took 90 s\nmore", log="")}
    with pytest.raises(Incomplete, match=r"seed 3 errored \(timeout\): took 90 s\n  not run: seed 2"):
        stability.check_complete()


def test_an_errored_run_whose_note_says_nothing_is_named_as_well() -> None:
    stability = Stability.from_records(records(STEADY[:2]), range(3))
    stability.errored = {2: ErrorNote(key="k", kind="crash", message="", log="")}
    with pytest.raises(Incomplete, match=r"seed 2 errored \(crash\):"):
        stability.check_complete()


def test_a_sample_is_one_group_with_each_seed_once() -> None:
    with pytest.raises(StabbenchError, match="0 groups"):
        Stability.from_records([])
    with pytest.raises(StabbenchError, match="2 groups"):
        Stability.from_records([record(0, 180), record(1, 180, strategy="devlin")])
    with pytest.raises(StabbenchError, match="a seed comes twice"):
        Stability.from_records([record(0, 180), record(0, 181)])
    with pytest.raises(StabbenchError, match="seed 2 was not planned"):
        Stability.from_records(records(STEADY[:3]), planned_seeds=(0, 1))


@pytest.mark.parametrize(("correct", "failed"), [(145, True), (146, True), (147, False), (None, True)])
def test_failed_is_not_more_right_than_the_majority_has_rows(correct: int | None, failed: bool) -> None:
    assert is_failed(record(0, correct)) is failed


def test_the_best_checkpoint_is_judged_when_asked_but_never_a_diverged_runs() -> None:
    best = Score(value=190 / N, step=100)
    assert judged_score(record(0, 150, best=best), "best").value == 190 / N
    assert judged_score(record(0, 150, best=best), "last").value == 150 / N
    assert judged_score(record(0, None, best=best), "best").value == MAJORITY / N
    stability = Stability.from_records(
        [record(0, None, best=best), record(1, 146, best=best)], checkpoint="best"
    )
    assert stability.failed_seeds == (0,)


def imported(metric: str, value: float, constant: float, rounded_to: float = 0.0) -> RunRecord:
    score = Score(value=value, step=0)
    return record(0, 1).model_copy(
        update={
            "metric": metric,
            "constant": constant,
            "last": score,
            "best": score,
            "rounded_to": rounded_to,
        }
    )


def test_a_rounded_score_at_the_constant_classifiers_is_a_failed_run() -> None:
    assert is_failed(imported("accuracy", 0.5271, MAJORITY / N))  # 146/277 = 0.52708
    assert is_failed(imported("accuracy", 0.527, MAJORITY / N))
    assert not is_failed(imported("accuracy", 147 / N, MAJORITY / N))
    assert is_failed(imported("f1", 0.6667, 2 / 3, rounded_to=1e-4))
    assert not is_failed(imported("f1", 0.6667, 2 / 3))
    assert not is_failed(imported("f1", 0.6668, 2 / 3, rounded_to=1e-4))


@pytest.mark.parametrize(
    ("metric", "counts", "failed"),
    [
        ("f1", ((0, 129), (0, 279)), True),  # MRPC's all-positive answer: F1 .8122, accuracy .684
        ("f1", ((40, 89), (9, 270)), False),  # 540/638
        ("f1", ((60, 69), (60, 219)), True),  # better than chance, but F1 438/567 < .8122
        ("matthews", ((0, 322), (0, 721)), True),
        ("matthews", ((10, 312), (5, 716)), False),
        ("matthews", ((1, 321), (5, 716)), True),
    ],
)
def test_f1_and_matthews_are_compared_in_integers(
    metric: str, counts: tuple[tuple[int, ...], ...], failed: bool
) -> None:
    n = sum(map(sum, counts))
    score = Score(value=0.99, step=1, confusion=counts)  # the value must not matter
    run = record(0, 1).model_copy(update={"metric": metric, "n_dev": n, "last": score})
    assert is_failed(run) is failed


def test_a_collapsed_run_predicts_one_class_and_a_loss_tells_where_no_predictions_do() -> None:
    one_class = Score(value=0.5, step=1, confusion=((146, 0), (126, 5)))  # 272 of 277
    assert is_collapsed(record(0, 150).model_copy(update={"last": one_class}))
    assert is_collapsed(record(0, 190)) is False
    assert is_collapsed(record(0, 190, train_loss=0.69, label_entropy=0.6931)) is False
    blind = {"last": Score(value=190 / 277, step=1), "label_entropy": 0.6931}
    assert is_collapsed(record(0, 190).model_copy(update={**blind, "train_loss": 0.69}))
    assert is_collapsed(record(0, 190).model_copy(update={**blind, "train_loss": 0.4})) is False
    rare = Score(value=0.99, step=1, confusion=((272, 1), (2, 2)))  # named as rarely as it occurs
    assert is_collapsed(record(0, 190).model_copy(update={"last": rare})) is False
    assert is_collapsed(imported("accuracy", 0.6, 0.5)) is None
    assert is_collapsed(record(0, None))
