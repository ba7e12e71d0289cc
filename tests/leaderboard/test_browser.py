"""The page in a browser, on phone and desktop, light and dark.

Screenshots go to the folder that STABBENCH_SCREENSHOTS names, else to pytest's temporary one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stabbench.leaderboard import page
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.headline import headline
from stabbench.leaderboard.published import Published
from stabbench.leaderboard.text import SIGNS
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.traces import thin
from tests.leaderboard.browser import chromium, missing, shape
from tests.leaderboard.generate import run, runs
from tests.leaderboard.toy import TOY, with_everywhere, worst

HOSTILE = "<b>b</b><img src=x onerror=hacked=1>"
MODEL = "mini-bert"
"""The model with most runs, which the first screen is about."""

LOOKS = [
    (width, height, dark)
    for width, height in ((1280, 900), (768, 1024), (360, 740))
    for dark in (False, True)
]

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def shown() -> Board:
    some = runs(["ours", "devlin", "mixout:p=0.7"], ["mini-rte", "mini-cola"], range(20))
    some += runs([HOSTILE], ["mini-rte"], range(6))
    some += runs(["imported"], ["mini-rte"], range(5), imported=True)
    some += runs(["ours"], ["mini-rte"], range(4), model="another/model")
    record, arrays = run("devlin", "mini-rte", 50, kind="diverged")
    some.append(RunWithTraces(record, thin(arrays)))
    plan = {some[0].record.group: Plan(seeds=tuple(range(22)), errored={20: "crash"})}
    entry = Published(
        source="A paper, Table 1",
        model="bert",
        task="rte",
        strategy=HOSTILE,
        metric="accuracy",
        n=25,
        std=2.7,
    )
    return build(collect([Collection(tuple(some), plan)]), (entry,), with_everywhere(TOY))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def place(shown: Board, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("page") / "index.html"
    found.write_text(page.render(shown))
    return found


@pytest.fixture
def opened(driver: Any, place: Path) -> Iterator[Any]:
    """Open the page on a desktop; afterwards nothing was requested, logged or executed that should not."""
    shape(driver, 1280, 900, dark=False)
    drain(driver)
    driver.get(place.as_uri())
    wait(driver, "return document.querySelectorAll('.chart .main-svg').length > 0")
    yield driver
    assert driver.execute_script("return window.hacked") is None
    logged, requested = drain(driver)
    assert logged == []
    assert {url for url in requested if not url.startswith(("data:", "blob:", "chrome:"))} == {place.as_uri()}


def drain(driver: Any) -> tuple[list[str], list[str]]:
    """Return console messages and requested addresses since the last call."""
    logged = [entry["message"] for entry in driver.get_log("browser")]
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return logged, sent


def wait(driver: Any, script: str) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 20).until(lambda found: found.execute_script(script))


def column(driver: Any, title: str) -> list[str]:
    return driver.execute_script(
        "const t = document.getElementById('table');"
        "const at = [...t.tHead.rows[0].cells].findIndex((c) => c.textContent === arguments[0]);"
        "return [...t.tBodies[0].rows].map((row) => row.cells[at].textContent);",
        title,
    )


def inner(driver: Any, name: str) -> str:
    return driver.execute_script("return document.getElementById(arguments[0]).innerText", name)


def press(driver: Any, title: str) -> str:
    """Press a column's head and return how the column is sorted."""
    heads = "[...document.querySelectorAll('#table thead th')].filter((cell) => cell."
    driver.execute_script(f"{heads}textContent === arguments[0])[0].firstChild.click()", title)
    return driver.execute_script(f"return {heads}ariaSort !== 'none')[0].ariaSort")


def choose(driver: Any, name: str, text: str) -> None:
    driver.execute_script(
        "const s = document.getElementById(arguments[0]);"
        "const chosen = [...(s.options ?? [])].find((option) => option.textContent === arguments[1]);"
        "if (s.options) s.value = chosen.value;"
        "else s.value = arguments[1]; s.dispatchEvent(new Event('input', { bubbles: true }))",
        name,
        text,
    )


