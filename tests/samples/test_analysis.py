"""What is said of a group of runs beside its gates: agreement, repeated seeds, grids of two seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import scipy

from stabbench.runs import RunRecord, Score
from stabbench.samples.agreement import RunWithPredictions
from stabbench.samples.analysis import Analysis, analyse, contrast
from stabbench.samples.comparison import NotComparable
from stabbench.samples.scores import Incomplete
from stabbench.samples.stability import Stability
from stabbench.spec import Seeds
from tests.leaderboard import generate

LABELS = np.repeat([0, 1], generate.COUNTS["mini-rte"])


def with_seeds(record: RunRecord, seeds: Seeds, replicate: int = 0) -> RunRecord:
    """Return a record as if it had been computed with other seeds."""
    assert record.spec is not None
    spec = record.spec.model_copy(update={"seeds": seeds, "replicate": replicate})
    return record.model_copy(
        update={"spec": spec, "key": spec.key, "seed": spec.seed, "replicate": replicate}
    )


def one(
    wrong: Iterable[int] = (), seeds: Seeds | int = 0, replicate: int = 0, sure: float = 3.0
) -> RunWithPredictions:
    """Return a run that is wrong in these rows."""
    record, arrays = generate.run("ours", "mini-rte", 0, kind="success")
    predictions = LABELS.copy()
    predictions[list(wrong)] ^= 1
    right = predictions == LABELS
    table = tuple(tuple(int(((i == LABELS) & (j == predictions)).sum()) for j in (0, 1)) for i in (0, 1))
    score = Score(value=float(right.mean()), step=120, confusion=table)
    record = record.model_copy(update={"last": score, "best": score, "evaluations": (), "arrays": None})
    record = with_seeds(record, Seeds.all(seeds) if isinstance(seeds, int) else seeds, replicate)
    arrays["logits"] = sure * np.eye(2)[predictions]
    return RunWithPredictions.from_arrays(record, arrays)


def crossed(heads: Iterable[int], orders: Iterable[int]) -> list[RunWithPredictions]:
    """Return Dodge et al.'s grid, with dropout following the order; the head is worth 20 rows a step."""
    orders = list(orders)
    return [
        one(range(20 * head + 3 * order + 5 * ((head + order) % 2)), seeds(head, order))
        for head in heads
        for order in orders
    ]


def seeds(head: int, order: int) -> Seeds:
    return Seeds(head=head, order=order, dropout=order, strategy=head)


def spread_of(scores: np.ndarray, chosen: Sequence[int]) -> float:
    """Return the t of absolute deviations from the median, of the chosen scores against the others."""
    inside = np.isin(np.arange(len(scores)), chosen)
    first, second = (abs(part - np.median(part)) for part in (scores[inside], scores[~inside]))
    return float(scipy.stats.ttest_ind(first, second).statistic)


def said(found: Analysis, beginning: str) -> list[str]:
    return [text for text in found.missing if text.startswith(beginning)]


def test_scores_are_those_of_the_sample() -> None:
    runs = [one(range(10 * seed), seed) for seed in range(8)] + [one(range(240), 8)]
    found, sample = analyse(runs).scores, Stability.from_records(run.record for run in runs)
    assert found is not None
    # the last run gives 497 of 500 rows one class, though its score is just above the constant's
    assert (found.runs, found.failed, found.collapsed) == (9, 0, 1)
    assert list(found.by_seed.values()) == list(sample.scores)
    assert (found.mean, found.std, found.max) == (sample.mean, sample.std, max(sample.scores))
    middle = sorted(sample.scores)[2:-2]
    assert found.interquartile_mean == pytest.approx(sum(middle) / len(middle))
    assert found.std_of_learned == np.std(sample.scores[:8], ddof=1)
    for low, high in found.failure_rate.values():
        assert low == 0 < high < 0.4


def test_rows_and_agreement_are_counted_by_hand() -> None:
    """Four runs: one row is wrong in one run, another in three, the other 498 in none."""
    runs = [one([5], 0), one([9], 1), one([9], 2), one([9], 3)]
    found = analyse(runs).all_runs
    assert found is not None
    assert found.right_in == (0, 1, 0, 1, 498)
    variance = 2 * (1 / 4 * 3 / 4) / 500
    assert found.per_point_stability == pytest.approx(variance)
    assert found.pairwise_disagreement == pytest.approx((2 * 3 / 6) / 500)
    # all four runs have one error, so their accuracy does not vary at all
    assert found.churn_ratio == 0
    assert found.jensen_shannon is not None
    assert 0 < found.jensen_shannon < found.pairwise_disagreement * np.log(2)
    assert analyse([one([], seed) for seed in range(3)]).all_runs.pairwise_disagreement == 0  # type: ignore[union-attr]


