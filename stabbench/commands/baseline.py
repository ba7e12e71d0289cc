"""``stabbench baseline``: save runs of a store as a committed baseline, list it, put it back into a store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tabulate import tabulate

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.registry import suggest
from stabbench.runs import Store
from stabbench.samples.baselines import (
    FOLDER,
    SUFFIX,
    baseline_names,
    baseline_path,
    read_baseline,
    write_baseline,
)
from stabbench.samples.collection import Collection
from stabbench.samples.comparison import differences, listed
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from stabbench.text import shown, terminal, terminal_line

ENOUGH = 25
"""Runs that the regression gate needs in a baseline's group."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    save = actions.add_parser("save", help="write groups of a store to baselines/NAME.jsonl")
    save.add_argument("name", help="name of the baseline")
    save.add_argument("--task", action="append", help="only this task; repeatable")
    save.add_argument("--model", action="append", help="only this model; repeatable")
    save.add_argument("--strategy", action="append", help="only the strategy of this label; repeatable")
    save.add_argument("--group", action="append", help="only the group whose digest begins so; repeatable")
    save.add_argument("--replace", action="store_true", help="replace a baseline and print what changed")
    show = actions.add_parser("show", help="list the groups of a baseline, or all baselines")
    show.add_argument("name", nargs="?", help="name of the baseline")
    restore = actions.add_parser("restore", help="put a baseline's runs into a store, for --stab-replay")
    restore.add_argument("name", help="name of the baseline")
    for action in (save, restore):
        action.add_argument("--store", type=Path, default=Path(".stabbench"), help="default: .stabbench")
    for action in (save, show, restore):
        action.add_argument("--folder", type=Path, default=FOLDER, help="default: baselines")


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    if arguments.action == "save":
        _save(arguments)
    elif arguments.action == "restore":
        runs = read_baseline(baseline_path(arguments.name, arguments.folder))
        store = Store(arguments.store)
        store.check_writable()
        known = store.read_all()[0].keys()  # what cannot be read makes room
        new = [record for record in runs.records if record.key not in known]
        for record in new:
            store.write(record)
        present = len(runs.records) - len(new)
        print(f"{len(new)} runs written to {shown(store.root)}, {present} were there already")
    elif arguments.name is None:
        names = baseline_names(arguments.folder) or [f"no baseline in {arguments.folder}"]
        print(terminal("\n".join(map(shown, names))))
    else:
        print(_table(read_baseline(baseline_path(arguments.name, arguments.folder)).groups()))
    return 0


def _save(arguments: argparse.Namespace) -> None:
    if not arguments.name or arguments.name.startswith(".") or Path(arguments.name).name != arguments.name:
        raise StabbenchError(
            f"{arguments.name!r} is no name of a baseline.", "give a plain name, and a folder with --folder."
        )
    path = arguments.folder / f"{arguments.name}{SUFFIX}"
    if path.exists() and not arguments.replace:
        raise StabbenchError(f"{path} exists.", "choose another name, or say --replace.")
    found = load(arguments.store)
    for problem in found.problems:
        print(terminal_line(problem), file=sys.stderr)
    if found.unplaced_errors:
        print(f"{found.unplaced_errors} more runs errored, of groups without any finished run")
    groups = found.groups()
    for name in ("task", "model", "strategy"):
        known = {getattr(group, name) for group in groups}
        for asked in getattr(arguments, name) or ():
            if asked not in known:
                raise UnknownNameError(
                    f"{arguments.store} has no group of the {name} {asked!r}.", suggest(asked, known)
                )
    wanted = [group for group in groups if _is_wanted(group, arguments)]
    before = read_baseline(path) if path.exists() else Collection(())
    write_baseline(path, wanted)
    print(_table(wanted))
    for group in wanted:
        if group.finished < ENOUGH:
            print(terminal_line(f"{group}: {group.finished} runs; the regression gate needs {ENOUGH}"))
    if arguments.replace:
        found_changes = changes(before, read_baseline(path)) or ["no run changed"]
        print("\n".join(map(shown, found_changes)))
    print(f"written to {shown(path)}")


def _is_wanted(group: Stability, arguments: argparse.Namespace) -> bool:
    digest = group.runs[0].group
    return (
        (not arguments.task or group.task in arguments.task)
        and (not arguments.model or group.model in arguments.model)
        and (not arguments.strategy or group.strategy in arguments.strategy)
        and (not arguments.group or any(digest.startswith(prefix) for prefix in arguments.group))
    )


def changes(before: Collection, after: Collection) -> list[str]:
    """Return a line for each group that came, went or changed from one baseline to another."""
    old = {str(group): group for group in before.groups()}
    new = {str(group): group for group in after.groups()}
    lines = [f"gone: {name}" for name in old if name not in new]
    lines += [f"new: {name}" for name in new if name not in old]
    for name in old.keys() & new.keys():
        scores = [{run.seed: run.last.value for run in group.runs} for group in (old[name], new[name])]
        moved = sum(
            scores[0].get(seed) != scores[1].get(seed) for seed in scores[0].keys() | scores[1].keys()
        )
        method = listed(differences(old[name].runs, new[name].runs))
        if moved or method:
            lines.append(f"changed: {name}: {moved} seeds; {method or 'same method'}")
    return sorted(lines)


def _table(groups: list[Stability]) -> str:
    rows = [
        [
            *map(shown, (group.strategy, group.task, group.model)),
            group.finished,
            f"{group.failed}/{group.finished}",
            group.metric.text(group.mean),
            group.metric.text(group.std),
            group.metric.text(group.best),
            group.runs[0].group[:12],
        ]
        for group in groups
    ]
    headers = ["strategy", "task", "model", "n", "failed", "mean", "std", "best", "group"]
    return terminal(tabulate(rows, headers=headers, disable_numparse=True))
