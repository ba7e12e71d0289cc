"""How often does the regression gate call unchanged code worse, on real runs of the mini world?

Splits the calibration's runs of one strategy at random into a baseline, a candidate and a second candidate
that confirms: all three are the same code on different seeds, so every FAIL is a false one. A night goes red
only when both candidates FAIL, as in `examples/github-workflow.yml`.

    python benchmarks/false_alarms.py [--strategy ours] [--splits 20000]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from stabbench.samples.archive import read_archive
from stabbench.statistics import regression
from stabbench.statistics.masked import moments

ARCHIVE = Path(__file__).parent.parent / "baselines" / "mini.runs.jsonl.gz"
BASELINE = 25


def verdicts(
    scores: NDArray[np.float64],
    failed: NDArray[np.bool_],
    drawn: NDArray[np.int64],
    first: int,
    candidate: int,
) -> NDArray[np.int8]:
    """Codes of the gate for the candidates that start at column ``first`` of each split."""
    base, new = drawn[:, :BASELINE], drawn[:, first : first + candidate]
    arrays = scores[new], scores[base], failed[new], failed[base]
    margin = np.sqrt(moments(scores[base], ~failed[base]).variance)
    fine = regression.not_worse(*arrays, margin)
    return regression.regression_codes(regression.regression_tests(*arrays), fine)


def main() -> None:
    """Print the share of FAIL, of FAIL twice and of PASS for each task and size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--strategy", default="ours", help="a strategy with at least 45 runs; default: ours")
    parser.add_argument("--splits", type=int, default=20_000, help="random splits; default: 20,000")
    arguments = parser.parse_args()
    runs = read_archive(ARCHIVE)
    generator, rows = np.random.default_rng(0), []
    for group in runs.groups():
        if group.strategy != arguments.strategy:
            continue
        scores, failed = group.sample.scores, group.sample.failed
        for candidate in (5, 10, 12):
            if len(scores) < BASELINE + 2 * candidate:
                continue
            order = generator.permuted(np.tile(np.arange(len(scores)), (arguments.splits, 1)), axis=1)
            once = verdicts(scores, failed, order, BASELINE, candidate)
            again = verdicts(scores, failed, order, BASELINE + candidate, candidate)
            red, confirmed = once == -1, (once == -1) & (again == -1)
            rows.append(
                [
                    group.task,
                    len(scores),
                    f"{candidate} against {BASELINE}",
                    f"{red.mean():.2%}",
                    f"{confirmed.mean():.2%}",
                    f"{(once == 1).mean():.0%}",
                ]
            )
    headers = ["task", "runs", "seeds", "FAIL", "FAIL twice", "PASS"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