def test_every_row_and_every_run_is_there(opened: Any, shown: Board) -> None:
    assert column(opened, "strategy") == [row.strategy for row in shown.rows]
    dots = opened.execute_script("return document.querySelectorAll('.chart .scatterlayer .point').length")
    assert dots == sum(row.finished for row in shown.rows)
    text = opened.execute_script("return document.body.innerText")
    at_chance, failed = (sum(getattr(row, name) for row in shown.rows) for name in ("at_chance", "failed"))
    assert f"{dots} runs, {at_chance} at chance, {failed} of these failed" in text
    assert "20 of 22, 1 errored, 1 not run" in text
    lost = dict.fromkeys(shown.tasks(MODEL), 0)
    for row in shown.rows:
        if row.model == MODEL:
            lost[row.task] += row.at_chance
    marks = opened.execute_script("return document.querySelectorAll('#strips circle, #strips path').length")
    assert marks == sum(row.finished for row in shown.rows_of(MODEL, max(lost, key=lambda task: lost[task])))


def cells(driver: Any) -> dict[str, list[str]]:
    """Return what the overview's cells say aloud, by strategy."""
    found = driver.execute_script(
        "return [...document.querySelectorAll('#overview tbody tr')].map((line) =>"
        " [line.querySelector('.name').textContent,"
        "  [...line.querySelectorAll('button')].map((b) => b.getAttribute('aria-label'))])"
    )
    return dict(found)


def test_the_first_screen_says_what_the_board_says(opened: Any, shown: Board) -> None:
    assert inner(opened, "headline") == headline(shown, MODEL)
    bottom = "return document.getElementById(arguments[0]).getBoundingClientRect().bottom"
    for name in ("headline", "strips", "words"):
        assert 0 < opened.execute_script(bottom, name) <= 900
    words = inner(opened, "words")
    for word in ("learned", "at chance", "failed", "PASS", "FAIL", "INCONCLUSIVE"):
        assert f"{word} " in words


def test_a_strategy_is_one_row_and_a_cell_opens_its_runs(opened: Any, shown: Board) -> None:
    choose(opened, "model", MODEL)
    found = cells(opened)
    assert list(found) == shown.strategies(MODEL)
    for strategy, labels in found.items():
        rows = [row for row in shown.rows if (row.model, row.strategy) == (MODEL, strategy)]
        for row, label in zip(sorted(rows, key=lambda row: row.task), labels, strict=True):
            wanted = (
                f"{strategy} on {row.task}: {row.verdict}, {row.at_chance} of {row.finished} runs at chance"
            )
            assert label.startswith(wanted)
    opened.execute_script("document.querySelector('#overview button').click()")
    assert opened.execute_script("return document.getElementById('run').open")


def test_one_task_is_shown_in_its_own_order(opened: Any, shown: Board) -> None:
    choose(opened, "model", MODEL)
    for task in ("mini-cola", "mini-rte"):
        choose(opened, "task", task)
        wanted = [row.strategy for row in shown.rows_of(MODEL, task)]
        assert list(cells(opened)) == wanted
        strips = opened.execute_script(
            "return [...document.querySelectorAll('#strips text:not(.axis)')].map((t) => t.textContent)"
        )
        signs = [SIGNS[row.verdict] or "…" for row in shown.rows_of(MODEL, task)]
        assert strips == [f"{sign} {name}" for sign, name in zip(signs, wanted, strict=True)]


