"""``stabbench plan``: how many runs and steps, what they can show, how long what is missing would take."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stabbench import executors, tasks
from stabbench.commands.gate_plans import lines_of
from stabbench.commands.suite_gates import gates_of
from stabbench.errors import RecordError, StabbenchError
from stabbench.options import add_plan_options, chosen_strategies, plan_options
from stabbench.overrides import replaced
from stabbench.planning import data_of, plan_group, planned_runs
from stabbench.recipe import Recipe, evaluation_points
from stabbench.requests import Group, Request
from stabbench.runs import Store
from stabbench.suite import find_suites
from stabbench.text import DAY, duration, terminal_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments: the session's own, which may be written without ``stab-``, and a few."""

    def add(flag: str, **kwargs: Any) -> None:
        parser.add_argument(*dict.fromkeys((flag, flag.replace("--stab-", "--"))), **kwargs)

    parser.add_argument("suite", type=Path, help="a suite's folder, file or package (stabbench.suites.rte)")
    add_plan_options(add)
    parser.add_argument("-n", "--workers", type=int, default=1, help="runs in flight, for the estimate")
    parser.add_argument("--no-estimate", "--no-time", action="store_true", help="do not measure any steps")
    parser.add_argument(
        "--time-limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long steps are measured; what is not reached is guessed from the rest; default: 60",
    )
    parser.add_argument("--write", type=Path, metavar="DIR", help="write a request file for each missing run")


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    options, strategies = plan_options(arguments), chosen_strategies(arguments)
    suites = find_suites(arguments.suite)
    if not suites:
        raise StabbenchError(f"there is no Suite in {arguments.suite}.", "give a suite's folder or file.")
    store = Store(arguments.stab_store or Path(".stabbench"))
    found = [(suite, task) for _, suite in suites for task in suite.tasks]
    for task, data in {task: data_of(suite, tasks.get(task), options) for suite, task in found}.items():
        _say(f"{task}: {data.summary()}")
        for note in data.notes:
            _say(f"  {note}")
    for strategy in strategies:
        for line in replaced(strategy, Recipe(), options.overrides):
            _say(f"NOTE: {line}")
    groups = [
        plan_group(suite, task, model, strategy, options)
        for suite, task in found
        for model in arguments.stab_model or suite.model_names
        for strategy in strategies
    ]
    lacking: list[tuple[Group, list[Request]]] = []
    for group in groups:
        missing = [request for request in group.requests if not _is_there(store, request)]
        steps = group.requests[0].work.total_updates
        _say(
            f"{_name(group)}: {len(group.requests)} runs of {steps} steps, "
            f"{len(group.requests) - len(missing)} in the store, {len(missing) * steps} steps to train"
        )
        if missing:
            lacking.append((group, missing))
    for file, suite in suites:
        seeds = len({seed for seed, _ in planned_runs(suite, replace(options, shard=None))})
        for line in lines_of(gates_of(file, suite), seeds):
            _say(line)
    if arguments.write is not None:
        written = sum(_write(arguments.write, missing) for _, missing in lacking)
        _say(f"{written} request files written to {arguments.write}; run each with `stabbench exec FILE`")
    return 0 if arguments.no_estimate else _tell_time(lacking, arguments.time_limit, arguments.workers)


def _say(line: str) -> None:
    print(terminal_line(line), flush=True)  # at once, also into a pipe: what follows may take minutes


def _name(group: Group) -> str:
    return f"{group.strategy} / {group.task} / {group.model}"


def _tell_time(lacking: list[tuple[Group, list[Request]]], limit: float, workers: int) -> int:
    """Measure a few steps of each group and print how long all would take; return the exit status."""
    timing = Timing(limit)
    for group, missing in timing.rounds(lacking):
        seconds = timing.measure(missing[0])
        if seconds is not None:
            _say(f"{_name(group)}: about {duration(seconds)} a run")
    if lacking and not timing.steps:
        why = "you stopped it" if timing.interrupted else f"no run of a few steps ended within {limit:g} s"
        _say(f"No estimate: {why}.")
        return 130 if timing.interrupted else 0
    total = sum(timing.of(missing[0]) * len(missing) for _, missing in lacking) / workers
    if len(timing.known) < len(lacking):
        why = "before you stopped it" if timing.interrupted else f"within {limit:g} s"
        _say(
            f"{len(timing.known)} of {len(lacking)} groups were timed {why}; the rest is taken to be as fast."
        )
    _say(f"In all about {duration(total)} with -n {workers} on this machine.")
    if total > DAY:
        _say(
            "WARNING: this machine would need days. Use a GPU, share the seeds between machines "
            "(--stab-shard), take a smaller model (--stab-model), or start with stabbench.suites.mini."
        )
    return 130 if timing.interrupted else 0


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


class Timing:
    """How long runs take here, from four measured steps and an evaluation of each, within a limit.

    Args:
        limit: seconds that all measuring may take.
    """

    def __init__(self, limit: float) -> None:
        self.interrupted = False
        self.known: dict[str, float] = {}
        self.steps: list[float] = []
        self._end = time.monotonic() + limit
        self._trials = 0

    def rounds(self, lacking: list[tuple[Group, list[Request]]]) -> Iterator[tuple[Group, list[Request]]]:
        """Yield the groups as long as there is time, with a progress bar on a terminal; Ctrl-C ends it."""
        with (
            tempfile.TemporaryDirectory() as folder,
            executors.create("process", Path(folder)) as self._executor,
            tqdm(lacking, desc="timing", unit="group", leave=False, disable=None) as bar,
        ):
            self._store = Store(Path(folder))
            try:
                for found in bar:
                    if time.monotonic() >= self._end:
                        return
                    yield found
            except KeyboardInterrupt:
                self.interrupted = True

    def measure(self, request: Request) -> float | None:
        """Return about how long a run takes; ``None`` when the limit or Ctrl-C came first.

        Raises:
            StabbenchError: when even a few steps fail.
        """
        spec, work = request.spec, request.work
        timed: list[float] = []
        try:
            for steps in (1, 1, 4):  # the first loads and warms up
                self._trials += 1
                recipe = work.recipe.change(steps=steps, evaluations_per_epoch=1)
                short = spec.change(recipe=recipe, replicate=self._trials, start=None)
                seconds = self._seconds(request.model_copy(update={"spec": short, "start": None}))
                if seconds is None:
                    return None
                timed.append(seconds)
        except KeyboardInterrupt:
            self.interrupted = True
            self._end = 0.0
            return None
        step = max(0.0, timed[2] - timed[1]) / 3
        evaluation = max(0.0, timed[1] - step)
        recipe, total = work.recipe, work.total_updates
        per_epoch = recipe.updates_per_epoch(work.task.n_train)
        points = evaluation_points(total, per_epoch, recipe.evaluations_per_epoch)
        whole = total * step + len(points) * evaluation
        self.known[spec.group] = whole
        self.steps.append(whole / total)
        return whole

    def of(self, request: Request) -> float:
        """Return the seconds of a run: as measured, or as many steps of what was measured on average."""
        guess = sum(self.steps) / len(self.steps) * request.work.total_updates if self.steps else 0.0
        return self.known.get(request.spec.group, guess)

    def _seconds(self, trial: Request) -> float | None:
        job = self._executor.submit([trial])
        ended = job.wait(max(0.0, self._end - time.monotonic()))
        if ended is None:
            job.cancel()
            return None
        note = ended[1].note
        if note is not None:
            raise StabbenchError(f"a trial run of a few steps errored: {note.message}", "mend that first.")
        record = self._store.read(trial.spec.key)
        assert record is not None
        return record.seconds
