"""What the board makes of records: strategies that learned nothing, copies, checkpoints, places, headline."""

from __future__ import annotations

import csv
import io
import json

import pytest

from stabbench.leaderboard import page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.data import to_csv, to_json
from stabbench.leaderboard.headline import headline
from stabbench.leaderboard.markdown import render as markdown
from stabbench.leaderboard.pictures import box
from stabbench.leaderboard.table import State
from stabbench.runs import Score
from stabbench.samples.collection import Collection, RunWithTraces
from tests.leaderboard.generate import COUNTS, runs

RIGHT = COUNTS["mini-rte"][1]


def rescored(run: RunWithTraces, confusion: tuple[tuple[int, int], tuple[int, int]]) -> RunWithTraces:
    """Return a run with other predictions."""
    value = (confusion[0][0] + confusion[1][1]) / sum(map(sum, confusion))
    score = Score(value=value, step=120, confusion=confusion)
    return RunWithTraces(run.record.model_copy(update={"last": score, "best": score}), run.traces)


def barely(strategy: str) -> list[RunWithTraces]:
    """Return 25 runs that are right on 1 to 4 rows more than the constant classifier: none failed."""
    made = []
    for run in runs([strategy], ["mini-rte"], range(25), kind="failed"):
        gained = 1 + run.record.seed % 4
        made.append(rescored(run, ((3 + gained, COUNTS["mini-rte"][0] - 3 - gained), (3, RIGHT - 3))))
    return made


@pytest.fixture(scope="module")
def guessed() -> Board:
    return build(Collection((*barely("a-guess"), *runs(["ours", "devlin"], ["mini-rte"], range(25)))))


def test_a_strategy_that_learned_nothing_fails_without_a_failed_run(guessed: Board) -> None:
    row = guessed.row("mini-bert", "mini-rte", "a-guess")
    assert row is not None
    assert (row.failed, row.learned, row.at_chance, row.finished) == (0, 0, 25, 25)
    assert (row.verdict, row.near_best, row.star) == ("FAIL", False, "")
    assert row.std == min(other.std or 1 for other in guessed.rows), "its std is the smallest all the same"
    assert [row.strategy for row in guessed.rows if row.near_best] == ["ours"]
    assert guessed.rows[0].strategy == "ours"
    assert "25/25 ✘" in markdown(guessed)


def test_words_and_data_say_learned_at_chance_and_failed(guessed: Board) -> None:
    (line,) = [line for line in csv.DictReader(io.StringIO(to_csv(guessed))) if line["strategy"] == "a-guess"]
    assert (line["learned"], line["at_chance"], line["failed"], line["better"]) == ("0", "25", "0", "higher")
    assert (line["place"], line["same_as"], line["near_best"]) == ("3", "", "False")
    for text in (markdown(guessed), to_json(guessed), page.render_comparable(guessed)):
        assert "success" not in text
    kinds = [run[3] for run in page.page_data(guessed)["groups"][line["group"]]["runs"]]
    assert kinds == [1] * 25


def copied(strategy: str, originals: list[RunWithTraces], tasks: list[str]) -> list[RunWithTraces]:
    """Return runs of another strategy with the scores of some, in the order of tasks and seeds."""
    return [
        RunWithTraces(
            one.record.model_copy(update={"last": other.record.last, "best": other.record.best}), one.traces
        )
        for one, other in zip(runs([strategy], tasks, range(25)), originals, strict=True)
    ]


def test_a_copy_is_named_and_takes_no_place() -> None:
    first = runs(["bias-correction"], ["mini-rte"], range(25))
    copy = copied("pretrained-decay", first, ["mini-rte"])
    others = runs(["ours", "devlin"], ["mini-rte"], range(25))
    board, alone = build(Collection((*first, *copy, *others))), build(Collection((*first, *others)))
    row, original = (
        board.row("mini-bert", "mini-rte", name) for name in ("pretrained-decay", "bias-correction")
    )
    assert row is not None
    assert original is not None
    assert (row.same_as, row.state, row.near_best, row.star) == ("bias-correction", State.COPY, None, "")
    assert (row.place, row.verdict) == (original.place, original.verdict)
    assert [(r.strategy, r.place, r.near_best, r.star_p) for r in board.rows if not r.same_as] == [
        (r.strategy, r.place, r.near_best, r.star_p) for r in alone.rows
    ]
    assert "same final scores as bias-correction" in markdown(board)
    assert (
        "the very final scores of another strategy in every seed (pretrained-decay those of bias-correction)"
        in (" ".join(board.footnotes))
    )


def test_rows_that_always_fail_are_no_copies() -> None:
    board = build(Collection(tuple(runs(["devlin", "reinit"], ["mini-rte"], range(25), kind="failed"))))
    assert [row.same_as for row in board.rows] == ["", ""]
    assert [row.near_best for row in board.rows] == [False, False]


