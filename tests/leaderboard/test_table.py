from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import combinations, permutations
from math import comb
from statistics import fmean, median, stdev

import numpy as np
import pytest
import scipy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench.leaderboard import page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.data import to_csv, to_json
from stabbench.leaderboard.latex import render as latex
from stabbench.leaderboard.markdown import render as markdown
from stabbench.leaderboard.pictures import pictures
from stabbench.leaderboard.table import Row, State
from stabbench.runs import Score
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.traces import thin
from stabbench.spec import Direction
from tests.leaderboard.generate import collection, run, runs
from tests.statistics.plain_mixture import plain_bounds


def everything(board: Board) -> list[str]:
    drawn = pictures(board)
    texts = [markdown(board, drawn), to_csv(board), to_json(board), latex(board)]
    return [*texts, page.render_comparable(board), *(picture.fingerprint for picture in drawn)]


MIXED = [
    *runs(["ours", "devlin", "mixout"], ["mini-rte", "mini-cola"], range(8)),
    *runs(["elsewhere"], ["mini-rte"], range(5), imported=True),
    *runs(["ours@learning_rate=0.001"], ["mini-rte"], range(4), changes={"learning_rate": 1e-3}),
    RunWithTraces(*(lambda made: (made[0], thin(made[1])))(run("devlin", "mini-rte", 30, kind="diverged"))),
]
EXPECTED = everything(build(collect([Collection(tuple(MIXED))])))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(0, len(MIXED)))
def test_the_order_of_the_records_changes_nothing(rng: random.Random, cut: int) -> None:
    shuffled = list(MIXED)
    rng.shuffle(shuffled)
    parts = [Collection(tuple(shuffled[:cut])), Collection(tuple(shuffled[cut:]))]
    assert everything(build(collect(parts))) == EXPECTED


def test_every_number_is_what_numpy_and_scipy_give(board: Board) -> None:
    """The numbers of each row, from the records alone and by other means than the code's."""
    assert len(board.rows) == 15
    for row in board.rows:
        found = row.runs.runs
        scores = [one.record.last.value for one in found]
        n = len(scores)
        # in the generated runs, what fails has the constant classifier's score
        failed = [score == one.record.constant for score, one in zip(scores, found, strict=True)]
        k = sum(failed)
        share = scipy.stats.binomtest(k, n).proportion_ci(0.90, "exact")
        assert (row.failed, row.finished) == (k, n) == (k, 25)
        assert row.values["failed"] == pytest.approx((k, share.low, share.high))

        learned = list(row.sample.learned)
        plain = (
            plain_bounds(scores, learned, found[0].record.constant, row.scored_by.range)
            if any(learned)
            else None
        )
        mean, std = (plain[:2], plain[2:]) if plain else [(None, None)] * 2
        assert row.values["mean"] == pytest.approx((fmean(scores), *mean))
        assert row.values["std"] == pytest.approx((stdev(scores), *std))
        good = [score for score, flag in zip(scores, learned, strict=True) if flag]
        assert row.values["std_learned"] == pytest.approx(stdev(good), abs=1e-12)

        assert row.values["best"] == max(scores)
        peaks = [one.record.best.value for one in found]
        assert row.values["mean_best_checkpoint"] == pytest.approx(fmean(peaks))
        # in the generated runs, what did not fail is far above the constant classifier
        assert (row.learned, row.values["at_chance"]) == (n - k, pytest.approx((k, share.low, share.high)))
        for place, tries in enumerate((1, 5, 10)):
            subsets = [comb(below, tries) / comb(n, tries) for below in range(n)]
            draws = [(below / n) ** tries for below in range(n)]
            assert row.values["expected_max"][place] == pytest.approx(expected_largest(scores, subsets))
            assert row.values["expected_max_dodge"][place] == pytest.approx(expected_largest(scores, draws))

        upper = scipy.stats.beta.ppf(0.95, k + 1, n - k)
        lower = scipy.stats.beta.ppf(0.05, k, n - k + 1) if k else 0.0
        assert row.verdict == ("PASS" if upper <= 0.2 else "FAIL" if lower > 0.2 else "INCONCLUSIVE")

        predictions = [one.traces.predictions for one in found]
        differ = [np.not_equal(*pair).mean() for pair in combinations(predictions, 2)]
        assert row.values["disagreement"] == pytest.approx(fmean(differ))
        labels = np.repeat([0, 1], found[0].record.dev_counts)
        right = np.equal(predictions, labels).mean(axis=0)
        assert row.values["per_point"] == pytest.approx((right * (1 - right)).mean())
        assert row.values["seconds"] == pytest.approx(median(one.record.seconds for one in found))


