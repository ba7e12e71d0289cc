"""Gates: three-valued, true only when PASS, with evidence; curtailed grids and second looks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stabbench import statistics
from stabbench.errors import StabbenchError
from stabbench.runs import Score
from stabbench.samples.comparison import NotComparable
from stabbench.samples.scores import Incomplete
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome, Sample
from tests.samples.records import MAJORITY, SHAKY, STEADY, N, record, records


def sample(corrects: list[int | None], **changes: Any) -> Stability:
    return Stability.from_records(records(corrects, **changes))


def test_steady_runs_pass_and_shaky_ones_fail() -> None:
    steady, shaky = sample(STEADY), sample(SHAKY, strategy="devlin")
    assert steady.few_failures(at_most=0.2)
    assert steady.close_scores(within=0.03)
    assert steady.good_mean(at_least=0.6)
    assert steady.few_collapses(at_most=0.2)
    assert steady.steadier_than(shaky)
    assert steady.verdict is Outcome.PASS
    verdict = shaky.few_failures(at_most=0.2)
    assert not verdict
    assert verdict.outcome is Outcome.FAIL
    assert shaky.close_scores(within=0.03).outcome is Outcome.FAIL
    assert shaky.good_mean(at_least=0.7).outcome is Outcome.FAIL
    assert shaky.steadier_than(steady).outcome is Outcome.FAIL
    assert shaky.verdict is Outcome.FAIL


def test_an_inconclusive_verdict_is_not_true_and_says_how_many_seeds_would_decide() -> None:
    few = sample(STEADY[:10])
    verdict = few.few_failures(at_most=0.2)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert not verdict
    assert verdict.evidence.seeds_needed == 20  # .8 ** 20 <= .05 / 4, the second look's level
    assert "to decide: the same pytest command with --stab-more-seeds 20" in verdict.summary
    with pytest.raises(AssertionError, match="INCONCLUSIVE failures: 0 of 10 runs failed"):
        assert few.few_failures(at_most=0.2), verdict.summary


@given(st.lists(st.one_of(st.none(), st.integers(0, N)), min_size=3, max_size=30), st.floats(0.05, 0.49))
@example([None, None, 151], 0.4)
@example([151, 152, 153], 0.4)
def test_gates_give_the_exact_procedures_verdicts(corrects: list[int | None], limit: float) -> None:
    stability = sample(corrects)
    failed = [correct is None or correct <= MAJORITY for correct in corrects]
    scores = [MAJORITY / N if correct is None else correct / N for correct in corrects]
    # every row of the majority is right, and six of the others are 2 % of all: no collapse, and p = 2 ** -6
    learned = [correct is not None and correct >= MAJORITY + 6 for correct in corrects]
    plain = Sample.of(
        scores,
        failed,
        list(range(len(corrects))),
        learned=learned,
        scale=100,
        range=(0, 1),
        constant=MAJORITY / N,
    )
    assert stability.few_failures(limit).evidence == statistics.failures_gate(plain, limit)
    assert stability.few_at_chance(limit).evidence == statistics.at_chance_gate(plain, limit)
    assert stability.few_worse_than(0.6, limit).evidence == statistics.floor_gate(plain, 0.6, limit)
    assert stability.close_scores(limit).evidence == statistics.spread_gate(plain, limit)
    assert stability.good_mean(limit).evidence == statistics.mean_gate(plain, limit)
    assert stability.close_scores(limit, scope="all").evidence == statistics.spread_gate(
        plain, limit, scope="all"
    )
    assert stability.good_mean(limit, scope="all").evidence == statistics.mean_gate(plain, limit, scope="all")


def test_the_verdict_on_all_runs_does_not_depend_on_what_was_asked_before() -> None:
    """Where all of 25 learned up to 15 % of all may be at chance: the spread may be 0.06, not 0.1."""
    for within, outcome in ((0.03, Outcome.INCONCLUSIVE), (0.1, Outcome.PASS), (0.005, Outcome.FAIL)):
        alone, after = sample(STEADY), sample(STEADY)
        after.few_failures(at_most=0.2)
        after.few_failures(at_most=0.001)
        verdict = alone.close_scores(within, scope="all")
        assert verdict.outcome is outcome
        assert verdict.evidence == after.close_scores(within, scope="all").evidence


def test_verdicts_are_kept_in_order_as_plain_scalars() -> None:
    stability = sample(STEADY)
    stability.few_failures(at_most=0.1)
    stability.good_mean(at_least=0.6)
    assert [v.evidence.gate for v in stability.verdicts] == ["failures", "mean"]
    for verdict in stability.verdicts:
        found = verdict.evidence.to_json()
        for value in [*found.pop("details").values(), *found.values()]:
            assert value is None or type(value) in (str, int, float, bool)


def test_steadier_names_the_strategies_and_refuses_other_data() -> None:
    steady = sample(STEADY)
    summary = steady.steadier_than(sample(SHAKY, strategy="devlin")).summary
    assert summary.startswith("PASS steadier: ours is steadier than devlin: 0/25 at chance against ")
    with pytest.raises(NotComparable, match=r"task\.fingerprint f1 -> f2"):
        steady.steadier_than(sample(SHAKY, strategy="devlin", data={"fingerprint": "f2"}))
    other = sample(SHAKY, revision="r2")
    assert steady.steadier_than(other).outcome is Outcome.PASS  # another model may be less steady


def test_as_steady_as_is_for_swapped_devices_and_names_them() -> None:
    old = sample(STEADY * 4, environment={"device": "cpu", "threads": 1})
    new = sample(STEADY * 4, environment={"device": "cuda", "threads": 1})
    verdict = new.as_steady_as(old)
    assert verdict
    assert verdict.summary.startswith(
        "PASS equivalence: ours is as steady as the other ours; 0/100 at chance "
    )
    assert "cuda" in verdict.summary
    assert "points: a ratio of spreads of 0." in verdict.summary
    shaky = sample(SHAKY * 4, strategy="devlin")
    assert new.as_steady_as(shaky).outcome is shaky.as_steady_as(new).outcome is Outcome.FAIL
    few = sample(STEADY).as_steady_as(sample(STEADY), ratio=1.2)
    assert few.outcome is Outcome.INCONCLUSIVE
    assert few.evidence.seeds_needed
    assert sample(STEADY).as_steady_as(sample(STEADY), ratio=2)
    with pytest.raises(NotComparable):
        new.as_steady_as(sample(STEADY, data={"fingerprint": "f2"}))


def test_as_steady_as_has_two_looks_like_every_gate() -> None:
    first = sample(STEADY[:10])
    first.more, first.looks = lambda: sample(STEADY * 4), 2
    verdict = first.as_steady_as(sample(STEADY * 4))
    assert verdict.outcome is Outcome.PASS
    assert "(look 2 of 2, " in verdict.summary


def collapsed(seed: int, correct: int) -> Any:
    """A run that beats the majority by a hair and predicts one class nearly always."""
    score = Score(value=correct / N, step=1, confusion=((146, 0), (N - correct, correct - 146)))
    return record(seed, correct).model_copy(update={"last": score})


def test_collapsed_runs_that_did_not_fail_are_caught() -> None:
    runs = [*records(STEADY[:13]), *(collapsed(seed, 147 + seed % 3) for seed in range(13, 25))]
    stability = Stability.from_records(runs)
    assert stability.few_failures(at_most=0.2)
    verdict = stability.few_collapses(at_most=0.2)
    assert verdict.outcome is Outcome.FAIL
    assert "12 of 25 runs collapsed" in verdict.summary


def test_records_that_cannot_tell_of_a_collapse_never_pass_but_failures_still_fail() -> None:
    def blind(correct: int | None, seed: int) -> Any:
        run = record(seed, correct)
        return run.model_copy(update={"last": Score(value=run.last.value, step=1)})

    steady = Stability.from_records([blind(c, seed) for seed, c in enumerate(STEADY)])
    verdict = steady.few_collapses(at_most=0.2)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "25 of 25 records have neither predictions nor training losses" in verdict.summary
    shaky = Stability.from_records([blind(c, seed) for seed, c in enumerate(SHAKY)])
    assert shaky.few_collapses(at_most=0.2).outcome is Outcome.FAIL


@given(st.lists(st.booleans(), min_size=3, max_size=30), st.integers(0, 30), st.floats(0.05, 0.5))
def test_a_stopped_grid_has_the_verdict_of_the_whole_grid(failed: list[bool], run: int, limit: float) -> None:
    corrects: list[int | None] = [None if bad else 180 + n for n, bad in enumerate(failed)]
    whole = sample(corrects)
    part = Stability.from_records(records(corrects[: max(1, run)]), range(len(failed)))
    part.stopped_early = True
    if part.is_certain_to_fail(limit):
        verdict = part.few_failures(limit)
        assert verdict.outcome is whole.few_failures(limit).outcome is Outcome.FAIL
        if not part.complete:
            assert verdict.evidence.details["stopped_early"] is True
    elif not part.complete:
        with pytest.raises(Incomplete):
            part.few_failures(limit)


def test_a_stopped_grid_says_what_was_not_run_and_judges_nothing_else() -> None:
    part = Stability.from_records(records([146] * 9 + STEADY[:3]), range(25))
    with pytest.raises(Incomplete):
        part.few_failures(at_most=0.2)  # incomplete for another reason than early stop
    part.stopped_early = True
    verdict = part.few_failures(at_most=0.2)
    assert verdict.outcome is Outcome.FAIL
    assert "9 of the first 12 runs failed, 9 of 25 are enough" in verdict.summary
    assert "13 seeds not run" in verdict.summary
    assert verdict.evidence.lower is None
    with pytest.raises(Incomplete, match="stopped early"):
        part.close_scores(within=0.03)
    assert not Stability.from_records(records([146] * 8), range(25)).is_certain_to_fail(0.2)
    assert Stability.from_records(records([146] * 9), range(25)).is_certain_to_fail(0.2)


def two_looks(first: list[int | None], rest: list[int | None]) -> Stability:
    calls: list[int] = []

    def more() -> Stability:
        calls.append(1)
        larger = sample(first + rest)
        larger.looks = 2
        return larger

    stability = sample(first)
    stability.more, stability.looks = more, 2
    stability.calls = calls  # type: ignore[attr-defined]
    return stability


def test_more_seeds_are_run_only_for_an_undecided_gate_and_the_looks_share_the_alpha() -> None:
    stability = two_looks(list(STEADY[:10]), list(STEADY[10:]))
    assert stability.close_scores(within=0.06)
    assert stability.calls == []
    assert stability.verdicts[0].evidence.details["alpha"] == pytest.approx(0.0375)
    verdict = stability.few_failures(at_most=0.2)  # ten clean seeds cannot pass, 25 can
    assert verdict
    assert stability.calls == [1]
    assert verdict.evidence.details["alpha"] == pytest.approx(0.0125)
    assert verdict.evidence.details["n"] == 25
    assert verdict.evidence.details["look"] == 2
    assert "look 2 of 2, at alpha 0.0125" in verdict.summary
    assert stability.judged.planned == 25
    assert stability.planned == 10


def test_the_second_look_takes_more_seeds_of_both_strategies() -> None:
    ours = two_looks(list(STEADY[:5]), list(STEADY[5:]))
    devlin = two_looks(list(SHAKY[:5]), list(SHAKY[5:]))
    verdict = ours.steadier_than(devlin)
    assert verdict
    assert verdict.evidence.details["n_a"] == verdict.evidence.details["n_b"] == 25


def test_no_second_look_for_a_decided_fail() -> None:
    stability = two_looks([146] * 10, list(STEADY[10:]))
    assert stability.few_failures(at_most=0.2).outcome is Outcome.FAIL
    assert stability.calls == []


def test_no_regression_judges_another_recipe_and_names_it() -> None:
    baseline = sample(STEADY)
    again = sample(STEADY)
    verdict = again.no_regression(baseline)
    assert verdict
    assert "IDENTICAL" in verdict.summary
    assert verdict.evidence.details["changed"] == "nothing"
    worse = sample(SHAKY, recipe={"bias_correction": False}, source="a" * 64)
    verdict = worse.no_regression(baseline)
    assert verdict.outcome is Outcome.FAIL
    assert "recipe.bias_correction True -> False" in verdict.summary
    assert "strategy.source s1 -> aaaaaaaa.." in verdict.summary


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"data": {"fingerprint": "f2"}}, r"task\.fingerprint f1 -> f2"),
        ({"data": {"train_size": 1000}}, r"task\.train_size 1000 -> None|task\.train_size None -> 1000"),
        ({"data": {"metric": "f1"}}, r"task\.metric"),
        ({"revision": "r2"}, r"model\.revision"),
    ],
)
def test_a_baseline_of_other_data_or_model_is_refused_with_the_fields(changes: Any, field: str) -> None:
    baseline = sample(STEADY)
    with pytest.raises(NotComparable, match=field):
        sample(STEADY, **changes).no_regression(baseline)


def test_a_change_of_environment_is_reported() -> None:
    baseline = sample(STEADY, environment={"device": "cpu", "torch": "2.8"})
    found = sample(STEADY, environment={"device": "cpu", "torch": "2.9"}).no_regression(baseline)
    assert found.evidence.details["changed"] == "environment.torch 2.8 -> 2.9"


def test_a_small_baseline_judges_nothing() -> None:
    verdict = sample(SHAKY).no_regression(sample(STEADY[:20]))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "the baseline has 20 runs, fewer than 25" in verdict.summary


@pytest.mark.parametrize(
    ("at_most", "hint"), [(20, "did you mean 0.2"), (1.0, "write 0.2"), (-1, "write 0.2")]
)
def test_an_allowance_is_a_share(at_most: float, hint: str) -> None:
    stability = Stability.from_records(records(STEADY))
    for gate in (stability.few_failures, stability.few_collapses):
        with pytest.raises(StabbenchError, match=rf"at_most={at_most:g} is no share(?s:.*){hint}"):
            gate(at_most)
