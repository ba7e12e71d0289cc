"""``stabbench merge TARGET SOURCE...``: join the stores of several machines."""

from __future__ import annotations

import argparse
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.runs import Store
from stabbench.runs.merge import merge
from stabbench.text import terminal_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", type=Path, help="the store that receives the runs")
    parser.add_argument("sources", type=Path, nargs="+", help="stores to copy from")


def run(arguments: argparse.Namespace) -> int:
    """Copy what the target lacks."""
    for source in arguments.sources:
        if not (source / "runs").is_dir():
            raise StabbenchError(f"{source} is no store.", "give a folder that has a folder `runs`.")
    counts = merge(Store(arguments.target), [Store(source) for source in arguments.sources])
    for source, (copied, present) in zip(arguments.sources, counts, strict=True):
        print(terminal_line(f"{source}: {copied} runs copied, {present} were there already"))
    return 0
