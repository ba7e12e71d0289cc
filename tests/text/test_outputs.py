"""Hostile names through everything that people are shown: boards, pictures, pages, reports, commands."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from stabbench.cli import main
from stabbench.leaderboard import data, latex, markdown, page, report
from stabbench.leaderboard.board import Board, build
from stabbench.leaderboard.pictures import pictures
from stabbench.leaderboard.plots import darkened, draw
from stabbench.runs import ErrorNote, RunRecord, Store
from stabbench.samples.baselines import write_baseline
from stabbench.samples.collection import Collection, RunWithTraces
from stabbench.samples.groups import group_runs
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from stabbench.text import shown, terminal
from tests.leaderboard.generate import PUBLISHED, run
from tests.text.attacks import ATTACKS, names, raw
from tests.text.test_functions import Read, spaced

TAGS = {
    *(
        "h1",
        "h2",
        "h3",
        "p",
        "em",
        "a",
        "code",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "br",
        "ul",
        "li",
    ),
    *("picture", "source", "img"),
}


def records(name: str, seeds: int = 3, **options: Any) -> list[RunRecord]:
    """Return runs whose every name is hostile, in a hostile environment, one of them diverged."""
    found = [run(name, f"t{name}", seed, model=f"m{name}", bare=True, **options)[0] for seed in range(seeds)]
    here = {"device": f"d{name}", "torch": name, f"x{name}": name}
    found = [record.model_copy(update={"environment": here}) for record in found]
    diverged = run(name, f"t{name}", seeds, model=f"m{name}", kind="diverged", bare=True)[0]
    changes = {"environment": here | {"torch": f"{name}2"}, "reason": f"r{name}"}
    return [*found, diverged.model_copy(update=changes)]


def board_of(name: str) -> Board:
    published = PUBLISHED.model_copy(update={"source": name, "strategy": name, "model": f"m{name}"})
    return build(Collection.of(records(name)), (published,))


@given(names())
@settings(max_examples=30)
def test_the_boards_files_keep_names_as_text(name: str) -> None:
    board = board_of(name)
    written = markdown.render(board)
    assert raw(written) == []
    seen = Read(MarkdownIt("commonmark").enable("table").render(written))
    assert set(seen.tags) <= TAGS
    assert seen.tags.count("table") == 3
    assert seen.tags.count("h1") + seen.tags.count("h2") + seen.tags.count("h3") == 5
    for part in ("", "t", "m"):
        assert spaced(shown(f"{part}{name}")) in spaced(seen.text)

    written = latex.render(board)
    assert raw(written) == []
    (body,) = re.findall(r"\\midrule\n(.*?)\\bottomrule", written, re.DOTALL)
    assert len(re.findall(r"(?<!\\)&", body)) == 4
    assert "\\input" not in written

    (entry,) = json.loads(data.to_json(board))["rows"]
    (line,) = csv.DictReader(io.StringIO(data.to_csv(board), newline=""))
    assert raw(data.to_json(board)) == []
    for kind, part in (("strategy", ""), ("task", "t"), ("model", "m")):
        assert entry[kind] == line[kind] == f"{part}{name}"  # data is exact


@given(names())
@settings(max_examples=25)
def test_the_page_keeps_names_as_text(name: str) -> None:
    written = page.render_comparable(board_of(name))
    assert raw(written) == []
    seen = Read(written)
    assert seen.tags.count("script") == 3
    assert "img" not in seen.tags
    held = re.search(r'<script id="data" type="application/json">(.*?)</script>', written, re.DOTALL)
    assert held is not None
    found = json.loads(held[1])
    (row,) = found["rows"]
    assert row["strategy"] == shown(name)
    (group,) = found["groups"].values()
    assert group["runs"][-1][4] == shown(f"r{name}")
    assert group["environment"][shown(f"x{name}")] == shown(name)
    assert raw("".join(texts(found))) == []


def texts(found: Any) -> list[str]:
    """Return every text in plain data."""
    if isinstance(found, dict):
        return [text for pair in found.items() for part in pair for text in texts(part)]
    if isinstance(found, list):
        return [text for part in found for text in texts(part)]
    return [found] if isinstance(found, str) else []


@given(names())
@settings(max_examples=25)
def test_reports_keep_names_as_text(name: str) -> None:
    (group,) = group_runs(Collection.of(records(name)))
    for words in (report.group_report(group), report.run_report(group, group.runs[-1])):
        assert raw(words) == []
        assert shown(f"{name} on t{name} with m{name}") in words
        seen = Read(report.document(words, None))
        assert set(seen.tags) == {"html", "head", "meta", "title", "style", "body", "pre"}
        assert words in seen.text


@pytest.mark.parametrize("name", ["<b>$x^2$ {{x}}]]>\x1b[2J\u202e", "x: #24292f", "_layer"])
def test_pictures_keep_names_as_text(name: str) -> None:
    some = []
    for seed in range(4):
        record, _ = run(name, f"t{name}", seed, bare=True)
        some.append(RunWithTraces(record.model_copy(update={"metric": "accuracy"})))
    (picture, *_) = pictures(build(Collection(tuple(some))))
    for svg in (draw(picture), darkened(draw(picture))):
        assert raw(svg) == []
        seen = ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter()]
        assert shown(name) in seen
        assert shown(f"t{name}") in seen


SOME = "".join(name for name in ATTACKS if len(name) < 100 and not name.startswith("="))
"""Nearly all of them in one name."""

FIRST = "::error file=x::" + SOME
"""A name that would be a command where it stands first on a line."""

NAMES = {"first": FIRST, "some": SOME}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of two hostile groups, an error note, and a baseline of the first."""
    place = tmp_path_factory.mktemp("commands")
    store = Store(place / ".stabbench")
    here = {"device": SOME, FIRST: FIRST}
    for strategy in (FIRST, SOME):
        for seed in range(6):
            record, arrays = run(strategy, FIRST, seed, model=SOME)
            store.write(record.model_copy(update={"environment": here}), arrays)
    spec = record.spec
    assert spec is not None
    again = spec.model_copy(update={"replicate": 1})
    log = f"one\n{FIRST}\n\ttwo\n##[error]x"
    store.note_error(ErrorNote(key=again.key, kind=SOME, message=FIRST, log=log, spec=again))
    samples = load(store.root).groups()
    write_baseline(place / "baselines" / "hostile.jsonl", samples)
    return place