def test_columns_sort_both_ways_and_unknown_values_stay_last(opened: Any, shown: Board) -> None:
    assert press(opened, "mean") == "ascending"
    means = [float(text.split()[0]) for text in column(opened, "mean")]
    assert means == sorted(means)
    assert press(opened, "mean") == "descending"
    assert [float(text.split()[0]) for text in column(opened, "mean")] == sorted(means, reverse=True)
    press(opened, "strategy")
    assert column(opened, "strategy")[0] == HOSTILE
    for _ in range(2):
        press(opened, "best of 10")
        texts = column(opened, "best of 10")
        unknown = texts.count("\N{EN DASH}")
        assert unknown == sum(row.values["expected_max"][2] is None for row in shown.rows) > 1
        assert set(texts[-unknown:]) == {"\N{EN DASH}"}
    assert sorted(column(opened, "strategy")) == sorted(row.strategy for row in shown.rows)


def test_a_new_column_is_drawn_sorted_and_explained(opened: Any, shown: Board) -> None:
    assert column(opened, TOY.head) == [f"{100 * worst(row):.1f}" for row in shown.rows]
    assert press(opened, TOY.head) == "ascending"
    assert column(opened, TOY.head) == [
        f"{value:.1f}" for value in sorted(100 * worst(r) for r in shown.rows)
    ]
    hint = opened.execute_script("return [...document.querySelectorAll('#table thead button')].at(-1).title")
    assert hint == TOY.about


def test_filters_narrow_the_table_and_the_charts(opened: Any, shown: Board) -> None:
    choose(opened, "task", "mini-cola")
    assert set(column(opened, "task")) == {"mini-cola"}
    assert opened.execute_script("return document.querySelectorAll('.chart').length") == 1
    choose(opened, "task", "all")
    choose(opened, "model", "another/model")
    assert set(column(opened, "model")) == {"another/model"}
    choose(opened, "model", "all")
    choose(opened, "strategy", "MIXOUT")
    assert set(column(opened, "strategy")) == {"mixout:p=0.7"}
    choose(opened, "strategy", "nobody")
    assert column(opened, "strategy") == []
    opened.execute_script("document.querySelector('#filters button').click()")
    wait(opened, f"return document.querySelectorAll('#table tbody tr').length === {len(shown.rows)}")


def hover(driver: Any, point: int, click: bool = False, trace: int = 3) -> None:
    """Point at a run in the first chart with the mouse: one that failed (trace 3) or that learned (2).

    No run of the page is at chance without having failed: such runs would stand between the two.
    """
    from selenium.webdriver.common.action_chains import ActionChains

    dots = driver.find_elements("css selector", f".chart .scatterlayer .trace:nth-child({trace - 1}) .point")
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", dots[point])
    action = ActionChains(driver).move_to_element(dots[point])
    (action.click() if click else action).perform()


def test_pointing_at_a_run_shows_its_seed(opened: Any) -> None:
    choose(opened, "strategy", "devlin")
    hover(opened, 0)
    wait(opened, "return document.querySelector('.hoverlayer .hovertext') !== null")
    text = opened.execute_script("return document.querySelector('.hoverlayer .hovertext').textContent")
    assert "seed " in text
    assert "failed" in text
    assert "devlin" in text


def test_a_click_on_a_run_shows_its_curves_and_recipe(opened: Any, shown: Board) -> None:
    choose(opened, "strategy", "devlin")
    choose(opened, "task", "mini-cola")
    hover(opened, 0, click=True)
    wait(opened, "return document.getElementById('run').open")
    wait(opened, "return document.querySelectorAll('#run-body .curve .main-svg').length >= 3")
    text = opened.execute_script("return document.getElementById('run').innerText")
    assert "devlin on mini-cola" in text
    assert "matthews, failed" in text
    assert "bias correction\nfalse" in text
    pressed = opened.execute_script("return document.querySelector('#seeds [aria-pressed=true]').textContent")
    assert f"Seed {pressed.split(chr(0x2009))[0]}:" in text
    row = next(row for row in shown.rows if (row.strategy, row.task) == ("devlin", "mini-cola"))
    assert opened.execute_script("return document.querySelectorAll('#seeds .failed').length") == row.failed


