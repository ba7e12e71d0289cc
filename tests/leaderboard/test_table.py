from __future__ import annotations

import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stabbench import statistics
from stabbench.leaderboard import page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.data import to_csv, to_json
from stabbench.leaderboard.latex import render as latex
from stabbench.leaderboard.markdown import render as markdown
from stabbench.leaderboard.pictures import pictures
from stabbench.leaderboard.table import Row, State
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.failed import is_failed
from stabbench.samples.traces import thin
from tests.leaderboard.generate import collection, run, runs


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


def test_every_number_is_what_the_statistics_give(board: Board) -> None:
    assert len(board.rows) == 15
    for row in board.rows:
        records = [one.record for one in board.groups[row.group].runs]
        scores = np.array([record.last.value for record in records])
        failed = np.array([is_failed(record) for record in records])
        low, high = statistics.clopper_pearson(failed.sum(), len(failed), 0.025)
        bounds = statistics.spread_bounds(scores, alpha=0.05)
        mean = statistics.mean_gate(statistics.Sample.of(scores), 0.0, 0.025, "all")
        assert (row.failed, row.finished) == (failed.sum(), len(scores))
        assert (row.failed_low, row.failed_high) == (low, high)
        assert (row.mean, row.mean_low, row.mean_high) == (
            pytest.approx(scores.mean()),
            mean.lower,
            mean.upper,
        )
        assert row.std == pytest.approx(statistics.std(scores, ddof=1), abs=1e-15)
        assert (row.std_low, row.std_high) == (bounds.bonett_lower, bounds.bonett_upper)
        assert row.std_successes == pytest.approx(np.std(scores[~failed], ddof=1), abs=1e-15)
        assert row.max == scores.max()
        assert row.expected_max == tuple(statistics.expected_max(scores, k) for k in (1, 5, 10))
        gate = statistics.failures_gate(statistics.Sample.of(scores, failed, range(len(scores))), 0.2)
        assert row.verdict == gate.outcome
        predictions = [one.traces.predictions for one in board.groups[row.group].runs]
        assert row.disagreement == statistics.pairwise_disagreement(predictions)


def test_the_star_is_brown_forsythe_against_the_next_larger_spread(board: Board) -> None:
    raw = {}
    for task in board.tasks("mini-bert"):
        rivals = sorted((r for r in board.rows if r.task == task), key=lambda r: r.std or 0)
        one, other = (board.groups[row.group].stability.scores for row in rivals[:2])
        raw[rivals[0].group] = statistics.levene(one, other, center="median").p_value
    adjusted = dict(zip(raw, statistics.holm(list(raw.values())), strict=True))
    starred = {row.group: row.star_p for row in board.rows if row.star_p is not None}
    assert starred == pytest.approx(adjusted)
    assert {row.star for row in board.rows if row.group in adjusted} == {"*"}
    assert all(row.star == "" for row in board.rows if row.group not in adjusted)


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
    assert (row.mean, row.std, row.max, row.expected_max, row.near_best) == (
        None,
        None,
        None,
        (None,) * 3,
        None,
    )
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
        assert (row.finished, row.std, row.std_low, row.verdict) == (1, None, None, "INCONCLUSIVE")
