"""The error-rate benchmark: that it can fail, names what it missed, and writes only its tables."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import error_rates

    return error_rates


def run(benchmark, monkeypatch, rows, *options):
    monkeypatch.setattr(benchmark, "BARS", {"B0": ("A title", lambda reps, generator: iter(rows))})
    monkeypatch.setattr(sys, "argv", ["error_rates.py", "--quick", *map(str, options)])
    return benchmark.main()


def test_a_missed_bar_is_named_and_red(benchmark, monkeypatch, capsys):
    good, bad = benchmark.Row("fine", 0.02, most=0.05), benchmark.Row("too low", 0.4, least=0.9)
    assert run(benchmark, monkeypatch, [good]) == 0
    assert "all 1 bars held" in capsys.readouterr().out
    assert run(benchmark, monkeypatch, [good, bad]) == 1
    assert "B0 missed: too low: 0.4, bar >= 0.9" in capsys.readouterr().out


def test_the_tables_replace_only_what_is_between_the_markers(benchmark, monkeypatch, tmp_path, capsys):
    page = tmp_path / "page.md"
    begin, end = benchmark.MARKERS
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        assert run(benchmark, monkeypatch, [benchmark.Row("case", 0.5)], "--markdown", page) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("| case | 0.5 |") == 1
    page.write_text("no place for it")
    with pytest.raises(SystemExit):
        run(benchmark, monkeypatch, [], "--markdown", page)


def test_grids_are_stopped_with_the_verdict_that_they_would_have_had(benchmark):
    _, measure = benchmark.BARS["B8"]
    rows = list(measure(4_000, np.random.default_rng(5)))
    assert [row.case for row in rows if not row.held] == []
    assert sum(row.case.startswith("seeds saved") for row in rows) == 3


def page(name="docs/statistics.md"):
    return (BENCHMARKS.parent / name).read_text()


def test_the_texts_quote_the_tables(benchmark):
    """Where this fails the tables are older than the text: write both anew, with --markdown."""
    from quoted_rates import written

    tables = benchmark.tables(page())
    assert tables.keys() == benchmark.BARS.keys()
    for name, quotes in benchmark.PAGES.items():
        text = page(f"docs/{name}")
        assert written(text, tables, quotes) == text


def test_every_rate_of_the_texts_is_a_row_or_known_otherwise(benchmark):
    from quoted_rates import unquoted
    from quotes import OTHERS

    texts = {name: page(f"docs/{name}").split(benchmark.MARKERS[0])[0] for name in benchmark.PAGES}
    for name, quotes in benchmark.PAGES.items():
        assert unquoted(texts[name], quotes, OTHERS) == []
    assert unquoted(page("README.md"), benchmark.PAGES["statistics.md"], OTHERS) == []
    assert unquoted("It errs in 7.3 % of cases, or .07.", (), OTHERS) == [
        "It errs in 7.3 % of cases, or .07.",
        "It errs in 7.3 % of cases, or .07.",
    ]
    words = " ".join(" ".join((*texts.values(), page("README.md"))).split())
    assert [other for other in OTHERS if other.strip() not in words] == []


def test_what_is_worked_by_hand():
    none = [1 - 0.05 ** (1 / n) for n in (25, 10, 5)]
    assert none == pytest.approx([0.113, 0.259, 0.451], abs=5e-4)
    tenfold, unseen = 1 - 0.95**10, 0.96**25
    assert (tenfold, unseen) == pytest.approx((0.40, 0.36), abs=5e-3)
    assert [1 - (1 - 1 / n) ** 0.5 for n in (25, 5)] == pytest.approx([0.02, 0.11], abs=5e-3)


def test_a_quote_follows_its_row_wherever_lines_break(benchmark):
    import quoted_rates as quoted

    row = quoted.Of("B0", "false *", max)
    quotes = (quoted.Quote("wrong in {1} % of cases ({.}, {3})", (row, row, row)),)
    tables = {"B0": {"false PASS": 0.0312, "false FAIL": 0.02, "other": 0.9}}
    old = "It is wrong in 9 %\nof cases (.5, .500)."
    assert quoted.written(old, tables, quotes) == "It is wrong in 3.1 %\nof cases (.03, .031)."
    with pytest.raises(LookupError):
        quoted.written("It is never wrong.", tables, quotes)
    with pytest.raises(LookupError):
        quoted.written(old, {"B0": {"other": 0.9}}, quotes)


def test_tables_that_are_not_what_is_measured_are_named(benchmark, monkeypatch, tmp_path, capsys):
    path = tmp_path / "page.md"
    rows = [benchmark.Row(f"case {i}", 0.05, experiments=None if i else 400) for i in range(100)]
    run(benchmark, monkeypatch, rows, "--markdown", path)
    near = [benchmark.Row("case 0", 0.08, experiments=400), benchmark.Row("case 1", 0.054), *rows[2:]]
    assert (
        run(benchmark, monkeypatch, near, "--check", path) == 0
    )  # .08 is within 3 errors of 400 experiments
    off = benchmark.Row("case 2", 0.067)
    assert run(benchmark, monkeypatch, [*near[:2], off, *rows[3:]], "--check", path) == 0  # one in a hundred
    three = [benchmark.Row(f"case {i}", 0.067) for i in (2, 3)]
    capsys.readouterr()
    assert run(benchmark, monkeypatch, [*near[:2], *three, *rows[4:]], "--check", path) == 1
    assert "case 2: 0.067 measured, 0.05 in the page" in capsys.readouterr().out
    far = benchmark.Row("case 2", 0.09)
    assert run(benchmark, monkeypatch, [*near[:2], far, *rows[3:]], "--check", path) == 1
    assert run(benchmark, monkeypatch, rows[1:], "--check", path) == 1
    assert "only in the page: case 0" in capsys.readouterr().out


@pytest.mark.slow
def test_every_bar_is_held_and_the_tables_say_what_is_measured(benchmark, monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        ["error_rates.py", "--quick", "--check", str(BENCHMARKS.parent / "docs" / "statistics.md")],
    )
    assert benchmark.main() == 0
