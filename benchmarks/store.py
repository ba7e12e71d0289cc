"""A store of many runs: how long do `load`, a replay of its suite and the leaderboard take?

    python benchmarks/store.py [--runs 1000 3000 10000] [--folder DIR]

Makes each store once (generated runs of two strategies on two mini tasks, with traces, predictions and as
many evaluations as `ours` has), then times each of these as a process of its own, three times.
pytest's own time is that of as many items that do nothing.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from stabbench import tasks
from stabbench.metrics import confusion, for_classifiers
from stabbench.planning import PlanOptions, plan_group
from stabbench.runs import Evaluation, RunRecord, Score, Store
from stabbench.suite import Suite

TASKS = ("mini-cola", "mini-rte")
STRATEGIES = ("ours", "devlin")
REPEATS = 3
LAYERS = ("embeddings", *(f"layer.{number}" for number in range(6)), "pooler", "head")

SUITE = """
from stabbench import Suite

suite = Suite(task={tasks!r}, models=["mini-bert"], seeds={seeds})


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.9)
"""
NOTHING = """
import pytest


@pytest.mark.parametrize("number", range({runs}))
def test_nothing(number):
    pass
"""


def fill(folder: Path, runs: int) -> None:
    """Write a project: a suite, tests that do nothing, and a store with every run of the suite."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = runs // (len(TASKS) * len(STRATEGIES))
    (folder / "pyproject.toml").write_text("")
    (folder / "test_suite.py").write_text(SUITE.format(tasks=TASKS, seeds=seeds))
    (folder / "test_nothing.py").write_text(NOTHING.format(runs=runs))
    store, rng, took = Store(folder / ".stabbench"), np.random.default_rng(0), []
    for task in TASKS:
        labels = np.array(tasks.load(tasks.get(task)).dev.labels)
        suite = Suite(task=task, models=["mini-bert"], seeds=seeds)
        for strategy in STRATEGIES:
            for request in plan_group(suite, task, "mini-bert", strategy, PlanOptions()).requests:
                took.append(write(store, request.spec, labels, rng))
    print(f"{'a record written':<28}{statistics.median(took) * 1e3:7.2f} ms")


def write(store: Store, spec, labels: np.ndarray, rng: np.random.Generator) -> float:
    """Write one run with made-up numbers of the usual shape, and return the seconds that the store took."""
    work, total = spec.fine_tuning, spec.fine_tuning.total_updates
    epochs = work.recipe.epochs
    logits = rng.normal(size=(len(labels), 2)).astype(np.float32)
    logits[np.arange(len(labels)), np.where(rng.random(len(labels)) < 0.85, labels, 1 - labels)] += 4
    losses = rng.random(total, dtype=np.float32)
    metric, counts = for_classifiers(work.task.metric), confusion(labels, logits.argmax(axis=1), 2)
    value = metric.value(counts)
    last = Score(value=value, step=total, confusion=counts)
    steps = np.linspace(total / epochs, total, epochs).astype(int)
    record = RunRecord.of(
        spec,
        constant=metric.constant(np.bincount(labels).tolist()),
        dev_counts=tuple(int(count) for count in np.bincount(labels, minlength=2)),
        status="completed",
        last=last,
        best=last,
        evaluations=tuple(
            Evaluation(value=value, step=int(step), confusion=counts, dev_loss=0.4) for step in steps
        ),
        train_loss=float(losses[-work.recipe.updates_per_epoch(work.task.n_train) :].mean(dtype=np.float64)),
        label_entropy=0.69,
        layers=LAYERS,
        seconds=5.0,
        created="2026-01-01T00:00:00+00:00",
        environment={"device": "a CPU", "threads": 1},
    )
    arrays = {
        "loss": losses,
        "gradient_norm": rng.random(total, dtype=np.float32),
        "trace_steps": np.arange(0, total, 10),
        "layer_norms": rng.random((len(range(0, total, 10)), len(LAYERS)), dtype=np.float32),
        "logits": logits,
        "best_logits": logits,
        "dev_labels": labels,
    }
    start = time.perf_counter()
    store.write(record, arrays)
    return time.perf_counter() - start


LOAD = """
import time, stabbench
start = time.perf_counter()
runs = stabbench.load(".stabbench")
print(len(runs.records), time.perf_counter() - start)
"""


def timed(name: str, command: list[str], folder: Path) -> float:
    """Run a command some times, print and return the median of its seconds."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        took.append(time.perf_counter() - start)
        if done.returncode:
            sys.exit(f"{name} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        if command[1] == "-c":
            took[-1] = float(done.stdout.split()[-1])
    print(f"{name:<28}{statistics.median(took):7.2f} s  ({', '.join(f'{t:.2f}' for t in took)})", flush=True)
    return statistics.median(took)


def main() -> None:
    """Fill a store and time what reads it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[10_000], help="runs in the store, or several")
    parser.add_argument(
        "--folder", type=Path, help="where stores are made and kept; default: a temporary one"
    )
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="store-"))
    try:
        for runs in options.runs:
            print(f"{runs} runs")
            measure(folder / str(runs), runs)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


def measure(folder: Path, runs: int) -> None:
    """Fill a store, unless it is there, and time what reads it."""
    if not (folder / ".stabbench").exists():
        fill(folder, runs)
    python = sys.executable
    session = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    timed("load, index built", [python, "-c", LOAD], folder)
    timed("load", [python, "-c", LOAD], folder)
    own = timed("pytest's own time", [*session, "test_nothing.py"], folder)
    strategies = [word for name in STRATEGIES for word in ("--strategy", name)]
    replay = timed("replay", [*session, "test_suite.py", "--stab-replay", *strategies], folder)
    print(f"{'replay beyond pytest':<28}{replay - own:7.2f} s")
    timed("leaderboard", [python, "-m", "stabbench", "leaderboard", "--out", "board"], folder)


if __name__ == "__main__":
    main()
