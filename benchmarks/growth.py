"""How cost grows: a step with the length of the rows; a session with rows, seeds and workers.

    python benchmarks/growth.py [--pairs 5] [--quick] [--json FILE]

Sessions train `devlin` on mini-rte from the command line, with an empty store, until the prompt is back.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trainer_table
from tabulate import tabulate
from trainer_cases import sentences
from trainer_table import Entry

WORDS = (5, 10, 20, 40, 80)
SESSIONS = (
    # rows, seeds, workers
    (240, 1, 1),
    (240, 4, 1),
    (240, 16, 1),
    (240, 16, 2),
    (480, 4, 1),
    (960, 4, 1),
)
SUITE = """
from stabbench import Suite

suite = Suite(task="mini-rte", models=["mini-bert"], seeds={seeds}, train_size={rows})
"""


def session(rows: int, seeds: int, workers: int) -> float:
    """Return the seconds of wall time of a session that trains all its runs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text("")
        (Path(folder) / "test_suite.py").write_text(SUITE.format(rows=rows, seeds=seeds))
        command = [sys.executable, "-m", "pytest", "-q", "-m", "stab_run", "--strategy", "devlin"]
        begun = time.perf_counter()
        done = subprocess.run(
            [*command, "-n", str(workers)], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"the session ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        return time.perf_counter() - begun


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each (default 5)")
    parser.add_argument("--quick", action="store_true", help="one measurement of the ends")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = 1 if options.quick else options.pairs
    steps = 10 if options.quick else 40
    found: dict[str, list[float]] = {}
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for words in (WORDS[0], WORDS[-1]) if options.quick else WORDS:
            case = sentences(Path(work) / str(words), steps, words)
            rows += trainer_table.in_turn(case, [Entry("ours"), Entry("Trainer", "trainer")], rounds)
    for number in range(rounds):
        for size in SESSIONS[:2] if options.quick else SESSIONS:
            name = "{} rows, {} seeds, -n {}".format(*size)
            found.setdefault(name, []).append(session(*size))
            print(f"round {number + 1} of {rounds}, {name}: {found[name][-1]:.1f} s", flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps({"steps": rows, "sessions": found}, indent=1) + "\n")
    print(f"\n{trainer_table.machine(rows)}\n")
    print(trainer_table.table(rows, "ours"))
    lines = [[name, len(took), f"{statistics.median(took):.1f}"] for name, took in found.items()]
    print(f"\n{tabulate(lines, ['session', 'rounds', 's'], tablefmt='github', disable_numparse=True)}")


if __name__ == "__main__":
    main()
