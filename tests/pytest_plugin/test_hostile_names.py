"""A session in which task, model and error have hostile names: terminal, JUnit file, job summary."""

from __future__ import annotations

import shutil
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from tests.pytest_plugin.conftest import Project
from tests.text.attacks import raw
from tests.text.test_functions import Read

TASK = "t<b>|`$x$\x1b[2J\u202e\n::error::x ##[error]y ]]>"
MODEL = "m<i>|`*\x07\x9b31m\u200b\n::notice::z"
SUITE = """
import pytest
from stabbench import Suite
from stabbench.tasks import local_task

local_task({task!r}, train={train!r}, dev={dev!r}, text='text')
suite = Suite(task={task!r}, models=[{model!r}], seeds=6)

def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.01)

@pytest.mark.against("devlin")
def test_steadier(stability, against):
    assert stability.steadier_than(against)

def test_own_words(stability):
    raise __import__("stabbench.errors").errors.StabbenchError({task!r}, "mend it.")
"""
FAILING = """
from instant import Instant, InstantJob
from stabbench.executors import Outcome

class Failing(Instant):
    def submit(self, requests):
        return Job(self.store, tuple(requests))

class Job(InstantJob):
    def end(self, request):
        if request.spec.seed != 5:
            return super().end(request)
        note = request.errored("crash", {message!r}, {log!r})
        self._store.note_error(note)
        return Outcome("errored", note)
"""


def lines_of(output: str) -> list[str]:
    return output.replace("\r\n", "\n").split("\n")


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_session_shows_names_as_text(
    instant: Project, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    model = instant.folder / MODEL
    shutil.copytree(instant.toy.model, model)
    toy = instant.toy
    suite = instant.folder / "suites" / "toy" / "test_toy.py"
    suite.write_text(SUITE.format(task=TASK, train=str(toy.train), dev=str(toy.dev), model=str(model)))
    (instant.folder / "failing.py").write_text(FAILING.format(message=TASK, log=f"one\n{TASK}\n"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(instant.folder / "summary.md"))
    instant.options = ("--stab-executor", "instant.py:Instant")
    good = instant.run("suites/toy", "--junitxml=good.xml", "-rA", "--stab-inconclusive=warn", *workers)
    instant.options = ("--stab-executor", "failing.py:Failing")
    more = ("--stab-store", "other", "--junitxml=bad.xml")
    bad = instant.run("suites/toy", *more, "-rA", *workers)
    assert "seed 5 errored (crash)" in bad.output, bad.output
    for found in (good, bad):
        assert found.code == 1, found.output
        for line in lines_of(found.output):
            assert raw(line, "\t") == [], line
            assert not line.strip().startswith("::"), line
            assert "##[" not in line, line
        assert r"t<b>|`$x$\x1b[2J\u202e\n::error::x" in found.output
    for name in ("good.xml", "bad.xml"):
        text = (instant.folder / name).read_text()
        assert raw(text) == []
        ElementTree.fromstring(text)
    text = (instant.folder / "summary.md").read_text()
    assert raw(text) == []
    page = Read(MarkdownIt("commonmark").enable("table").render(text))
    assert set(page.tags) <= {"h2", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert r"t<b>|`$x$\x1b[2J\u202e\n::error::x" in page.text
    assert page.tags.count("td") == 9 * 4


def test_a_mixed_environment_is_a_line_of_the_summary(
    instant: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (instant.folder / "instant.py").read_text()
    assert "constant=MAJORITY / N," in text
    mixed = 'constant=MAJORITY / N,\n        environment={"torch": "2.12" if spec.seed < 1 else "2.13"},'
    (instant.folder / "instant.py").write_text(text.replace("constant=MAJORITY / N,", mixed))
    words = "ours on toy: mixed environment: torch 2.12 (1 run), 2.13 (2 runs)"
    found = instant.run("suites/toy", "--junitxml=out.xml")
    assert words in found.output.splitlines()
    tree = ElementTree.parse(instant.folder / "out.xml")
    properties = {p.get("name"): str(p.get("value")) for p in tree.iter("property")}
    assert properties["failures.environment"] == "mixed environment: torch 2.12 (1 run), 2.13 (2 runs)"
    only_runs = instant.run("suites/toy", "-m", "stab_run")
    assert words in only_runs.output.splitlines()


def test_what_is_told_once_is_text_where_it_is_repeated(instant: Project) -> None:
    found = instant.run("-rs", "--stab-model", "no/such\x1b[2Jmodel\u202e", "suites/toy", own_process=True)
    assert found.code == 1, found.output
    assert "as another run says" in found.output
    assert not {"\x1b", "\u202e"} & set(found.output)
    assert r"\x1b" in found.output
