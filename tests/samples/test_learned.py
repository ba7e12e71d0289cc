"""Did a run learn something? Every kind of record, against binomial and hypergeometric sums of SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stabbench.errors import DataError
from stabbench.metrics import entropy
from stabbench.runs import RunRecord, Score
from stabbench.samples.failed import has_learned, is_collapsed, is_failed
from stabbench.samples.imports import read_scores
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome
from tests.samples.records import record

Counts = tuple[tuple[int, ...], ...]


def counted(metric: str, counts: Counts, value: float = 0.9, constant: float = 0.5) -> RunRecord:
    """Return a run whose predictions are known."""
    score = Score(value=value, step=1, confusion=counts)
    n = sum(map(sum, counts))
    better = "lower" if metric == "loss" else "higher"
    return record(0, 1).model_copy(
        update={
            "metric": metric,
            "better": better,
            "last": score,
            "best": score,
            "n_dev": n,
            "constant": constant,
        }
    )


def known_by_score(metric: str, value: float, constant: float, n_dev: int, **more: Any) -> RunRecord:
    """Return a run of which the score alone is known."""
    score = Score(value=value, step=0)
    changes = {"metric": metric, "last": score, "best": score, "n_dev": n_dev, "constant": constant, **more}
    return record(0, 1).model_copy(update=changes)


@pytest.mark.parametrize(
    ("counts", "learned"),
    [
        (((146, 0), (130, 1)), False),  # one row better than the constant, which it is otherwise
        (((140, 6), (120, 11)), False),  # five rows better: 11 against 6
        (((140, 6), (110, 21)), True),  # 21 against 6
        (((130, 16), (106, 25)), False),  # 25 against 16: p = .106
        (((130, 16), (103, 28)), True),  # 28 against 16: p = .048
        (((100, 0), (91, 9)), False),  # of two most frequent labels it is no better than the other
        (((60, 40), (40, 60)), True),  # 60 against 40 for either of them
        (((50, 0, 0), (20, 5, 5), (15, 0, 5)), True),  # three labels: 10 rows against none
        (((46, 2, 2), (20, 5, 5), (15, 2, 3)), False),  # 8 against 4
        (((40, 10, 0), (10, 40, 0), (0, 0, 10)), True),  # 50 against 10, whichever of two is the constant
        (((490, 0), (0, 10)), True),  # nearly all of one class, as the rows are: ten against none
        (((196, 0), (0, 4)), False),  # every row is right, and four rows of the other class cannot show it
    ],
)
def test_accuracy_is_compared_with_the_constant_row_by_row(counts: Counts, learned: bool) -> None:
    run = counted("accuracy", counts)
    assert not is_failed(run)
    assert has_learned(run) is learned


@pytest.mark.parametrize("metric", ["matthews", "f1", "balanced-accuracy"])
@given(tp=st.integers(0, 70), fp=st.integers(0, 40), fn=st.integers(0, 70), tn=st.integers(0, 40))
def test_other_scores_of_labels_learned_when_predictions_go_with_labels(
    metric: str, tp: int, fp: int, fn: int, tn: int
) -> None:
    counts = ((tn + 1, fp), (fn, tp + 1))
    run = counted(metric, counts)
    p = float(stats.fisher_exact(counts, "greater").pvalue)
    want = not is_failed(run) and not is_collapsed(run) and p <= 0.05
    if abs(p - 0.05) > 1e-9:
        assert has_learned(run) is want


def test_a_matthews_correlation_just_above_zero_is_chance() -> None:
    near, far = ((30, 292), (60, 661)), ((60, 262), (60, 661))  # CoLA's dev set: .012, and .16
    assert not is_failed(counted("matthews", near))
    assert has_learned(counted("matthews", near)) is False
    assert has_learned(counted("matthews", far)) is True


def test_a_loss_with_counts_is_judged_by_the_counts() -> None:
    constant = entropy((150, 150))
    right, coin = ((110, 40), (40, 110)), ((80, 70), (72, 78))
    assert has_learned(counted("loss", right, value=0.6, constant=constant)) is True
    assert has_learned(counted("loss", coin, value=0.69, constant=constant)) is False
    assert has_learned(counted("loss", right, value=0.75, constant=constant)) is False  # it failed


@given(st.integers(2, 2000), st.floats(0, 1), st.floats(0.3, 0.95))
def test_of_an_accuracy_alone_the_binomial_test_tells(n: int, portion: float, share: float) -> None:
    right, majority = round(portion * n), max(1, round(share * n))
    run = known_by_score("accuracy", right / n, majority / n, n)
    p = float(stats.binomtest(right, n, majority / n, alternative="greater").pvalue)
    if abs(p - 0.05) > 1e-9:
        assert has_learned(run) is (right > majority and p <= 0.05)


@pytest.mark.parametrize("metric", ["matthews", "pearson", "spearman"])
def test_of_a_correlation_alone_fishers_z_tells(metric: str) -> None:
    """n = 103: 1.6449 standard deviations of .1 are z = .16449, r = .1630; of ranks 1.0296 times that."""
    edge = {"matthews": 0.16302, "pearson": 0.16302, "spearman": 0.16768}[metric]
    learned = [has_learned(known_by_score(metric, edge + by, 0.0, 103)) for by in (-1e-4, 1e-4)]
    assert learned == [False, True]


@pytest.mark.parametrize(
    ("metric", "better", "values", "constant", "floor"),
    [
        ("f1", "higher", (0.82, 0.84, 0.85, 0.91), 0.8122, 0.85),
        ("accuracy", "higher", (0.54, 0.69, 0.70, 0.71), 0.527, 0.70),
        ("accuracy", "higher", (0.54, 0.56, 0.60, 0.71), 0.527, 0.528),  # and the test must show it, too
        ("bleu", "higher", (2.0, 9.9, 10.0, 30.0), 1.0, 10.0),
        ("ter", "lower", (1.9, 1.01, 1.0, 0.2), 2.0, 1.0),
    ],
)
def test_a_floor_tells_whatever_the_metric_and_its_direction(
    metric: str, better: str, values: tuple[float, ...], constant: float, floor: float
) -> None:
    runs = [known_by_score(metric, value, constant, 277, floor=floor, better=better) for value in values]
    assert [has_learned(run) for run in runs] == [False, False, True, True]


def test_without_counts_and_floor_nobody_can_tell() -> None:
    assert has_learned(known_by_score("f1", 0.9, 0.8122, 408)) is None
    assert has_learned(known_by_score("bleu", 30.0, 1.0, 408)) is None
    assert has_learned(known_by_score("f1", 0.8, 0.8122, 408)) is False  # a failed run learned nothing
    diverged = {"status": "diverged", "floor": 0.1}
    assert has_learned(known_by_score("f1", 0.9, 0.8122, 408, **diverged)) is False


def test_a_collapsed_run_learned_nothing_even_where_its_score_is_fine() -> None:
    stuck = {"train_loss": 0.693, "label_entropy": 0.6931}
    assert has_learned(known_by_score("accuracy", 0.65, 0.527, 277)) is True
    assert has_learned(known_by_score("accuracy", 0.65, 0.527, 277, **stuck)) is False
    assert has_learned(known_by_score("f1", 0.9, 0.8122, 277, floor=0.85, **stuck)) is False


HEAD = "task,model,strategy,metric,n_dev,seed,score,constant,floor\n"


def f1_rows(scores: list[float], floor: str = "", strategy: str = "theirs") -> str:
    rows = [
        f"mrpc,bert,{strategy},f1,408,{seed},{score},0.8122,{floor}\n" for seed, score in enumerate(scores)
    ]
    return "".join(rows)


SPREAD = [0.88 + 0.04 * ((7 * seed) % 25) / 25 for seed in range(25)]


def test_runs_of_which_nothing_tells_stand_in_the_way_of_every_verdict_that_rests_on_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "untold.csv").write_text(HEAD + f1_rows(SPREAD))
    untold = Stability.from_records(read_scores(tmp_path / "untold.csv"))
    (tmp_path / "told.csv").write_text(HEAD + f1_rows(SPREAD, "0.85"))
    told = Stability.from_records(read_scores(tmp_path / "told.csv"))
    assert untold.few_failures(at_most=0.2)
    for ask in (
        lambda s: s.few_worse_than(0.85, at_most=0.2),
        lambda s: s.few_at_chance(at_most=0.2),
        lambda s: s.close_scores(within=0.05),
        lambda s: s.good_mean(at_least=0.85),
    ):
        verdict = ask(untold)
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "declare a floor" in verdict.summary
        assert ask(told).outcome is Outcome.PASS
    for one, other in ((untold, told), (told, untold)):
        assert one.steadier_than(other).outcome is Outcome.INCONCLUSIVE
        assert one.no_regression(other).outcome is Outcome.INCONCLUSIVE
    (tmp_path / "most_failed.csv").write_text(HEAD + f1_rows([0.8] * 10 + SPREAD[:15]))
    most = Stability.from_records(read_scores(tmp_path / "most_failed.csv"))
    assert (
        most.few_at_chance(at_most=0.2).outcome is Outcome.FAIL
    )  # ten failed: more than 20 %, come what may


@pytest.mark.parametrize(
    ("floor", "says"),
    [
        ("1.2", "floor 1.2 is outside 0 to 1"),
        ("85", r"floor 85 is outside 0 to 1.*did you mean 0.85"),
        ("0.8122", "floor 0.8122 is not better than a constant predictor's score"),
        ("0.5", "floor 0.5 is not better than a constant predictor's score"),
        ("nan", "not a finite number"),
        ("high", "not a number"),
    ],
)
def test_a_floor_that_cannot_be_one_is_refused(tmp_path: Path, floor: str, says: str) -> None:
    (tmp_path / "scores.csv").write_text(HEAD + f1_rows([0.9], floor))
    with pytest.raises(DataError, match=f"line 2.*{says}"):
        read_scores(tmp_path / "scores.csv")


def test_a_floor_of_a_loss_is_below_the_constant(tmp_path: Path) -> None:
    rows = "news,gpt,theirs,ter,500,0,0.5,2.0,{}\n"
    head = HEAD.replace("floor", "floor,better")
    (tmp_path / "good.csv").write_text(head + rows.format("1.5,lower"))
    assert has_learned(read_scores(tmp_path / "good.csv")[0]) is True
    (tmp_path / "bad.csv").write_text(head + rows.format("2.5,lower"))
    with pytest.raises(DataError, match=r"floor 2\.5 is not better than a constant predictor's score"):
        read_scores(tmp_path / "bad.csv")


def test_rows_of_one_group_have_one_floor(tmp_path: Path) -> None:
    mixed = f1_rows(SPREAD[:3], "0.85") + f1_rows(SPREAD, "0.86").splitlines(keepends=True)[3]
    (tmp_path / "mixed.csv").write_text(HEAD + mixed)
    with pytest.raises(DataError, match=r"line 5: floor is 0\.86, but 0\.85 in line 2"):
        read_scores(tmp_path / "mixed.csv")
    other = f1_rows(SPREAD[:3], "0.85") + f1_rows(SPREAD[:3], "0.86", "another")
    (tmp_path / "two.csv").write_text(HEAD + other)
    assert len(read_scores(tmp_path / "two.csv")) == 6
