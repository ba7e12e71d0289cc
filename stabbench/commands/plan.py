"""``stabbench plan``: how many runs and steps, what is there already, how long the rest would take."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from stabbench import executors
from stabbench.errors import RecordError, StabbenchError
from stabbench.options import add_plan_options, chosen_strategies, plan_options
from stabbench.planning import plan_group, task_lines
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.suite import find_suites
from stabbench.text import DAY, duration, shown, terminal_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments: the session's own, which may be written without ``stab-``, and a few."""

    def add(flag: str, **kwargs: Any) -> None:
        parser.add_argument(*dict.fromkeys((flag, flag.replace("--stab-", "--"))), **kwargs)

    parser.add_argument("suite", type=Path, help="a suite's folder, file or package (stabbench.suites.rte)")
    add_plan_options(add)
    parser.add_argument("-n", "--workers", type=int, default=1, help="runs in flight, for the estimate")
    parser.add_argument("--no-estimate", action="store_true", help="do not measure any steps")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write a request file for each missing run")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    options, strategies = plan_options(arguments), chosen_strategies(arguments)
    suites = find_suites(arguments.suite)
    if not suites:
        raise StabbenchError(f"there is no Suite in {arguments.suite}.", "give a suite's folder or file.")
    store = Store(arguments.stab_store or Path(".stabbench"))
    groups = [
        plan_group(suite, task, model, strategy, options)
        for _, suite in suites
        for task in suite.tasks
        for model in arguments.stab_model or suite.models
        for strategy in strategies
    ]
    told = [line for _, suite in suites for task in suite.tasks for line in task_lines(suite, task, options)]
    print(*dict.fromkeys(told), sep="\n")
    seconds = 0.0
    written = 0
    for group in groups:
        missing = [request for request in group.requests if not _is_there(store, request)]
        steps = group.requests[0].work.total_updates
        line = (
            f"{group.strategy} / {group.task} / {group.model}: {len(group.requests)} runs of {steps} steps, "
            f"{len(group.requests) - len(missing)} in the store, {len(missing) * steps} steps to train"
        )
        if missing and not arguments.no_estimate:
            per_run = estimate_seconds(missing[0])
            seconds += per_run * len(missing)
            line += f", about {duration(per_run)} a run"
        print(terminal_line(line))
        if arguments.write is not None:
            written += _write(arguments.write, missing)
    if arguments.write is not None:
        folder = shown(arguments.write)
        print(f"{written} request files written to {folder}; run each with `stabbench exec FILE`")
    if not arguments.no_estimate:
        total = seconds / arguments.workers
        print(f"In all about {duration(total)} with -n {arguments.workers} on this machine.")
        if total > DAY:
            print(
                "WARNING: this machine would need days. Use a GPU, share the seeds between machines "
                "(--stab-shard), take a smaller model (--stab-model), or start with stabbench.suites.mini."
            )
    return 0


def _is_there(store: Store, request: Request) -> bool:
    try:
        return store.read(request.spec.key) is not None
    except RecordError:
        return False


def _write(folder: Path, requests: list[Request]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for request in requests:
        (folder / f"{request.spec.key}.json").write_text(request.model_dump_json(indent=1), encoding="utf-8")
    return len(requests)


def estimate_seconds(request: Request) -> float:
    """Return about how long a run takes here, from four measured steps and an evaluation.

    Raises:
        StabbenchError: when even these steps fail.
    """
    spec, work = request.spec, request.work
    recipe = work.recipe
    with tempfile.TemporaryDirectory() as folder, executors.create("process", Path(folder)) as executor:
        timed: list[float] = []
        for steps in (1, 1, 4):  # the first loads and warms up
            short = spec.change(recipe=recipe.change(steps=steps), replicate=len(timed), start=None)
            trial = request.model_copy(update={"spec": short, "start": None})
            outcome = executors.compute_one(executor, trial)
            if outcome.note is not None:
                raise StabbenchError(
                    f"a trial run of {steps} steps errored: {outcome.note.message}", "mend that first."
                )
            record = Store(Path(folder)).read(short.key)
            assert record is not None
            assert record.seconds is not None
            timed.append(record.seconds)
    step = max(0.0, timed[2] - timed[1]) / 3
    evaluation = max(0.0, timed[1] - step)
    epochs = -(-work.total_updates // recipe.updates_per_epoch(work.task.n_train))
    return work.total_updates * step + epochs * recipe.evaluations_per_epoch * evaluation
