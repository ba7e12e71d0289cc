"""``stabbench leaderboard``: write tables, pictures and the page, or check the committed ones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.leaderboard import data, latex, markdown
from stabbench.leaderboard.board import build
from stabbench.leaderboard.output import differences, write
from stabbench.leaderboard.published import read_published
from stabbench.samples.archive import write_archive
from stabbench.samples.collection import Collection
from stabbench.samples.reader import load
from stabbench.suite import parse_seeds
from stabbench.text import shown, terminal, terminal_line

FORMATS = {"markdown": markdown.render, "csv": data.to_csv, "json": data.to_json, "latex": latex.render}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_sources(parser)
    parser.add_argument("--seeds", help="planned seeds of every group (25, 0-24), so that missing ones show")
    parser.add_argument(
        "--published",
        type=Path,
        default=Path("baselines/published.json"),
        help="figures of papers to show beside; default: baselines/published.json",
    )
    parser.add_argument("--out", type=Path, default=Path("leaderboard"), help="folder; default: leaderboard")
    parser.add_argument("--format", choices=FORMATS, help="print the tables in this format and write nothing")
    parser.add_argument("--check", action="store_true", help="fail where the folder differs; write nothing")
    parser.add_argument(
        "--save-archive", type=Path, metavar="FILE", help="write the runs to an archive as well"
    )


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name where runs come from."""
    parser.add_argument(
        "--store", type=Path, action="append", default=[], help="a store; repeatable; default: .stabbench"
    )
    parser.add_argument("--archive", type=Path, action="append", default=[], help="an archive; repeatable")


def read_sources(arguments: argparse.Namespace, planned_seeds: Sequence[int] = ()) -> Collection:
    """Return the runs of all stores and archives that were named.

    Raises:
        StabbenchError: when there is no run, or one cannot be read.
    """
    sources: list[Path] = [*arguments.store, *arguments.archive] or [Path(".stabbench")]
    found = load(*sources, traces=True, planned_seeds=planned_seeds)
    for problem in found.problems:
        print(terminal_line(problem), file=sys.stderr)
    if not found.runs:
        raise StabbenchError(
            f"there is no run in {', '.join(map(str, sources))}.",
            "train some with pytest, e.g. `pytest --pyargs stabbench.suites.mini -n 2`.",
        )
    return found


def run(arguments: argparse.Namespace) -> int:
    """Write, print or check; 1 when the check found a difference."""
    collection = read_sources(arguments, parse_seeds(arguments.seeds) if arguments.seeds else ())
    board = build(collection, read_published(arguments.published))
    if arguments.save_archive:
        write_archive(collection, arguments.save_archive)
    if arguments.format:
        words = FORMATS[arguments.format](board)
        sys.stdout.write(
            terminal(words) if sys.stdout.isatty() else words
        )  # a file or program gets exact names
        return 0
    if arguments.check:
        found = differences(board, arguments.out)
        for line in found:
            print(terminal_line(line))
        folder, count = shown(arguments.out), len(collection.runs)
        print(
            f"{folder} differs from what the {count} runs give; write it again with the same command without "
            "--check."
            if found
            else f"{folder} is what the {count} runs give"
        )
        return 1 if found else 0
    write(board, arguments.out)
    tables = shown(arguments.out / "README.md")
    print(f"{len(collection.runs)} runs in {len(board.rows)} groups: see {tables} and index.html")
    return 0
