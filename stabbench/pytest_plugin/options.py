"""The plugin's options, and the settings that they add up to, once there is a suite or an option is given."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.options import add_plan_options, check_positive, chosen_strategies, plan_options

if TYPE_CHECKING:
    from stabbench.executors import ExecutorOptions
    from stabbench.planning import PlanOptions
    from stabbench.runs import Checkpoint

Inconclusive = Literal["fail", "warn", "skip"]


def add_options(add: Callable[..., object]) -> None:
    """Declare the options.

    Args:
        add: ``addoption`` of a group of pytest's, or ``add_argument`` of an argparse parser.
    """
    add_plan_options(add)
    add("--stab-replay", action="store_true", help="judge from the store, train nothing")
    add("--stab-devices", metavar="LIST", help="cpu or cuda:0,cuda:1; default: all GPUs, else the CPU")
    add("--stab-threads", type=int, default=1, metavar="N", help="CPU threads of a run; default: 1")
    add(
        "--stab-executor",
        default="process",
        metavar="NAME",
        help="process (default), debug (in this process), or path.py:Name of your own",
    )
    add(
        "--stab-timeout",
        type=float,
        metavar="SECONDS",
        help="a run that trains longer is stopped; default: a day",
    )
    add(
        "--stab-start-timeout",
        type=float,
        metavar="SECONDS",
        help="most time for a trainer process to start, and to load model and data; default: 600",
    )
    add(
        "--stab-checkpoint",
        default="last",
        metavar="WHICH",
        help="judge each run's last (default) or best score",
    )
    add(
        "--stab-inconclusive",
        default="fail",
        metavar="HOW",
        help="INCONCLUSIVE means fail (default), warn or skip",
    )
    add(
        "--stab-baseline",
        metavar="NAME",
        help="judge gates that take `baseline` against baselines/NAME.jsonl (or a path)",
    )
    add(
        "--stab-early-stop",
        action="store_true",
        help="run no more seeds of a group once few_failures is certain to FAIL; its suite must say "
        "failures_at_most",
    )
    add(
        "--stab-more-seeds",
        type=int,
        metavar="N",
        help="run up to N seeds in all, more than are planned, for gates that are INCONCLUSIVE; the first "
        "look has three quarters of the error rate, the second the rest",
    )


def are_given(option: Namespace) -> bool:
    """Return whether any of our options says something else than it does by itself."""
    parser = ArgumentParser(add_help=False)
    add_options(parser.add_argument)
    defaults = vars(parser.parse_args([]))
    return any(getattr(option, name, default) != default for name, default in defaults.items())


@dataclass(frozen=True)
class Settings:
    """The options, checked.

    Attributes:
        session: names the session, in all its processes.
        supervisor: the controller's process, without which nobody wants a worker's results; ``None``
            where there is none.
    """

    strategies: tuple[str, ...]
    models: tuple[str, ...]
    plan: PlanOptions
    store: Path
    replay: bool
    executor: str
    executor_options: ExecutorOptions
    checkpoint: Checkpoint
    inconclusive: Inconclusive
    baseline: Path | None
    early_stop: bool
    more_seeds: int | None
    session: str
    supervisor: int | None

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Return the settings of a session.

        Raises:
            StabbenchError: for a value that cannot be meant.
        """
        option = config.option
        worker: Mapping[str, Any] = getattr(config, "workerinput", {})
        from stabbench import executors, zygote
        from stabbench.suite import parse_seeds

        strategies, plan = chosen_strategies(option), plan_options(option)
        check_positive(option, ("stab_threads", "stab_timeout", "stab_start_timeout", "stab_more_seeds"))
        executors.REGISTRY.get(option.stab_executor)
        if option.stab_more_seeds is not None and plan.shard is not None:
            raise StabbenchError(
                "--stab-more-seeds judges, a share of the seeds (--stab-shard) cannot be judged.",
                "merge the shards first.",
            )
        if plan.seeds is not None:
            check_more_seeds(option.stab_more_seeds, len(parse_seeds(plan.seeds)))
        if option.stab_baseline is not None and plan.held:
            raise StabbenchError(
                f"a baseline's seeds vary every random stream, yet {', '.join(plan.held)} would be held.",
                "leave --stab-baseline or --stab-seed-streams away.",
            )
        session: str = worker.get(SESSION_NAME) or session_name(config)
        return cls(
            strategies=strategies,
            models=tuple(dict.fromkeys(option.stab_model)),
            plan=plan,
            store=(option.stab_store or config.rootpath / ".stabbench").resolve(),
            replay=option.stab_replay,
            executor=option.stab_executor,
            executor_options=executors.ExecutorOptions(
                threads=option.stab_threads,
                devices=tuple(option.stab_devices.split(",")) if option.stab_devices else (),
                timeout=option.stab_timeout or executors.RUN_SECONDS,
                start_timeout=option.stab_start_timeout or executors.START_SECONDS,
                zygote=zygote.name_of(session, option.stab_threads),
            ),
            checkpoint=cast(
                "Checkpoint", _choice("--stab-checkpoint", option.stab_checkpoint, ("last", "best"))
            ),
            inconclusive=cast(
                Inconclusive,
                _choice("--stab-inconclusive", option.stab_inconclusive, ("fail", "warn", "skip")),
            ),
            baseline=_baseline(option.stab_baseline, config.rootpath),
            early_stop=option.stab_early_stop,
            more_seeds=option.stab_more_seeds,
            session=session,
            supervisor=os.getppid() if worker else None,
        )

    def check_devices(self) -> None:
        """Ask once whether the named devices are there.

        Raises:
            StabbenchError: for the first that is not.
        """
        from stabbench.executors.devices import check_devices

        if not self.replay:
            check_devices(self.executor_options.devices)


def check_more_seeds(more: int | None, planned: int) -> None:
    """Check that ``--stab-more-seeds`` is more than what is planned.

    Args:
        more: the option's value.
        planned: seeds of the smallest suite.

    Raises:
        StabbenchError: when there would be no second look.
    """
    if more is not None and more <= planned:
        raise StabbenchError(
            f"--stab-more-seeds {more} adds nothing: {planned} seeds are planned already.",
            f"give the number of seeds in all, more than {planned}.",
        )


def _baseline(name: str | None, root: Path) -> Path | None:
    if name is None:
        return None
    from stabbench.samples.baselines import FOLDER, baseline_path, read_baseline  # imports SciPy

    path = baseline_path(name, root / FOLDER).resolve()
    read_baseline(path)
    return path


def _choice(option: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        from stabbench.registry import suggest

        raise UnknownNameError(f"{option} {value} is unknown.", suggest(value, known))
    return value


SETTINGS = pytest.StashKey[Settings]()
SESSION_NAME = "stabbench_session"
_NAME = pytest.StashKey[str]()


def session_name(config: pytest.Config) -> str:
    """Return what the session is called in all its processes (a worker is told)."""
    return config.stash.setdefault(_NAME, os.urandom(16).hex())


def settings_of(config: pytest.Config) -> Settings:
    """Return the settings of a session, checked when they are first asked for.

    Raises:
        StabbenchError: for a value that cannot be meant.
    """
    if SETTINGS not in config.stash:
        config.stash[SETTINGS] = Settings.of(config)
    return config.stash[SETTINGS]
