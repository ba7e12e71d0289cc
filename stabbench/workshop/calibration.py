"""``stabbench mini calibrate``: every strategy on every mini task, as an archive, a baseline and a table."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from pathlib import Path

from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.runs import RunRecord
from stabbench.suite import Suite
from stabbench.workshop.search import TASKS

MODEL = "mini-bert"
OTHER_TASK = {"mini-cola": "mini-rte", "mini-rte": "mini-mrpc", "mini-mrpc": "mini-rte"}
"""The task that intermediate training takes first."""

STRATEGIES: tuple[tuple[str, int], ...] = (
    ("devlin", 25),
    ("ours", 25),
    ("bias-correction", 25),
    ("reinit:layers=1", 25),
    ("llrd", 25),
    ("pretrained-decay", 25),
    ("intermediate:task={other}", 25),
    ("mixout", 25),
    ("r-drop", 10),
    ("noisytune", 10),
    ("child-tuning", 10),
    ("r3f", 10),
    ("lora", 10),
    ("swa", 10),
    ("mixout:p=0.1", 10),
    ("longer:steps=200", 25),
    ("small-lr", 25),
    ("ours", 50),
)
"""Strategy and number of seeds, in the order of training; later lines extend earlier ones."""

BASELINE = ("devlin", "bias-correction", "ours")
"""Strategies whose runs are saved as the baseline ``mini``."""


def requests() -> list[Request]:
    """Return all runs of the calibration, the papers' own strategies first."""
    found: dict[str, Request] = {}
    for text, seeds in STRATEGIES:
        for task in TASKS:
            strategy = text.format(other=OTHER_TASK[task])
            suite = Suite(task=task, models=[MODEL], seeds=seeds)
            for request in plan_group(suite, task, MODEL, strategy, PlanOptions()).requests:
                found.setdefault(request.spec.key, request)
    return list(found.values())


def table(records: Iterable[RunRecord]) -> str:
    """Return the calibration as Markdown, a row for each task and strategy.

    Metrics are percentages; the standard deviation is that of all runs (ddof 1); seconds are the median
    run's, on one CPU thread.
    """
    from tabulate import tabulate

    from stabbench.samples.collection import Collection

    rows = []
    for group in Collection.of(records).groups():
        seconds = [run.seconds for run in group.runs if run.seconds is not None]
        rows.append(
            [
                group.task,
                group.strategy,
                f"{group.failed}/{group.finished}",
                f"{100 * group.mean:.1f}",
                f"{100 * group.std:.1f}" if group.finished > 1 else "",
                f"{100 * group.best:.1f}",
                max(run.last.step for run in group.runs),
                f"{statistics.median(seconds):.1f}" if seconds else "",
            ]
        )
    headers = ["task", "strategy", "failed", "mean", "std", "max", "steps", "seconds"]
    if not any(row[-1] for row in rows):  # a baseline keeps no times
        headers, rows = headers[:-1], [row[:-1] for row in rows]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stabbench mini calibrate``."""
    parser.add_argument(
        "--store", type=Path, default=Path(".stabbench/calibration"), help="where runs are kept"
    )
    parser.add_argument("--workers", type=int, default=2, help="runs in flight; default: 2")
    parser.add_argument("--out", type=Path, default=Path("baselines"), help="folder; default: baselines")
    parser.add_argument("--no-train", action="store_true", help="write what the store has, train nothing")


def run(arguments: argparse.Namespace) -> int:
    """Train what neither store nor archive has, then write archive, baseline and table."""
    from stabbench.samples.archive import SUFFIX, write_archive
    from stabbench.samples.baselines import write_baseline
    from stabbench.samples.collection import Collection
    from stabbench.samples.reader import load
    from stabbench.workshop.pool import train_all

    planned, archive = requests(), arguments.out / f"mini{SUFFIX}"
    keys = {request.spec.key for request in planned}
    sources = [archive] if archive.exists() else []
    archived = {record.key for record in load(*sources).records}
    if not arguments.no_train:
        missing = [request for request in planned if request.spec.key not in archived]
        train_all(missing, arguments.store, arguments.workers)
    if (arguments.store / "runs").is_dir():
        sources.append(arguments.store)
    found = load(*sources, traces=True)
    found.check_readable()
    planned_runs = Collection(tuple(run for run in found.runs if run.record.key in keys))
    write_archive(planned_runs, archive)
    records = planned_runs.records
    groups = [group for group in planned_runs.groups() if group.strategy in BASELINE]
    write_baseline(arguments.out / "mini.jsonl", groups)
    (arguments.out / "mini.md").write_text(page(records, len(keys)), encoding="utf-8")
    print(f"{len(records)} of {len(keys)} runs; written to {archive}, mini.jsonl and mini.md")
    return 0


def page(records: Iterable[RunRecord], planned: int) -> str:
    """Return the calibration's page: the table, and how it was made."""
    found = tuple(records)
    return (
        "# Calibration of the mini world\n\n"
        f"{len(found)} of {planned} planned runs on `{MODEL}`, made by `make calibrate`. A failed run is\n"
        "one that is not better than the best constant classifier. Metrics are Matthews' correlation\n"
        "(mini-cola), accuracy (mini-rte) and F1 (mini-mrpc) in per cent at the end of training; std is of\n"
        "all runs (ddof 1); steps and seconds are the median run's, on one thread.\n\n"
        f"{table(found)}\n"
    )
