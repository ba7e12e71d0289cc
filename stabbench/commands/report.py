"""``stabbench report KEY...``: what happened in a group of runs, or in one run."""

from __future__ import annotations

import argparse
from pathlib import Path

from stabbench.commands.leaderboard import add_sources, read_sources
from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.leaderboard import report
from stabbench.runs.files import write_atomic
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.groups import RunGroup, group_runs
from stabbench.text import shown, terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("keys", nargs="+", metavar="KEY", help="beginning of the key of a group or of a run")
    add_sources(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(".stabbench/reports"),
        help="folder of the HTML file with the pictures",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a report for each key and write it with its picture to a file."""
    groups = group_runs(read_sources(arguments))
    for number, key in enumerate(arguments.keys):
        group, one = find(groups, key)
        words = report.group_report(group) if one is None else report.run_report(group, one)
        document = report.document(words, report.picture(group, one))
        place = arguments.out / f"{(group.first.group if one is None else one.record.key)[:16]}.html"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, document.encode())
        except OSError as error:
            raise StabbenchError(
                f"{place} cannot be written: {error.strerror or error}.", "choose another folder with --out."
            ) from error
        print(f"{'' if number == 0 else chr(10)}{terminal(words)}\nWith pictures: {shown(place)}")
    return 0


def find(groups: tuple[RunGroup, ...], key: str) -> tuple[RunGroup, RunWithTraces | None]:
    """Return the group that a key begins, or the run with its group.

    Raises:
        UnknownNameError: when no key, or more than one, begins so.
    """
    found: list[tuple[RunGroup, RunWithTraces | None]] = [
        (group, None) for group in groups if group.first.group.startswith(key)
    ]
    found += [(group, run) for group in groups for run in group.runs if run.record.key.startswith(key)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownNameError(f"{len(found)} groups and runs begin with {key!r}.", "give more of the key.")
    known = "\n".join(
        f"     {group.first.group[:12]}  {shown(group.strategy)} on {shown(group.task)}, "
        f"{sum(group.failed)}/{len(group.runs)} failed"
        for group in groups
    )
    raise UnknownNameError(
        f"no group and no run begins with {key!r}.",
        f"the groups are:\n{known}"
        if groups
        else "there are only runs with random streams held, or that others start from; `stabbench analyse` "
        "shows the former.",
    )