def expected_largest(scores: list[float], below: list[float]) -> float:
    """Return the mean of a largest score that is among the lowest i scores with probability below[i]."""
    ordered = sorted(scores)
    steps = np.diff(ordered, prepend=0)  # the largest is at least x_(i+1) unless it is among the lowest i
    return float(sum(step * (1 - chance) for step, chance in zip(steps, below, strict=True)))


def test_the_star_is_brown_forsythe_against_the_next_larger_spread(board: Board) -> None:
    raw = {}
    for task in board.tasks("mini-bert"):
        rivals = sorted(
            (r for r in board.rows if r.task == task and r.verdict != "FAIL"), key=lambda r: stdev(learned(r))
        )
        raw[rivals[0].group] = scipy.stats.levene(*map(learned, rivals[:2]), center="median").pvalue
    falling = sorted(raw.items(), key=lambda item: item[1])
    adjusted, least = {}, 0.0
    for place, (group, p) in enumerate(falling):
        least = max(least, p * (len(falling) - place))
        adjusted[group] = least
    starred = {row.group: row.star_p for row in board.rows if row.star_p is not None}
    assert starred == pytest.approx(adjusted)
    marks = {
        row.group: "★" if p <= 0.001 else "*" if p <= 0.05 else ""
        for row in board.rows
        for p in [adjusted.get(row.group, 1.0)]
    }
    assert {row.group: row.star for row in board.rows} == marks
    assert "★" in marks.values()
    assert all(row.star == "" for row in board.rows if row.group not in adjusted)


def learned(row: Row) -> list[float]:
    """Return the scores of the runs that learned: in the generated ones all but the constant's score."""
    scores = [one.record.last.value for one in row.runs.runs]
    return [score for score in scores if score != row.constant]


def test_the_best_and_its_equals_are_marked(board: Board) -> None:
    near = {(row.task, row.strategy) for row in board.rows if row.near_best}
    assert {(task, "ours") for task in board.tasks("mini-bert")} <= near
    assert not any(strategy == "devlin" for _, strategy in near)


def one_row(runs_: list[RunWithTraces], plan: Plan | None = None) -> Row:
    plans = {} if plan is None else {runs_[0].record.group: plan}
    (row,) = build(collect([Collection(tuple(runs_), plans)])).rows
    return row


def test_runs_add_up_and_an_errored_run_leaves_no_verdict() -> None:
    some = runs(["ours"], ["mini-rte"], range(21))
    row = one_row(some, Plan(seeds=tuple(range(25)), errored={21: "crash", 22: "time-out"}))
    assert (row.planned, row.finished, row.errored, row.missing) == (25, 21, 2, 2)
    assert (row.state, row.verdict, row.near_best, row.star) == (State.INCOMPLETE, "INCOMPLETE", None, "")


@settings(max_examples=25, deadline=None)
@given(
    st.sets(st.integers(0, 30), min_size=1, max_size=12),
    st.sets(st.integers(0, 30), max_size=8),
    st.sets(st.integers(0, 30), max_size=8),
)
def test_planned_is_finished_plus_errored_plus_missing(
    finished: set[int], errored: set[int], planned: set[int]
) -> None:
    plan = Plan(seeds=tuple(planned), errored=dict.fromkeys(errored, "crash"))
    row = one_row(runs(["devlin"], ["mini-rte"], finished, bare=True), plan)
    assert row.planned == row.finished + row.errored + row.missing == len(finished | errored | planned)
    assert row.finished == len(finished)
    assert row.failed <= row.finished
    assert (row.verdict == "INCOMPLETE") == (row.errored + row.missing > 0 and row.state is not State.STOPPED)


