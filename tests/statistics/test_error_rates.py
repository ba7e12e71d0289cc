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


@pytest.mark.slow
def test_every_bar_is_held(benchmark, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["error_rates.py", "--quick"])
    assert benchmark.main() == 0
