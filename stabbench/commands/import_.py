"""``stabbench import FILE``: scores from elsewhere into a store."""

from __future__ import annotations

import argparse
from pathlib import Path

from stabbench.runs import Store
from stabbench.samples.imports import import_scores
from stabbench.text import terminal_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "file",
        type=Path,
        nargs="+",
        help="table or JSON, a row a run; see docs/baselines.md",
    )
    parser.add_argument(
        "--better",
        choices=("higher", "lower"),
        help="which scores are better; needed for a metric that stabbench does not know",
    )
    parser.add_argument("--store", type=Path, default=Path(".stabbench"), help="default: .stabbench")


def run(arguments: argparse.Namespace) -> int:
    """Import the files."""
    for path in arguments.file:
        new = import_scores(path, Store(arguments.store), arguments.better)
        print(terminal_line(f"{path}: {new} new runs in {arguments.store}"))
    return 0
