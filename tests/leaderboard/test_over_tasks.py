"""What the leaderboard says over all tasks of a model: who takes part, each number, every output."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy

from stabbench import statistics
from stabbench.leaderboard import data, markdown, page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.over_tasks import CURVES, OverTasks
from stabbench.leaderboard.pictures import PROFILES, Picture, pictures
from stabbench.leaderboard.plots import darkened, draw
from stabbench.runs import Score
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from tests.leaderboard.browser import chromium, missing, shape
from tests.leaderboard.generate import HOSTILE, runs
from tests.leaderboard.test_outputs import html_of

TASKS = ("mini-cola", "mini-mrpc", "mini-rte")
HOSTILE_NAME = "<b>b</b>|<img src=x onerror=hacked=1>"


def built(some: Iterable[RunWithTraces], plans: dict[str, Plan] | None = None) -> Board:
    return build(collect([Collection(tuple(some), plans or {})]))


def with_metric(
    some: Iterable[RunWithTraces], name: str, constant: float, scale: float
) -> list[RunWithTraces]:
    """Return runs as if another metric had been imported for them: scale times one minus the score."""
    made = []
    for one in some:
        score = Score(value=scale * (1 - one.record.last.value), step=0)
        change = {"metric": name, "better": "lower", "last": score, "best": score, "constant": constant}
        made.append(RunWithTraces(one.record.model_copy(update=change), one.traces))
    return made


def only(board: Board) -> OverTasks:
    (section,) = board.over_tasks
    return section


def test_every_number_is_what_scipy_gives_from_the_records(board: Board) -> None:
    section = only(board)
    assert section.tasks == TASKS
    assert [one.strategy for one in section.standings] == board.strategies("mini-bert")
    assert section.reference == board.strategies("mini-bert")[0] == "ours"

    def of(strategy: str, task: str) -> np.ndarray:
        row = board.row("mini-bert", task, strategy)
        assert row is not None
        scores = np.array([run.record.last.value for run in row.runs.runs])
        return (scores - row.constant) / (1 - row.constant)

    for one in section.standings:
        found = [of(one.strategy, task) for task in TASKS]
        assert one.iqm.value == pytest.approx(scipy.stats.trim_mean(np.concatenate(found), 0.25), abs=1e-9)
        rows = [board.row("mini-bert", task, one.strategy) for task in TASKS]
        assert (one.at_chance, one.runs) == (sum(r.sample.n_at_chance for r in rows if r), 75)
        assert one.profile.share[0] == pytest.approx(np.mean(np.concatenate(found) > 1e-9))
        if one.strategy == "ours":
            assert one.comparison is None
            continue
        best = [of("ours", task) for task in TASKS]
        wins = [
            scipy.stats.mannwhitneyu(a, b).statistic / len(a) / len(b)
            for a, b in zip(found, best, strict=True)
        ]
        assert one.comparison is not None
        assert one.comparison.improvement.value == pytest.approx(np.mean(wins), abs=1e-9)


def test_steadier_counts_what_the_gate_says_after_holm(board: Board) -> None:
    counts = []
    for one in only(board).standings[1:]:
        p_values = []
        for task in TASKS:
            rows = [board.row("mini-bert", task, name) for name in ("ours", one.strategy)]
            evidence = statistics.steadier_gate(*(row.sample for row in rows if row))
            p_values.append(evidence.p_value if evidence.outcome == "PASS" else 1.0)
        remaining = 0
        for place, p in enumerate(sorted(p_values)):
            if p * (3 - place) > 0.05:
                break
            remaining += 1
        assert one.comparison is not None
        assert one.comparison.less_steady == remaining
        assert one.comparison.steadier == 0
        counts.append(remaining)
    assert max(counts) == 3


def test_a_strategy_takes_part_only_with_complete_runs_on_all_tasks() -> None:
    two = ["mini-rte", "mini-cola"]
    errored = runs(["errored"], two, range(24))
    some = [
        *runs(["ours", "devlin"], two, range(25)),
        *runs(["few"], two, range(19)),
        *runs(["elsewhere"], ["mini-rte"], range(25)),
        *errored,
    ]
    plan = {errored[0].record.group: Plan(seeds=tuple(range(25)), errored={24: "crash"})}
    assert {one.strategy for one in only(built(some, plan)).standings} == {"ours", "devlin"}
    stopped = {errored[0].record.group: Plan(seeds=tuple(range(25)), stopped=True)}
    assert {one.strategy for one in only(built(some, stopped)).standings} == {"ours", "devlin"}
    assert "errored" in {one.strategy for one in only(built(some)).standings}


def test_copies_are_left_out_by_name() -> None:
    two = ["mini-cola", "mini-rte"]
    first = runs(["bias-correction"], two, range(25))
    clone = runs(["pretrained-decay"], ["mini-cola"], range(25))
    clone = [
        RunWithTraces(one.record.model_copy(update={"last": other.record.last}), one.traces)
        for one, other in zip(clone, first, strict=False)
    ]
    own = [*runs(["pretrained-decay"], ["mini-rte"], range(25)), *runs(["ours"], two, range(25))]
    section = only(built([*first, *clone, *own]))
    assert {one.strategy for one in section.standings} == {"bias-correction", "ours"}
    assert section.copies == ("pretrained-decay",)
    assert section.to_json()["copies"] == ["pretrained-decay"]
    assert "Left out as copies, on a task or more, of others: pretrained-decay." in section.about
    assert "copies" not in only(built([*first, *own])).about


def test_without_two_tasks_or_without_a_complete_strategy_nothing_is_said() -> None:
    one_task = built(runs(["ours", "devlin"], ["mini-rte"], range(25)))
    incomplete = built(
        [*runs(["ours"], ["mini-rte"], range(25)), *runs(["devlin"], ["mini-cola"], range(25))]
    )
    few = built(runs(["ours"], ["mini-rte", "mini-cola"], range(8)))
    for board in (one_task, incomplete, few):
        assert board.over_tasks == ()
        assert json.loads(data.to_json(board))["over_tasks"] == []
        drawn = pictures(board)
        assert PROFILES not in {picture.kind for picture in drawn}
        assert "Over all tasks" not in markdown.render(board, drawn)
        assert page.page_data(board)["over_tasks"] == []


def test_models_are_apart() -> None:
    two = ["mini-rte", "mini-cola"]
    some = [*runs(["ours"], two, range(20)), *runs(["ours", "devlin"], two, range(20), model="big")]
    sections = built(some).over_tasks
    assert [(one.model, len(one.standings)) for one in sections] == [("big", 2), ("mini-bert", 1)]


def test_a_loss_runs_from_the_constant_predictors_to_zero() -> None:
    names = ["ours", "devlin"]
    loss = with_metric(runs(names, ["mini-rte"], range(20), imported=True), "loss", 0.69, 1.4)
    section = only(built([*loss, *runs(names, ["mini-cola"], range(20), imported=True)]))
    assert section.tasks == ("mini-cola", "mini-rte")
    first = section.standings[0]
    values = [(0.69 - one.record.last.value) / 0.69 for one in loss if one.record.strategy == first.strategy]
    other = [one.record for one in runs([first.strategy], ["mini-cola"], range(20))]
    values += [(record.last.value - record.constant) / (1 - record.constant) for record in other]
    assert first.iqm.value == pytest.approx(scipy.stats.trim_mean(values, 0.25))


def test_a_task_without_a_common_scale_is_left_out_and_named() -> None:
    names = ["ours", "devlin"]
    unbounded = with_metric(runs(names, ["mini-mrpc"], range(20), imported=True), "harm", 9.0, 10)
    two = runs(names, ["mini-rte", "mini-cola"], range(20), imported=True)
    section = only(built([*two, *unbounded]))
    assert (section.tasks, section.left_out) == (("mini-cola", "mini-rte"), ("mini-mrpc",))
    assert "Tasks left out, whose scores have no such scale: mini-mrpc." in section.about
    rte = [one for one in two if one.record.task == "mini-rte"]
    assert built([*rte, *unbounded]).over_tasks == ()


def test_all_runs_failed_is_said_as_such() -> None:
    two = ["mini-rte", "mini-cola"]
    some = [*runs(["bad"], two, range(20), kind="failed"), *runs(["ours"], two, range(20), kind="success")]
    section = only(built(some))
    (bad,) = (one for one in section.standings if one.strategy == "bad")
    assert bad.iqm == (0, 0, 0)
    assert (bad.at_chance, bad.runs, bad.profile.share[0]) == (40, 40, 0)
    assert bad.comparison is not None
    assert bad.comparison.improvement == pytest.approx((0, 0, np.log(40) / 40))
    assert (bad.comparison.steadier, bad.comparison.less_steady) == (0, 2)
    alone = only(built(some[:40]))
    assert alone.standings[0].comparison is None


def test_each_side_is_counted_on_its_own_tasks() -> None:
    """The reference is the steadier one on two tasks, the other one on the third."""
    made = {
        ("most", "success"): TASKS[:2],
        ("most", "failed"): TASKS[2:],
        ("other", "failed"): TASKS[:2],
        ("other", "success"): TASKS[2:],
    }
    some = [one for (name, kind), on in made.items() for one in runs([name], on, range(20), kind=kind)]
    first, other = only(built(some)).standings
    assert first.strategy == "most"
    assert other.comparison is not None
    assert (other.comparison.steadier, other.comparison.less_steady) == (1, 2)
    assert other.comparison.improvement.value == pytest.approx(1 / 3)


def test_tables_json_and_page_say_the_same(board: Board) -> None:
    text = markdown.render(board, pictures(board))
    start = text.index("### Over all tasks of mini-bert")
    assert start > text.index("### mini-rte on mini-bert")
    lines = [line for line in text[start:].splitlines() if line.startswith("|")][2:]
    (entry,) = json.loads(data.to_json(board))["over_tasks"]
    (shown,) = page.page_data(board)["over_tasks"]
    assert (entry["model"], entry["reference"], entry["tasks"]) == ("mini-bert", "ours", list(TASKS))
    assert len(lines) == len(entry["strategies"]) == len(shown["lines"]) == 5
    for line, one, cells in zip(lines, entry["strategies"], shown["lines"], strict=True):
        parts = [part.strip() for part in line.strip("|").split("|")]
        interval = f"{one['iqm_low']:.3f}\N{EN DASH}{one['iqm_high']:.3f}"
        assert parts[:3] == [
            f"`{one['strategy']}`",
            f"{one['iqm']:.3f} [{interval}]",
            f"{one['at_chance']}/75",
        ]
        assert cells[1] == [f"{one['iqm']:.3f}", interval]
        if one["better"] is None:
            assert parts[3:] == ["\N{EN DASH}"] * 3
        else:
            better = [round(100 * one[f"better{end}"]) for end in ("", "_low", "_high")]
            assert parts[3] == f"{better[0]} % [{better[1]}\N{EN DASH}{better[2]} %]"
            assert parts[4:] == [f"{one[side]} of 3" for side in ("steadier_on", "less_steady_on")]
    assert "hides up to a quarter of failed runs" in text[start:]


def profiles(board: Board) -> Picture:
    (picture,) = (one for one in pictures(board) if one.kind == PROFILES)
    return picture


def test_the_picture_shows_each_profile_and_of_many_the_first_and_the_last(board: Board) -> None:
    picture = profiles(board)
    drawn = {one["strategy"]: one["share"] for one in picture.data["strategies"]}
    assert list(drawn) == board.strategies("mini-bert")
    assert all(len(share) == len(picture.data["grid"]) for share in drawn.values())
    text = markdown.render(board, pictures(board))
    assert text.count(picture.path(dark=False)) == 1
    assert text.index("### Over all tasks") < text.index(picture.path(dark=False))

    names = [f"s{number:02}" for number in range(CURVES + 3)]
    many = built(runs(names, ["mini-rte", "mini-cola"], range(20), bare=True))
    order = many.strategies("mini-bert")
    picture = profiles(many)
    assert [one["strategy"] for one in picture.data["strategies"]] == [*order[:4], *order[-4:]]
    assert f"the first and the last 4 of {CURVES + 3} strategies" in picture.caption


@pytest.fixture(scope="module")
def hostile_sections() -> Board:
    return built(runs([*HOSTILE, HOSTILE_NAME], ["mini-rte", "mini-cola"], range(20), bare=True))


def test_hostile_names_stay_text(hostile_sections: Board) -> None:
    svg = draw(profiles(hostile_sections))
    for text in (svg, darkened(svg)):
        root = ElementTree.fromstring(text)
        assert not [element for element in root.iter() if element.tag.endswith(("script", "img", "image"))]
    html = html_of(hostile_sections)
    assert "script" not in html.tags
    assert {*HOSTILE[:2], HOSTILE_NAME} <= {name for name in (*HOSTILE, HOSTILE_NAME) if name in html.text}
    assert set(html.tables[-1]) == {6}


def test_dark_and_light_pictures_have_other_lines(board: Board) -> None:
    svg = draw(profiles(board))
    for colour in ("#0072b2", "#d55e00", "#007a5a", "#a34a86"):
        assert colour in svg
        assert colour not in darkened(svg)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, hostile_sections: Board) -> Iterator[Any]:
    place: Path = tmp_path_factory.mktemp("page") / "index.html"
    place.write_text(page.render(hostile_sections))
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        found.get(place.as_uri())
        yield found


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_the_page_shows_the_table_and_the_lines(
    driver: Any, hostile_sections: Board, width: int, dark: bool
) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    shape(driver, width, 1500, dark)
    driver.refresh()
    lines = "return document.querySelectorAll('#over-tasks .scatterlayer .js-line').length"
    WebDriverWait(driver, 20).until(lambda found: found.execute_script(lines) > 0)
    names = driver.execute_script(
        "return [...document.querySelectorAll('#over-tasks tbody th')].map((cell) => cell.textContent)"
    )
    (shown,) = page.page_data(hostile_sections)["over_tasks"]
    assert names == [cells[0][0] for cells in shown["lines"]]
    assert driver.execute_script(lines) >= len(names)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script("return window.hacked") is None
    assert driver.get_log("browser") == []
