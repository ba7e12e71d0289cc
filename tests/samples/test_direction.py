"""Lower is better: negated scores with the direction flipped give the same verdicts, orders and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stabbench.errors import StabbenchError
from stabbench.runs import RunRecord, Score, Store
from stabbench.runs.checks import imported
from stabbench.samples.archive import read_archive, write_archive
from stabbench.samples.baselines import read_baseline, write_baseline
from stabbench.samples.collection import Collection, RunWithTraces, Traces
from stabbench.samples.failed import is_failed
from stabbench.samples.stability import Stability
from stabbench.spec import Direction
from stabbench.statistics import Outcome

CONSTANT = 2.3


def scored(
    scores: Sequence[float | None],
    constant: float = CONSTANT,
    better: Direction = "lower",
    metric: str = "loss",
    strategy: str = "theirs",
    best: Sequence[float] | None = None,
    floor: float | None = None,
) -> list[RunRecord]:
    """Return imported runs, seeds from 0 on; ``None`` is a diverged one.

    The floor is by default so near to the constant that a run learned that did not fail.
    """
    hair = 1e-8 if better == "higher" else -1e-8
    return [
        RunRecord(
            key=f"{strategy}{seed}{score}",  # what is stored has the digests: ``imported``
            group=strategy,
            task="news",
            model="gpt",
            strategy=strategy,
            seed=seed,
            spec=None,
            metric=metric,
            better=better,
            constant=constant,
            n_dev=500,
            status="diverged" if score is None else "completed",
            reason="NaN" if score is None else None,
            last=Score(value=constant if score is None else score, step=0),
            best=Score(value=(scores if best is None else best)[seed] or constant, step=0),
            created="2025-01-01T00:00:00+00:00",
            imported_from="a file",
            floor=constant + hair if floor is None else floor,
        )
        for seed, score in enumerate(scores)
    ]


def sample(scores: Sequence[float | None], **changes: Any) -> Stability:
    return Stability.from_records(scored(scores, **changes))


def spread(low: float, high: float, n: int = 25) -> list[float]:
    return [low + (high - low) * ((7 * seed) % n) / n for seed in range(n)]


SCORES = st.lists(st.none() | st.integers(-30, 60).map(lambda number: number / 16), min_size=3, max_size=30)


def mirrored(scores: list[float | None]) -> list[float | None]:
    return [None if score is None else -score for score in scores]


def pair(scores: list[float | None], strategy: str, constant: float) -> tuple[Stability, Stability]:
    """Return a sample of which the higher score is better, and its mirror image."""
    return (
        sample(scores, better="higher", metric="gain", strategy=strategy, constant=constant),
        sample(mirrored(scores), better="lower", metric="pain", strategy=strategy, constant=-constant),
    )


@example([1 / 16, 2 / 16, 3 / 16], [1 / 16, 1 / 16, 3 / 16, 10 / 16, 11 / 16, 11 / 16], 0.0, 0.0)
@given(SCORES, SCORES, st.integers(-20, 30).map(lambda n: n / 16), st.integers(-20, 60).map(lambda n: n / 16))
def test_negated_scores_with_the_direction_flipped_give_the_same_verdicts(
    a: list[float | None], b: list[float | None], constant: float, wanted: float
) -> None:
    higher_a, lower_a = pair(a, "a", constant)
    higher_b, lower_b = pair(b, "b", constant)
    assert higher_a.failed_seeds == lower_a.failed_seeds
    for one, other in (
        (higher_a.few_failures(0.2), lower_a.few_failures(0.2)),
        (higher_a.few_collapses(0.2), lower_a.few_collapses(0.2)),
        (higher_a.close_scores(0.5), lower_a.close_scores(0.5)),
        (higher_a.close_scores(0.5, scope="all"), lower_a.close_scores(0.5, scope="all")),
    ):
        assert one.evidence == other.evidence
    steadier, mirror = higher_a.steadier_than(higher_b).evidence, lower_a.steadier_than(lower_b).evidence
    words = mirror.reason.replace("higher, and so worse,", "lower")
    assert steadier == replace(mirror, reason=words)
    mean, mirror = higher_a.good_mean(wanted).evidence, lower_a.good_mean(at_most=-wanted).evidence
    assert (mean.outcome, mean.seeds_needed) == (mirror.outcome, mirror.seeds_needed)
    if mean.value is not None:
        assert (mean.value, mean.lower, mean.upper) == (-mirror.value, -mirror.upper, -mirror.lower)
    worse, mirror = higher_a.no_regression(higher_b).evidence, lower_a.no_regression(lower_b).evidence
    assert (worse.outcome, worse.p_value, worse.seeds_needed) == (
        mirror.outcome,
        mirror.p_value,
        mirror.seeds_needed,
    )
    assert (higher_a.mean, higher_a.median, higher_a.best) == (-lower_a.mean, -lower_a.median, -lower_a.best)
    assert higher_a.expected_best(2) == -lower_a.expected_best(2)
    assert higher_a.scores == tuple(-score for score in lower_a.scores)


def test_runs_that_lose_to_the_constant_are_failed_and_never_steadier() -> None:
    """The audit's case: 25 runs at a loss of 2.9 where the constant predictor has 2.3."""
    bad = sample([2.9 + seed / 1000 for seed in range(25)], strategy="bad")
    good = sample(spread(1.2, 1.6), strategy="good")
    assert bad.failed == 25
    assert bad.few_failures(at_most=0.2).outcome is Outcome.FAIL
    assert bad.steadier_than(good).outcome is Outcome.FAIL
    assert good.steadier_than(bad)
    assert bad.no_regression(good).outcome is Outcome.FAIL
    assert good.few_failures(at_most=0.2)
    assert (good.best, good.max) == (min(good.scores), max(good.scores))


