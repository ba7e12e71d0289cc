"""What each built-in strategy costs over its base: milliseconds a step, on mini-rte with the mini encoder.

    python benchmarks/strategy_costs.py [--pairs 9] [--quick] [--json FILE] [--from FILE]

The base of all of them costs what `bias-correction` does: bases differ in their recipes, not in their steps.
SWA is measured while it averages. `intermediate` is left out: its steps are its base's, on two tasks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import trainer_table
from trainer_cases import Case
from trainer_table import Entry

from stabbench.strategies import REGISTRY

BASE = "bias-correction"
LEFT_OUT = ("intermediate",)
WHILE_IT_WORKS = {"swa": "swa:start=0.0"}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=9, help="measurements of each (default 9)")
    parser.add_argument(
        "--quick", action="store_true", help="one measurement of few steps of three strategies"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--from", type=Path, nargs="+", dest="kept")
    options = parser.parse_args()
    case = Case("6 x 64, mini-rte", "mini-bert", "mini-rte", steps=10 if options.quick else 45)
    names = [name for name in REGISTRY.names() if name not in (BASE, *LEFT_OUT)]
    if options.quick:
        names = ["mixout", "r-drop"]
    entries = [Entry(name, strategy=WHILE_IT_WORKS.get(name, name)) for name in (BASE, *names)]
    if options.kept:
        rows = trainer_table.load(options.kept)
    else:
        rows = trainer_table.in_turn(case, entries, 1 if options.quick else options.pairs)
        trainer_table.save(options.json, rows)
    print(f"\n{trainer_table.machine(rows)}\n")
    print(trainer_table.table(rows, BASE))


if __name__ == "__main__":
    main()