def test_a_grid_that_was_stopped_early_shows_its_verdict_and_nothing_biased() -> None:
    some = [RunWithTraces(run("devlin", "mini-rte", seed, kind="failed")[0], thin({})) for seed in range(9)]
    row = one_row(some, Plan(seeds=tuple(range(25))))
    assert (row.state, row.verdict, row.failed, row.missing) == (State.STOPPED, "FAIL", 9, 16)
    assert (row.mean, row.std, row.best, row.near_best) == (None,) * 4
    assert row.values["expected_max"] == row.values["expected_max_dodge"] == (None,) * 3
    assert row.values["mean"] == row.values["std"] == (None,) * 3
    board = build(collect([Collection(tuple(some), {row.group: Plan(seeds=tuple(range(25)))})]))
    assert "9/9 ✘" in markdown(board)
    assert "§ stopped early" in " ".join(board.footnotes)


def test_a_grid_that_a_stricter_gate_stopped_is_marked_so_too() -> None:
    some = [RunWithTraces(run("devlin", "mini-rte", seed, kind="failed")[0], thin({})) for seed in range(4)]
    row = one_row(some, Plan(seeds=tuple(range(25)), stopped=True))
    assert (row.state, row.verdict, row.mean, row.missing) == (State.STOPPED, "INCONCLUSIVE", None, 21)


def test_few_seeds_are_not_ranked() -> None:
    board = build(collection(["ours", "devlin"], ["mini-rte"], range(19)))
    assert {(row.state, row.near_best, row.star) for row in board.rows} == {(State.SMALL, None, "")}
    assert "†" in markdown(board)


def test_a_strategy_that_always_fails_is_neither_best_nor_starred() -> None:
    bad = [RunWithTraces(run("devlin", "mini-rte", s, kind="failed")[0], thin({})) for s in range(25)]
    good = runs(["mixout"], ["mini-rte"], range(25))
    rows = {row.strategy: row for row in build(collect([Collection((*bad, *good))])).rows}
    assert rows["devlin"].std == 0
    assert (rows["devlin"].star, rows["devlin"].near_best, rows["devlin"].verdict) == ("", False, "FAIL")
    assert rows["mixout"].near_best


def test_runs_of_another_recipe_or_task_are_never_mixed() -> None:
    ordinary = runs(["ours"], ["mini-rte"], range(3))
    other = runs(["ours"], ["mini-rte"], range(3), changes={"epochs": 9})
    elsewhere = runs(["ours"], ["mini-rte"], range(3), imported=True)
    rows = build(collect([Collection((*ordinary, *other, *elsewhere))])).rows
    assert [row.finished for row in rows] == [3, 3, 3]
    assert len({(row.model, row.task, row.strategy) for row in rows}) == 3
    # an imported score is not known to be of the same dev rows
    assert {row.task for row in rows} == {"mini-rte", "mini-rte (imported)"}


def test_same_seed_repeats_are_set_aside_and_mentioned() -> None:
    some = runs(["ours"], ["mini-rte"], range(3))
    record = some[0].record
    assert record.spec is not None
    spec = record.spec.model_copy(update={"replicate": 1})
    repeat = record.model_copy(update={"spec": spec, "key": spec.key, "replicate": 1})
    board = build(collect([Collection((*some, RunWithTraces(repeat, thin({}))))]))
    assert board.rows[0].finished == 3
    assert any(note.startswith("Same-seed repeats") and "1." in note for note in board.footnotes)


