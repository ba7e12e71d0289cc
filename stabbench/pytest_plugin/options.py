"""The plugin's options, and the settings that they add up to."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from stabbench import executors
from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.planning import PlanOptions, override, parse_overrides
from stabbench.registry import suggest
from stabbench.runs import Checkpoint
from stabbench.spec import Recipe
from stabbench.strategies.catalog import parse_strategy
from stabbench.suite import parse_seeds

Inconclusive = Literal["fail", "warn", "skip"]


def add_options(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("stabbench", "fine-tuning stability")

    def add(name: str, **kwargs: Any) -> None:
        try:
            group.addoption(name, **kwargs)
        except ValueError as error:  # another plugin has an option of this name
            raise pytest.UsageError(
                f"stabbench cannot add {name}: {error}; disable the other plugin"
            ) from error

    add(
        "--strategy",
        action="append",
        default=[],
        metavar="NAME[:k=v,...]",
        help="strategy to judge, by name or path.py:Name; repeatable; default: ours",
    )
    add(
        "--stab-model",
        action="append",
        default=[],
        metavar="MODEL",
        help="name, hub id or folder of a model, in place of the suite's; repeatable",
    )
    add("--stab-seeds", metavar="SEEDS", help="25 means 0 to 24; 1,2,5 and 0-24 mean themselves")
    add("--stab-max-steps", type=int, metavar="N", help="no run makes more updates than this")
    add("--stab-data-dir", type=Path, metavar="DIR", help="folder with the tasks' files; default: the hub")
    add("--stab-store", type=Path, metavar="DIR", help="where records are kept; default: .stabbench")
    add("--stab-replay", action="store_true", help="judge from the store, train nothing")
    add("--stab-devices", metavar="LIST", help="cpu or cuda:0,cuda:1; default: all GPUs, else the CPU")
    add("--stab-threads", type=int, default=1, metavar="N", help="CPU threads of a run; default: 1")
    add(
        "--stab-executor",
        default="process",
        metavar="NAME",
        help="process (default) or debug (in this process)",
    )
    add("--stab-timeout", type=float, metavar="SECONDS", help="a run that takes longer is stopped")
    add(
        "--stab-checkpoint",
        default="last",
        metavar="WHICH",
        help="judge each run's last (default) or best score",
    )
    add("--stab-save-models", action="store_true", help="keep the trained weights in the store")
    add(
        "--stab-set",
        action="append",
        default=[],
        metavar="k=v,...",
        help="recipe values for every strategy, e.g. learning_rate=3e-5,epochs=10",
    )
    add("--stab-shard", metavar="I/N", help="this machine's share of the seeds, e.g. 2/5")
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
        help="run up to N seeds in all for gates that are INCONCLUSIVE; each of the two looks has half the "
        "error rate",
    )


@dataclass(frozen=True)
class Settings:
    """The options, checked; ``started`` is when the session began (seconds since the epoch)."""

    strategies: tuple[str, ...]
    models: tuple[str, ...]
    plan: PlanOptions
    store: Path
    replay: bool
    devices: tuple[str, ...]
    threads: int
    executor: str
    timeout: float | None
    checkpoint: Checkpoint
    inconclusive: Inconclusive
    baseline: Path | None
    early_stop: bool
    more_seeds: int | None
    started: float
    supervisor: int | None

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Return the settings of a session.

        Raises:
            StabbenchError: for a value that cannot be meant.
        """
        option = config.option
        worker: Mapping[str, Any] = getattr(config, "workerinput", {})
        strategies = tuple(dict.fromkeys(option.strategy)) or ("ours",)
        for text in strategies:
            parse_strategy(text)
        overrides = parse_overrides(option.stab_set)
        override(Recipe(), overrides)
        if option.stab_seeds is not None:
            parse_seeds(option.stab_seeds)
        for name in ("stab_max_steps", "stab_threads", "stab_timeout", "stab_more_seeds"):
            value = getattr(option, name)
            if value is not None and value <= 0:
                raise StabbenchError(
                    f"--{name.replace('_', '-')} {value:g} is not positive.", "give 1 or more."
                )
        if option.stab_more_seeds is not None and option.stab_shard is not None:
            raise StabbenchError(
                "--stab-more-seeds judges, a share of the seeds (--stab-shard) cannot be judged.",
                "merge the shards first.",
            )
        data_dir: Path | None = option.stab_data_dir
        if data_dir is not None and not data_dir.is_dir():
            raise StabbenchError(f"--stab-data-dir {data_dir} is no folder.", "give the folder of task data.")
        return cls(
            strategies=strategies,
            models=tuple(dict.fromkeys(option.stab_model)),
            plan=PlanOptions(
                seeds=option.stab_seeds,
                max_steps=option.stab_max_steps,
                data_dir=data_dir.resolve() if data_dir else None,
                overrides=overrides,
                shard=_shard(option.stab_shard),
                save_models=option.stab_save_models,
            ),
            store=(option.stab_store or config.rootpath / ".stabbench").resolve(),
            replay=option.stab_replay,
            devices=tuple(option.stab_devices.split(",")) if option.stab_devices else (),
            threads=option.stab_threads,
            executor=_choice("--stab-executor", option.stab_executor, executors.NAMES),
            timeout=option.stab_timeout,
            checkpoint=cast(
                Checkpoint, _choice("--stab-checkpoint", option.stab_checkpoint, ("last", "best"))
            ),
            inconclusive=cast(
                Inconclusive,
                _choice("--stab-inconclusive", option.stab_inconclusive, ("fail", "warn", "skip")),
            ),
            baseline=_baseline(option.stab_baseline, config.rootpath),
            early_stop=option.stab_early_stop,
            more_seeds=option.stab_more_seeds,
            started=worker.get("stabbench_started", time.time()),
            supervisor=os.getppid() if worker else None,
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
        raise UnknownNameError(f"{option} {value} is unknown.", suggest(value, known))
    return value


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, slash, count = text.partition("/")
    if not (slash and first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
        raise StabbenchError(
            f"--stab-shard {text} cannot be read.", "write 2/5 for the second of five shares."
        )
    return int(first), int(count)