@given(
    st.lists(st.floats(2.3, 9), min_size=8, max_size=25), st.lists(st.floats(0, 9), min_size=8, max_size=25)
)
def test_failed_runs_are_never_certified(worse: list[float], any_scores: list[float]) -> None:
    bad, other = sample(worse, strategy="bad"), sample(any_scores, strategy="other")
    assert bad.few_failures(at_most=0.2).outcome is Outcome.FAIL
    assert not bad.steadier_than(other)


def test_a_lower_mean_loss_is_no_regression_and_a_higher_one_is() -> None:
    before = sample(spread(1.2, 1.4), strategy="before")
    assert sample(spread(1.0, 1.2), strategy="after").no_regression(before)
    verdict = sample(spread(1.5, 1.7), strategy="after").no_regression(before)
    assert verdict.outcome is Outcome.FAIL
    assert "in mean: 0/25 at chance against 0/25 at chance, learned runs 1.596 +-" in verdict.evidence.reason
    assert verdict.evidence.details["mean"] == pytest.approx(1.596)


def test_the_bound_of_a_mean_is_named_by_its_direction() -> None:
    losses = sample(spread(1.2, 1.4))
    verdict = losses.good_mean(at_most=1.5)
    assert verdict
    assert "mean 1.296 over 25 runs: 1.276 to 1.316 fits; wanted 1.5" in verdict.summary
    assert verdict.evidence.details["at_most"] == 1.5
    assert losses.good_mean(at_most=1.1).outcome is Outcome.FAIL
    with pytest.raises(StabbenchError, match=r"of loss the lower score is better.*\n.*at_most="):
        losses.good_mean(at_least=1.0)
    gains = sample(spread(0.6, 0.8), better="higher", metric="gain", constant=0.5)
    with pytest.raises(StabbenchError, match=r"the higher score is better.*\n.*at_least="):
        gains.good_mean(at_most=0.9)
    with pytest.raises(StabbenchError, match="takes at_least"):
        gains.good_mean()


def test_the_best_checkpoint_is_judged_in_its_direction() -> None:
    runs = scored([2.9, 1.2], best=[1.1, 1.2])
    assert [is_failed(run) for run in runs] == [True, False]
    assert [is_failed(run, "best") for run in runs] == [False, False]


def one_score(run: RunRecord) -> RunRecord:
    return run.model_copy(update={"best": run.last})


def test_records_archives_and_baselines_keep_the_direction(tmp_path: Path) -> None:
    runs = [imported(one_score(run)) for run in scored(spread(1.2, 1.4), metric="ter", strategy="own")]
    store = Store(tmp_path / "store")
    for run in runs:
        store.write(run)
    assert {run.better for run in store.records()} == {"lower"}
    write_archive(Collection(tuple(RunWithTraces(run, Traces()) for run in runs)), tmp_path / "a.jsonl.gz")
    assert {run.record.better for run in read_archive(tmp_path / "a.jsonl.gz").runs} == {"lower"}
    write_baseline(tmp_path / "b.jsonl", [Stability.from_records(runs)])
    (group,) = read_baseline(tmp_path / "b.jsonl").groups()
    assert group.metric.better == "lower"
    assert group.best == min(run.last.value for run in runs)


def test_samples_of_two_directions_are_not_compared() -> None:
    one = sample(spread(1.2, 1.4), metric="ter", strategy="one")
    other = sample(spread(1.2, 1.4), metric="ter", better="higher", strategy="other")
    with pytest.raises(StabbenchError, match="better lower -> higher"):
        one.steadier_than(other)


def test_a_record_of_a_metric_that_0_1_0_did_not_know_is_read_as_higher_is_better() -> None:
    data = json.loads(scored([0.7], better="higher", metric="chrf", constant=0.5)[0].model_dump_json())
    del data["better"]
    run = RunRecord.model_validate(data)
    assert run.better == "higher"
    assert not is_failed(run)
    assert is_failed(run.model_copy(update={"metric": "eval_loss"}))  # which it judged upside down
