"""``stabbench show KEY``: what a record says, for a reader."""

from __future__ import annotations

import argparse
from pathlib import Path

from stabbench import metrics
from stabbench.errors import StabbenchError
from stabbench.runs import RunRecord, Store
from stabbench.text import json_text, shown, terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("key", help="a run's key, or the beginning of it")
    parser.add_argument("--store", type=Path, default=Path(".stabbench"), help="default: .stabbench")
    parser.add_argument("--json", action="store_true", help="the whole record as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the record, or why the run errored."""
    store = Store(arguments.store)
    found = sorted(key for key in {*store.keys(), *store.errors()} if key.startswith(arguments.key))
    if len(found) > 1:
        raise StabbenchError(f"{len(found)} runs begin with {arguments.key}.", "give more of the key.")
    record = store.read(found[0]) if found else None
    if record is None:
        note = store.error(found[0]) if found else None
        if note is None:
            raise StabbenchError(
                f"there is no run {arguments.key} in {store.root}.", "name another store with --store."
            )
        print(terminal(f"{note.key} errored ({note.kind}): {note.message}\n{note.log}"))
        return 1
    print(json_text(record.model_dump_json(indent=1)) if arguments.json else terminal(describe(record)))
    return 0


def describe(record: RunRecord) -> str:
    """Return a record in a few lines of text."""
    replicate = f", replicate {record.replicate}" if record.replicate else ""
    metric = metrics.named(record.metric, record.better)
    last, best, constant = (
        metric.text(score, 2) for score in (record.last.value, record.best.value, record.constant)
    )
    lines = [
        f"run       {record.key}",
        f"what      {record.strategy} / {record.task} / {record.model}, seed {record.seed}{replicate}",
        f"status    {record.status}" + (f": {record.reason}" if record.reason else ""),
        f"last      {record.metric} {last} after {record.last.step} updates",
        f"best      {record.metric} {best} after {record.best.step} updates",
        f"constant  {constant}, what the best constant classifier reaches",
    ]
    if record.train_loss is not None:
        entropy = "" if record.label_entropy is None else f" (label entropy {record.label_entropy:.4f})"
        lines.append(f"loss      {record.train_loss:.4f} in the last epoch{entropy}")
    if record.fine_tuning is not None:
        recipe = record.fine_tuning.recipe.model_dump(exclude_none=True)
        lines.append("recipe    " + ", ".join(f"{name}={value}" for name, value in recipe.items()))
    if record.seconds is not None:
        lines.append(f"took      {record.seconds:.1f} s, ended {record.created}")
    lines += [
        f"{'with' if i == 0 else '':<9} {k}: {v}" for i, (k, v) in enumerate(record.environment.items())
    ]
    return "\n".join(map(shown, lines))