def test_the_best_checkpoint_stands_beside_the_last_one() -> None:
    fallen = []
    for one in runs(["devlin"], ["mini-rte"], range(25), kind="failed"):
        peak = Score(value=0.9, step=30, confusion=((218, 25), (25, 232)))
        fallen.append(RunWithTraces(one.record.model_copy(update={"best": peak}), one.traces))
    board = build(Collection(tuple(fallen)))
    (row,) = board.rows
    assert (row.mean, row.mean_of_best_checkpoints) == (row.constant, pytest.approx(0.9))
    (entry,) = json.loads(to_json(board))["rows"]
    assert entry["mean_best_checkpoint"] == pytest.approx(0.9)
    assert entry["verdict"] == "FAIL"
    assert page.page_data(board)["groups"][row.group]["runs"][0][6] == pytest.approx(0.9)


def test_a_diverged_run_has_no_best_checkpoint() -> None:
    (row,) = build(Collection(tuple(runs(["devlin"], ["mini-rte"], range(3), kind="diverged")))).rows
    assert row.mean_of_best_checkpoints == row.constant


def test_unranked_rows_come_last_and_strategies_by_their_mean_place() -> None:
    some = runs(["ours", "devlin", "mixout"], ["mini-rte", "mini-cola"], range(25))
    some += runs(["lora"], ["mini-rte"], range(1), kind="success")
    board = build(Collection(tuple(some)))
    for task in board.tasks("mini-bert"):
        assert [row.place for row in board.rows_of("mini-bert", task)] == list(
            range(1, 1 + len(board.rows_of("mini-bert", task)))
        )
    assert board.rows_of("mini-bert", "mini-rte")[-1].strategy == "lora"
    places: dict[str, list[int]] = {}
    for row in board.rows:
        places.setdefault(row.strategy, []).append(row.place)
    means = [sum(places[name]) / len(places[name]) for name in board.strategies("mini-bert")]
    assert means == sorted(means)
    assert board.strategies("mini-bert")[0] == "ours"


def test_who_ran_an_easy_task_alone_stands_behind_and_is_not_said_to_be_first() -> None:
    two = ["mini-rte", "mini-cola"]
    some = [
        *runs(["ours"], ["mini-rte"], range(25)),
        *runs(["devlin"], two, range(25)),
        *(first := runs(["bias-correction"], two, range(25))),
        *copied("pretrained-decay", first, two),
        *runs(["ours:easy"], ["mini-cola"], range(25), kind="success"),
    ]
    board = build(Collection(tuple(some)))
    easy = board.row("mini-bert", "mini-cola", "ours:easy")
    assert easy is not None
    assert (easy.place, easy.state) == (1, State.RANKED)
    copies = ["bias-correction", "pretrained-decay"]
    assert board.strategies("mini-bert") == [*copies, "devlin", "ours", "ours:easy"]
    assert "bias-correction stands first (" in headline(board, "mini-bert")
    lacking = build(Collection((*some, *runs(["ours:few"], ["mini-mrpc"], range(3)))))
    assert "first" not in headline(lacking, "mini-bert"), "nobody is ranked on all three tasks"


def test_the_headline_counts_what_the_rows_say(guessed: Board) -> None:
    devlin = guessed.row("mini-bert", "mini-rte", "devlin")
    assert devlin is not None
    assert headline(guessed, "mini-bert") == (
        "With mini-bert, ours stands first (0 of 25 runs at chance), 1 of 3 ranked strategies PASS on all "
        f"their tasks, and devlin and a-guess FAIL on one or more ({25 + devlin.at_chance} of 50 runs at "
        "chance)."
    )
    few = build(Collection(tuple(runs(["devlin"], ["mini-rte"], range(4), kind="failed"))))
    assert headline(few, "mini-bert") == (
        "With mini-bert no strategy has the complete 20 seeds that a place needs: 4 of 4 runs at chance."
    )
    lost = build(Collection(tuple(runs(["devlin"], ["mini-rte"], range(25), kind="failed"))))
    assert headline(lost, "mini-bert") == (
        "With mini-bert, 0 of 1 ranked strategies PASS on all their tasks, and devlin FAILs on one or more "
        "(25 of 25 runs at chance)."
    )


def test_boxes_are_those_of_matplotlib() -> None:
    from matplotlib.cbook import boxplot_stats

    for scores in ([1.0], [1.0, 5.0], [50.0, 50.0, 87.0, 88.0, 88.5, 90.0, 91.0], [0.0] * 4 + [90.0]):
        (wanted,) = boxplot_stats(scores)
        assert box(scores) == pytest.approx(
            [wanted[name] for name in ("whislo", "q1", "med", "q3", "whishi")]
        )
