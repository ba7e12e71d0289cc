"""Where runs come from, as a word on the command line: a store, an archive, a baseline, or a group."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from stabbench.errors import UnknownNameError
from stabbench.registry import suggest
from stabbench.runs import Store
from stabbench.samples.baselines import FOLDER, SUFFIX, baseline_names, baseline_path
from stabbench.samples.collection import Collection
from stabbench.samples.reader import load

PLACE = "a baseline, a store's folder, an archive, or a group's digest, perhaps with :STRATEGY behind it"
"""What ``read_source`` takes."""


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where baselines and groups are looked for."""
    parser.add_argument("--store", type=Path, default=Path(".stabbench"), help="default: .stabbench")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of baselines; default: baselines")


def read_source(text: str, arguments: argparse.Namespace) -> tuple[Collection, Store | None]:
    """Return the runs that a source names, and the store that has their arrays.

    Args:
        text: see ``PLACE``.
        arguments: with those of ``add_places``.

    Raises:
        UnknownNameError: when there is no such source or strategy.
        StabbenchError: when it cannot be read.
    """
    source, _, strategy = text.partition(":")
    runs, store = _read(source, arguments)
    if not strategy:
        return runs, store
    chosen = tuple(run for run in runs.runs if run.record.strategy == strategy)
    if not chosen:
        known = {record.strategy for record in runs.records}
        raise UnknownNameError(f"{source} has no strategy {strategy!r}.", suggest(strategy, known))
    return replace(runs, runs=chosen), store


def _read(source: str, arguments: argparse.Namespace) -> tuple[Collection, Store | None]:
    path = Path(source)
    if (path / "runs").is_dir():
        return load(path), Store(path)
    if path.is_file():
        return load(path), None
    if source.endswith(SUFFIX) or source in baseline_names(arguments.folder):
        return load(baseline_path(source, arguments.folder)), None
    if (arguments.store / "runs").is_dir():
        found = load(arguments.store)
        runs = tuple(run for run in found.runs if run.record.group.startswith(source))
        if len({run.record.group for run in runs}) == 1:
            return replace(found, runs=runs), Store(arguments.store)
    raise UnknownNameError(
        f"{source!r} is no baseline, no store, no archive, and no group of {arguments.store}.",
        suggest(source, baseline_names(arguments.folder)),
    )