def test_churn_is_that_of_the_accuracy_whatever_the_metric() -> None:
    pairs = [generate.run("devlin", "mini-cola", seed, kind="success") for seed in range(6)]
    found = analyse([RunWithPredictions.from_arrays(*pair) for pair in pairs]).all_runs
    right = np.array([arrays["logits"].argmax(axis=1) == arrays["dev_labels"] for _, arrays in pairs])
    flips = right.var(axis=0, ddof=1).mean() / right.shape[1]
    assert found is not None
    assert found.churn_ratio == pytest.approx(right.mean(axis=1).var(ddof=1) / flips)


def test_runs_at_chance_have_no_std_of_learned() -> None:
    """None of them failed, none learned: no number, which JSON could not hold."""
    wrong = np.flatnonzero(LABELS == 0)[1:]  # one row more than the constant classifier has
    scores = analyse([one(wrong, seed) for seed in range(4)]).scores
    assert scores is not None
    assert (scores.failed, scores.std_of_learned) == (0, None)


def test_failed_runs_are_shown_apart() -> None:
    runs = [one([seed], seed) for seed in range(4)] + [one(np.flatnonzero(LABELS == 0), 4)]
    found = analyse(runs)
    assert found.scores is not None
    assert (found.scores.failed, found.scores.collapsed) == (1, 1)
    assert found.all_runs is not None
    assert found.successes is not None
    assert (found.all_runs.runs, found.successes.runs) == (5, 4)
    assert found.all_runs.per_point_stability > 10 * found.successes.per_point_stability  # type: ignore[operator]
    assert analyse(runs[:4]).successes is None


def test_an_archive_lacks_labels_and_logits_and_says_so() -> None:
    runs = [one([5], 0), one([9], 1), one([9, 11], 2)]
    thinned = [replace(run, labels=None, probabilities=None) for run in runs]
    full, found = analyse(runs).all_runs, analyse(thinned)
    assert full is not None
    assert found.all_runs is not None
    assert found.all_runs.per_point_stability == pytest.approx(full.per_point_stability)
    assert found.all_runs.churn_ratio == pytest.approx(full.churn_ratio)
    assert found.all_runs.fleiss_kappa == full.fleiss_kappa
    assert (found.all_runs.jensen_shannon, found.all_runs.right_in) == (None, None)
    assert len(said(found, "Jensen-Shannon")) == len(said(found, "rows right")) == 1


def test_scores_alone_say_what_is_missing() -> None:
    runs = [RunWithPredictions(one(range(seed), seed).record) for seed in range(5)]
    found = analyse(runs)
    assert found.scores is not None
    assert (found.all_runs, found.repeats, found.grids) == (None, None, ())
    assert [text.split(":")[0] for text in found.missing] == [
        "agreement",
        "same seed again",
        "head and order",
    ]


def test_a_diverged_run_is_counted_though_it_predicts_nothing() -> None:
    record, arrays = generate.run("ours", "mini-rte", 7, kind="diverged")
    found = analyse([one([1], 0), one([2], 1), RunWithPredictions.from_arrays(record, arrays)])
    assert found.scores is not None
    assert (found.scores.runs, found.scores.failed) == (3, 1)
    assert found.all_runs is not None
    assert found.all_runs.runs == 2
    assert said(found, "agreement") == ["agreement: 1 of 3 runs have no predictions"]


def test_equal_replicates_are_identical() -> None:
    runs = [one(range(10 * seed), seed, replicate) for seed in range(3) for replicate in range(2)]
    found = analyse([*runs, one([], 9)])
    assert found.repeats is not None
    assert (found.repeats.seeds, found.repeats.runs, found.repeats.identical) == (3, 6, 3)
    assert (found.repeats.same_seed_std, found.repeats.pairwise_disagreement) == (0, 0)
    assert found.repeats.seed_std == pytest.approx(10 / 500)
    assert found.scores is not None
    assert found.scores.runs == 4  # a replicate is no further run of the sample