def test_intermediate_runs_are_no_rows_but_mentioned() -> None:
    (start,) = runs(["bias-correction"], ["mini-cola"], [0])
    made = []
    for one in runs(["intermediate"], ["mini-rte"], range(3)):
        assert one.record.spec is not None
        spec = one.record.spec.change(start=start.record.spec)
        change = {"spec": spec, "key": spec.key, "group": spec.group}
        made.append(RunWithTraces(one.record.model_copy(update=change), one.traces))
    board = build(collect([Collection((start, *made))]))
    assert [(row.task, row.finished) for row in board.rows] == [("mini-rte", 3)]
    assert any(note.startswith("Intermediate runs") and "1." in note for note in board.footnotes)


def test_footnotes_name_dates_devices_and_versions(board: Board) -> None:
    notes = " ".join(board.footnotes)
    for part in (
        "ddof = 1",
        "centre = median",
        "dev set",
        "2026-01-01 to 2026-01-09",
        "Test CPU",
        "torch 2.13.0",
    ):
        assert part in notes


def test_errors_without_any_finished_run_are_mentioned() -> None:
    board = build(Collection(tuple(runs(["ours"], ["mini-rte"], range(2))), {}, 4))
    assert any("4 more runs errored" in note for note in board.footnotes)


def test_one_run_alone_makes_a_row() -> None:
    for kind in permutations(["success", "failed", "diverged"], 1):
        row = one_row([RunWithTraces(run("ours", "mini-rte", 0, kind=kind[0])[0], thin({}))])
        assert (row.finished, row.values["std"], row.verdict) == (1, (None,) * 3, "INCONCLUSIVE")


def imported(
    strategy: str, scores: list[float], better: Direction, constant: float = 2.3
) -> list[RunWithTraces]:
    """Return scores from elsewhere; where lower is better their negations, so the same runs are better."""
    sign = 1 if better == "higher" else -1
    made = []
    for seed, value in enumerate(scores):
        score = Score(value=sign * value, step=0)
        change = {"metric": "gain" if sign > 0 else "harm", "better": better, "last": score, "best": score}
        record, _ = run(strategy, "mini-rte", seed, imported=True)
        record = record.model_copy(update={**change, "constant": sign * constant})
        made.append(RunWithTraces(record, thin({})))
    return made


def negated(values: Iterable[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else -value for value in values)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.floats(1, 5), min_size=20, max_size=22), min_size=2, max_size=3))
def test_the_table_of_a_loss_is_that_of_a_gain_upside_down(groups: list[list[float]]) -> None:
    gains, harms = (
        build(
            Collection(tuple(one for i, some in enumerate(groups) for one in imported(f"s{i}", some, better)))
        ).rows
        for better in ("higher", "lower")
    )
    for gain, harm in zip(gains, harms, strict=True):
        for name in ("strategy", "state", "verdict", "failed", "near_best", "star", "planned"):
            assert getattr(gain, name) == getattr(harm, name)
        assert gain.values["std"] == pytest.approx(harm.values["std"])
        middle, low, high = harm.values["mean"]
        assert gain.values["mean"] == pytest.approx(negated([middle, high, low]))
        assert gain.best == -harm.values["best"]
        for name in ("expected_max", "expected_max_dodge"):
            assert gain.values[name] == pytest.approx(negated(harm.values[name]))


def test_a_loss_is_shown_as_measured_and_its_best_is_the_lowest() -> None:
    losses = [-2.9 + 0.01 * seed for seed in range(25)]
    board = build(Collection(tuple(imported("poor", losses, "lower", constant=-2.3))))
    (row,) = board.rows
    assert (row.failed, row.verdict, row.best) == (25, "FAIL", pytest.approx(2.66))
    assert "the best constant classifier reaches 2.300" in markdown(board)
    assert " 0.074 |" in markdown(board)  # no interval, as none learned: no gate would look at it
    assert any("Of harm the lower score is the better one" in note for note in board.footnotes)
    assert page.page_data(board)["rows"][0]["scale"] == 1
    assert "in points (harm: as measured). Of harm, best is the lowest score." in latex(board)