def test_the_keyboard_reaches_a_run_and_leaves_it(opened: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.querySelector('#table tbody button').focus()")
    ActionChains(opened).send_keys(Keys.ENTER).perform()
    wait(opened, "return document.getElementById('run').open")
    ActionChains(opened).send_keys(Keys.TAB, Keys.TAB, Keys.ENTER).perform()
    assert opened.execute_script("return document.activeElement.parentElement.id") == "seeds"
    focused = opened.execute_script("return document.activeElement.getAttribute('aria-label')")
    assert opened.execute_script("return document.getElementById('run-seed').textContent").split(":")[0] == (
        focused.split(",")[0].capitalize()
    )
    ActionChains(opened).send_keys(Keys.ESCAPE).perform()
    wait(opened, "return !document.getElementById('run').open")


def test_a_hostile_name_stays_text(opened: Any) -> None:
    choose(opened, "strategy", "onerror")
    assert column(opened, "strategy") == [HOSTILE]
    labels = opened.execute_script("return document.querySelector('.chart .yaxislayer-above').textContent")
    assert labels == HOSTILE
    hover(opened, 0, trace=2)
    wait(opened, "return document.querySelector('.hoverlayer .hovertext') !== null")
    assert HOSTILE in opened.execute_script(
        "return document.querySelector('.hoverlayer .hovertext').textContent"
    )
    opened.execute_script("document.querySelector('#table tbody button').click()")
    assert HOSTILE in opened.execute_script("return document.getElementById('run-title').textContent")
    assert opened.execute_script("return document.querySelectorAll('img').length") == 0
    assert HOSTILE in opened.execute_script("return document.getElementById('published').innerText")


def test_an_imported_and_a_diverged_run_say_what_they_are(opened: Any) -> None:
    choose(opened, "strategy", "imported")
    opened.execute_script("document.querySelector('#table tbody button').click()")
    assert "imported as a score" in opened.execute_script(
        "return document.getElementById('run-body').innerText"
    )
    opened.execute_script("document.getElementById('close').click()")
    choose(opened, "strategy", "devlin")
    place = next(i for i, task in enumerate(column(opened, "task")) if task.startswith("mini-rte"))
    opened.execute_script("document.querySelectorAll('#table tbody button')[arguments[0]].click()", place)
    opened.execute_script("document.querySelector('#seeds button:last-child').click()")
    assert "The run diverged" in inner(opened, "run-body")


@pytest.mark.parametrize(("width", "height", "dark"), LOOKS)
def test_it_fits_every_window(
    opened: Any, width: int, height: int, dark: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape(opened, width, height, dark)
    opened.execute_script("location.reload()")
    wait(opened, "return document.querySelectorAll('.chart .main-svg').length > 0")
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    ground, text = opened.execute_script(
        "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
    )
    assert (luminance(ground) < 0.1) is dark
    assert contrast(ground, text) > 7
    label = opened.execute_script("return getComputedStyle(document.querySelector('.chart text')).fill")
    assert contrast(ground, label) > 7
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('main button, select, input')]"
        ".map((control) => control.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 30
    folder = Path(os.environ.get("STABBENCH_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    name = f"{width}-{'dark' if dark else 'light'}"
    opened.save_screenshot(str(folder / f"{name}-top.png"))
    outside = opened.execute_script(
        "return [...document.querySelectorAll('#strips, #words, #overview .overview, #overview button')]"
        ".filter((e) => e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > innerWidth)"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == [], "the overview needs no scrolling sideways"
    opened.execute_script("document.getElementById('charts').scrollIntoView()")
    opened.save_screenshot(str(folder / f"{name}-charts.png"))
    opened.execute_script("document.querySelectorAll('#table tbody button')[4].click()")
    wait(opened, "return document.querySelectorAll('#run-body .main-svg').length > 0")
    box = opened.execute_script("return document.getElementById('run').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= width
    opened.save_screenshot(str(folder / f"{name}-run.png"))


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour.split("(")[1].rstrip(")").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