def test_replicates_that_differ_are_told_from_seeds() -> None:
    runs = [one(range(50 * seed), seed) for seed in range(3)]
    runs += [one(range(50 * seed + 2 * (seed < 2)), seed, 1) for seed in range(3)]
    found = analyse(runs).repeats
    assert found is not None
    assert found.identical == 1
    assert found.same_seed_std == pytest.approx(((2 * (0.004**2 / 2)) / 3) ** 0.5)
    assert found.pairwise_disagreement == pytest.approx(0.004 * 2 / 3)
    assert found.seed_std == pytest.approx(0.1, rel=0.05)


def test_a_grid_of_head_and_order_seeds_is_split() -> None:
    found = analyse(crossed(range(3), range(4)))
    (grid,) = found.grids
    assert (grid.with_order, grid.heads, grid.orders) == (("dropout",), (0, 1, 2), (0, 1, 2, 3))
    assert grid.scores[2][1] == pytest.approx(1 - 48 / 500)
    assert grid.variance is not None
    assert grid.variance.head.share > 0.9
    assert grid.variance.head.p_value < 0.001  # type: ignore[operator]
    assert not said(found, "head and order")
    # the runs on the diagonal have one seed for all, and only they are the group's plain sample
    assert found.scores is not None
    assert found.scores.runs == 3


def test_a_grid_is_made_of_first_replicates() -> None:
    found = analyse([*crossed(range(2), range(2)), one(range(200), seeds(0, 1), replicate=1)])
    assert found.grids == analyse(crossed(range(2), range(2))).grids
    assert found.repeats is not None
    assert (found.repeats.seeds, found.repeats.seed_std) == (1, None)


def test_a_grid_with_holes_or_one_head_names_what_is_missing() -> None:
    whole = crossed(range(3), range(4))
    holes = analyse([run for run in whole if run.record.spec.seeds != seeds(1, 2)])  # type: ignore[union-attr]
    assert holes.grids[0].variance is None
    assert holes.grids[0].scores[1][2] is None
    assert "1 of 12 runs" in said(holes, "head and order")[0]
    assert "head seed 1 and order seed 2" in said(holes, "head and order")[0]
    single = analyse(crossed([0], range(4)))
    assert (single.grids[0].heads, single.grids[0].orders) == ((0,), (0, 1, 2, 3))
    assert "--stab-held-seed" in said(single, "head and order")[0]
    assert analyse(crossed([0], [1, 2])).scores is None


def test_grids_of_different_streams_are_not_mixed() -> None:
    order_only = [one([1], Seeds(head=h, order=o, dropout=h, strategy=h)) for h, o in ((0, 1), (1, 0))]
    found = analyse(crossed((0, 1), (0, 1)) + order_only)
    assert {grid.with_order for grid in found.grids} == {(), ("dropout",)}
    odd = analyse([one([1], Seeds(head=0, order=0, dropout=3, strategy=0)), one([2], 1)])
    assert "1 runs" in said(odd, "head and order")[0]


def test_two_groups_are_contrasted_by_their_scores() -> None:
    def sample(errors: Iterable[int], strategy: str = "ours") -> Stability:
        return replace(
            Stability.from_records(one(range(k), seed).record for seed, k in enumerate(errors)),
            strategy=strategy,
        )

    steady, shaky = sample([40, 41, 42, 43, 44], "a"), sample([0, 20, 42, 60, 90], "b")
    found = contrast(shaky, steady)
    scores = np.array([*shaky.scores, *steady.scores])
    wins = [(x > y) + (x == y) / 2 for x in shaky.scores for y in steady.scores]
    assert found.probability_of_improvement == pytest.approx(np.mean(wins))
    assert found.spread_statistic > 0
    divisions = [spread_of(scores, chosen) for chosen in combinations(range(10), 5)]
    as_extreme = np.mean([t >= found.spread_statistic - 1e-9 for t in divisions])
    assert found.spread_p_value == pytest.approx(as_extreme)
    assert contrast(steady, shaky).spread_p_value > 0.9
    lower = [
        Stability.from_records(
            run.model_copy(update={"metric": "energy", "better": "lower"}) for run in side.runs
        )
        for side in (shaky, steady)
    ]
    mirrored = contrast(*lower)
    assert mirrored.probability_of_improvement == pytest.approx(1 - found.probability_of_improvement)
    assert mirrored.spread_p_value == pytest.approx(found.spread_p_value)
    assert contrast(steady, steady).probability_of_improvement == 0.5
    with pytest.raises(Incomplete):
        contrast(replace(shaky, planned_seeds=(*shaky.planned_seeds, 99)), steady)
    cola = Stability.from_records(generate.run("ours", "mini-cola", s)[0] for s in range(5))
    with pytest.raises(NotComparable):
        contrast(shaky, cola)
