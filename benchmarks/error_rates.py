"""Error rates of the gates, simulated with the project's own functions.

    python benchmarks/error_rates.py [--quick] [--markdown docs/statistics.md] [--check docs/statistics.md]

Exit status 1, naming the bar, when a measured rate misses its bar. `--markdown` writes the tables into the
file, between its two marker comments, and the rates that its text and the pages beside it quote. `--check`
also compares what is measured now with the tables of the file: rows may differ by what simulation explains.
"""

import argparse
import re
import sys
import time
from pathlib import Path

import gate_simulations as simulate
import numpy as np
import quoted_rates
import simulate_board
import simulate_margins
import simulate_worlds
from early_stopping import early_stopping
from gate_simulations import Row
from quotes import PAGES
from simulate_advice import advice
from simulate_equivalence import equivalence_rates
from simulate_mixture import mixture_rates
from simulate_multi_bootstrap import multi_bootstrap
from simulate_over_tasks import coverage as over_tasks_coverage
from simulate_paired import paired_rates

SEED = 20_210_325
PAGE = "statistics.md"
MARKERS = ("<!-- error rates: begin -->", "<!-- error rates: end -->")

BARS = {
    "B2": ("Regression gate, nothing changed", simulate.no_change),
    "B2b": ("Regression gate, nothing changed, night after night", simulate.nights),
    "B3": ("Regression gate, something got worse (25 against 25 unless said)", simulate.regressions),
    "B4": ("Regression gate, the candidate is better (25 against 25)", simulate.better),
    "B5": ("Levene's test on all runs, two identical strategies, 25 runs each", simulate.levene_size),
    "G3": ("Steadier than (25 runs each unless said)", simulate.steadier_rates),
    "B6": ("Spread gate against the plain comparison, normal scores", simulate.spread_rates),
    "B7": ("Failures gate", simulate.failures_table),
    "B8": ("Early stopping, 25 seeds", early_stopping),
    "B9": ("Degenerate samples", simulate.degenerate),
    "B10": ("Stars of a leaderboard, 25 runs each", simulate.stars),
    "B11": ("Worlds in which nothing was learned, and the shipped suites", simulate_worlds.chance_worlds),
    "B11b": ("Boards on which a strategy learned nothing (25 runs each)", simulate_board.chance_worlds),
    "B12": ("Near the best of a board (25 runs each)", simulate_board.near_best),
    "B13": ("Spread and mean over all runs, 25 runs, rare failures", mixture_rates),
    "B14": ("Runs paired by seed (25 runs each, 999 swaps)", paired_rates),
    "B15": ("Intervals on other dev data at 95 %, 25 seeds and 277 rows unless said", multi_bootstrap),
    "B16": ("Following the advice of an INCONCLUSIVE gate: both looks together", advice),
    "B19": ("Floor gate, the true share of worse runs at the allowance", simulate_worlds.floors),
    "EQ": ("As steady as (a ratio of spreads within 1.5, rates at chance within 20 %)", equivalence_rates),
    "OT": ("Intervals over several tasks, 25 runs on each of three", over_tasks_coverage),
    "H1": (
        "Regression gate: what an estimated or an approximate margin costs",
        simulate_margins.default_margins,
    ),
    "H2": ("Spread and mean gates, scores that are not normal", simulate_margins.shapes),
}


def markdown(results: dict[str, list[Row]], reps: int) -> str:
    lines = [f"{reps:,} simulated experiments per row, generator seed {SEED}.", ""]
    for bar, rows in results.items():
        lines += [f"**{bar}. {BARS[bar][0]}**", "", "| case | rate | bar |", "|---|---|---|"]
        lines += [
            f"| {_case(row, reps)} | {row.rate:.4g} | {row.bar}{'' if row.held else ' MISSED'} |"
            for row in rows
        ] + [""]
    return "\n".join(lines)


def _case(row: Row, reps: int) -> str:
    usual = row.experiments in (None, reps)
    return row.case if usual else f"{row.case} ({row.experiments:,} experiments)"


def tables(text: str) -> quoted_rates.Tables:
    """The rates of a page's tables, by bar and case."""
    found: quoted_rates.Tables = {}
    bar: dict[str, float] = {}
    for line in text.split(MARKERS[0])[-1].split(MARKERS[1])[0].splitlines():
        if title := re.match(r"\*\*(\w+)\. ", line):
            bar = found.setdefault(title[1], {})
        elif row := re.match(r"\| (.+?)(?: \([\d,]+ experiments\))? \| ([\d.e-]+) \|", line):
            bar[row[1]] = float(row[2])
    return found


def differing(text: str, results: dict[str, list[Row]], reps: int) -> list[str]:
    """How the tables of a page differ from what was measured with fewer experiments.

    Rows that are not in both; rows that differ by more than five standard errors; and those that differ by
    more than three, if they are more than one in a hundred: of right rows three in a thousand do.
    """
    page, there = tables(text), int(text.split(MARKERS[0])[1].split()[0].replace(",", ""))
    measured = {(bar, row.case): row for bar, rows in results.items() for row in rows}
    printed = {(bar, case): rate for bar, rows in page.items() for case, rate in rows.items()}
    odd = [
        f"{bar}: only measured, or only in the page: {case}" for bar, case in measured.keys() ^ printed.keys()
    ]
    far: dict[int, list[str]] = {3: [], 5: []}
    for (bar, case), row in measured.items():
        rate, n = printed.get((bar, case), row.rate), row.experiments or reps
        p = min(max((n * row.rate + there * rate) / (n + there), 0.0), 1.0)
        error = (p * (1 - p) * (1 / n + 1 / there * reps / n)) ** 0.5
        for errors, rows in far.items():
            if abs(row.rate - rate) > errors * error + 1 / n:
                rows.append(f"{bar}: {case}: {row.rate:.4g} measured, {rate:.4g} in the page")
    return odd + far[5] + (far[3] if len(far[3]) > len(measured) / 100 else [])


def write(path: Path, text: str) -> None:
    begin, end = MARKERS
    old = path.read_text() if path.exists() else f"{begin}\n{end}\n"
    if begin not in old or end not in old:
        sys.exit(f"{path} has no markers\n  -> put the lines {begin} and {end} where the tables belong")
    new = f"{old.split(begin)[0]}{begin}\n\n{text}\n{end}{old.split(end)[1]}"
    path.write_text(new)
    if path.name == PAGE:
        for name, quotes in PAGES.items():
            page = path.with_name(name)
            page.write_text(quoted_rates.written(page.read_text(), tables(new), quotes))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="4,000 experiments per row instead of 20,000")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into FILE")
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="compare the tables of FILE with what is found"
    )
    options = parser.parse_args()
    reps, start = (4_000 if options.quick else 20_000), time.perf_counter()
    results = {}
    for bar, (title, measure) in BARS.items():
        results[bar] = list(measure(reps, np.random.default_rng([SEED, *bar.encode()])))
        print(f"{bar:4}{title}: {len(results[bar])} rows, {time.perf_counter() - start:.0f} s", flush=True)
    if options.markdown:
        write(options.markdown, markdown(results, reps))
    missed = [
        f"{bar} missed: {row.case}: {row.rate:.4g}, bar {row.bar}"
        for bar, rows in results.items()
        for row in rows
        if not row.held
    ]
    if options.check:
        missed += differing(options.check.read_text(), results, reps)
    bars = sum(bool(row.bar) for rows in results.values() for row in rows)
    print("\n".join(missed) or f"all {bars} bars held")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