COMMANDS = (
    "compare .stabbench hostile",
    "compare .stabbench:{first} .stabbench:{some}",
    "compare hostile:nothing hostile",
    "baseline save again",
    "baseline save again --replace",
    "baseline show hostile",
    "baseline save other --task {first}x",
    "show {key}",
    "show {key} --json",
    "show {errored}",
    "show {first}",
    "analyse .stabbench",
    "analyse .stabbench --json",
    "analyse .stabbench:{first} .stabbench:{some}",
    "report {group}",
    "report {key}",
    "report nothing",
    "leaderboard --format markdown",
    "leaderboard --format json",
    "leaderboard --format latex",
    "merge {first} .stabbench",
    "import {some}",
    "plan {some}",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_names_as_text(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    first = load(Path(".stabbench")).records[0]
    names = {kind: name.replace("/", "").replace("\0", "")[:200] for kind, name in NAMES.items()}
    if command.startswith(("compare", "analyse")):
        names = NAMES
    (errored,) = Store(Path(".stabbench")).errors()
    values = {"key": first.key, "errored": errored, "group": first.group, **names}
    main([word.format(**values) for word in command.split()])
    out, err = capsys.readouterr()
    assert out or err
    for line in f"{out}\n{err}".split("\n"):
        assert raw(line, "\t") == []
        assert not line.strip().startswith("::")
        assert "##[" not in line
    if command.endswith("--json"):
        json.loads(out)


def test_verdicts_and_samples_show_their_names() -> None:
    first, second = (Stability.from_records(records(name, 12)) for name in (f"{SOME}a", f"{SOME}b"))
    verdict = first.steadier_than(first)
    assert raw(verdict.summary + repr(verdict) + repr(second), "") == []
    assert "##[" not in verdict.summary
    assert shown(first.strategy) in repr(first)


def test_a_log_keeps_its_lines() -> None:
    assert terminal("a\n\tb\x1b[0m\r\n") == "a\n\tb\\x1b[0m\\r\n"


def test_a_terminal_without_the_letters_is_no_reason_to_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    written = io.BytesIO()
    out = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    assert main(["baseline", "show", "hostile"]) == 0
    out.flush()
    assert rb"\u6f22" in written.getvalue()


def test_what_was_typed_is_text_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ls", f"x{SOME}", FIRST])
    assert raw(capsys.readouterr().err) == []
