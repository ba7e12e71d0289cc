"""``stabbench seeds``: how many seeds it takes to decide which gate, as a table and a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tabulate import tabulate

from stabbench.commands.seeds_questions import GATES, QUESTIONS, Question, grid
from stabbench.commands.textplot import bars
from stabbench.errors import StabbenchError
from stabbench.statistics.paired import MIN_PAIRS
from stabbench.statistics.power import MOST_SEEDS, POWER
from stabbench.text import terminal_line

PAIRED = f"""
paired: by seed from {MIN_PAIRS} seeds on, as these gates do by themselves where both sides have the same
seeds; here of seeds that have nothing in common: the more they have, the fewer it takes.
unpaired: with paired=False, or where seeds differ."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("gate", nargs="?", choices=GATES, help="one gate alone; default: a table of all")
    parser.add_argument(
        "--allow", type=float, metavar="SHARE", help="failures: the gate's at_most; so for runs at chance"
    )
    parser.add_argument("--truth", type=float, metavar="SHARE", help="failures: the true share")
    parser.add_argument(
        "--ratio",
        type=float,
        metavar="R",
        help="spread: true std / allowed std; steadier, regression: larger std / smaller std; "
        "mean: distance from the wanted mean / std",
    )
    parser.add_argument("--power", type=float, default=POWER, help="probability of the verdict; default: 0.8")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw power by seeds: FILE.svg or .png")


def run(arguments: argparse.Namespace) -> int:
    """Print the table; write the picture."""
    _check(arguments)
    found = [
        question
        for gate in ((arguments.gate,) if arguments.gate else GATES)
        for question in QUESTIONS[gate](arguments)
    ]
    print(f"least number of seeds for a power of {arguments.power:g}, errors at most 0.05 on a side\n")
    comparing = any(question.runs for question in found)
    rows = [
        (q.gate, q.verdict, q.truth, *([q.runs] if comparing else []), "none" if q.least is None else q.least)
        for q in found
    ]
    heads = ("gate", "to show", "if in truth", *(["runs"] if comparing else []), "seeds")
    print(tabulate(rows, heads, "simple", colalign=("left",) * len(heads)))
    if comparing:
        print(PAIRED)
    if len(found) == 1:
        _say_power(found[0])
    if arguments.picture is not None:
        from stabbench.commands.seeds_picture import write  # with matplotlib

        write(arguments.picture, found, arguments.power)
        print()
        print(terminal_line(f"power by seeds: {arguments.picture}"))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    belongs = {"allow": ("failures",), "truth": ("failures",), "ratio": tuple(GATES[1:])}
    for name, gates in belongs.items():
        if getattr(arguments, name) is not None and arguments.gate not in gates:
            raise StabbenchError(f"--{name} is a question about one gate.", f"name it: {', '.join(gates)}.")
    for name, low, high in (("allow", 0.0, 1.0), ("power", 0.0, 1.0)):
        value = getattr(arguments, name)
        if value is not None and not low < value < high:
            raise StabbenchError(f"--{name} {value:g} is not between 0 and 1.", "write 0.2 for 20 %.")
    if arguments.truth is not None and not 0 <= arguments.truth <= 1:
        raise StabbenchError(f"--truth {arguments.truth:g} is no share.", "write 0.02 for 2 %.")
    if arguments.ratio is not None and not (np.isfinite(arguments.ratio) and arguments.ratio > 0):
        raise StabbenchError(f"--ratio {arguments.ratio:g} is not above 0.", "write 2 for twice as large.")
    if arguments.picture is not None and arguments.picture.suffix not in (".svg", ".png"):
        raise StabbenchError(f"{arguments.picture} is neither .svg nor .png.", "name it so.")


def _say_power(question: Question) -> None:
    seeds = grid(question, min(MOST_SEEDS, 2 * (question.least or 100)))
    shown = seeds[:: max(1, len(seeds) // 48)]
    line = bars([round(1000 * question.power_at(n)) for n in shown])
    print(f"\npower with {shown[0]} to {shown[-1]} seeds  {line}")
