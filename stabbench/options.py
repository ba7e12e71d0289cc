"""The options that say which runs there are: one definition for sessions and for ``stabbench plan``.

Every pytest session of the environment declares them, with suites or without. What reads their values is
imported when there are values to read.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stabbench.errors import StabbenchError, UnknownNameError

if TYPE_CHECKING:
    from stabbench.planning import PlanOptions


def add_plan_options(add: Callable[..., object]) -> None:
    """Declare the options.

    Args:
        add: ``add_argument`` of an argparse parser, or pytest's ``addoption``.
    """
    add(
        "--stab-strategy",
        action="append",
        default=[],
        metavar="NAME[:k=v,...]",
        help="strategy to judge, by name or path.py:Name; repeatable; default: ours; --strategy for short, "
        "where nobody else has such an option",
    )
    add(
        "--stab-model",
        action="append",
        default=[],
        metavar="MODEL",
        help="name, hub id or folder of a model, in place of the suite's; repeatable",
    )
    add("--stab-seeds", metavar="SEEDS", help="25 means 0 to 24; 1,2,5 and 0-24 mean themselves")
    add(
        "--stab-seed-streams",
        metavar="LIST",
        help="the random streams that the seeds vary, such as head,order; default: all",
    )
    add("--stab-held-seed", type=int, metavar="N", help="seed of the streams that do not vary; default: 0")
    add(
        "--stab-replicates",
        type=int,
        default=1,
        metavar="N",
        help="run each seed N times, to see whether a seed repeats; gates judge the first; default: 1",
    )
    add("--stab-shard", metavar="I/N", help="this machine's share of the seeds, e.g. 2/5")
    add("--stab-max-steps", type=int, metavar="N", help="no run makes more updates than this")
    add(
        "--stab-set",
        action="append",
        default=[],
        metavar="k=v,...",
        help="recipe values for every strategy, e.g. learning_rate=3e-5,epochs=10",
    )
    add("--stab-data-dir", type=Path, metavar="DIR", help="folder with the tasks' files; default: the hub")
    add("--stab-save-models", action="store_true", help="keep the trained weights in the store")
    add("--stab-store", type=Path, metavar="DIR", help="where records are kept; default: .stabbench")


def chosen_strategies(options: Namespace) -> tuple[str, ...]:
    """Return the strategies to judge, each once.

    Raises:
        StabbenchError: when one is unknown or cannot be made.
    """
    from stabbench.strategies.catalog import check_strategy, parse_strategy

    strategies = tuple(dict.fromkeys(options.stab_strategy)) or ("ours",)
    for text in strategies:
        check_strategy(parse_strategy(text)[0])
    return strategies


def plan_options(options: Namespace) -> PlanOptions:
    """Return what the options say of every run, checked.

    Raises:
        StabbenchError: for a value that cannot be meant.
    """
    from stabbench.overrides import override, parse_overrides
    from stabbench.planning import PlanOptions
    from stabbench.recipe import Recipe
    from stabbench.suite import parse_seeds

    check_positive(options, ("stab_max_steps", "stab_replicates"))
    overrides = parse_overrides(options.stab_set)
    override(Recipe(), overrides)
    if options.stab_seeds is not None:
        parse_seeds(options.stab_seeds)
    data_dir: Path | None = options.stab_data_dir
    if data_dir is not None and not data_dir.is_dir():
        raise StabbenchError(f"--stab-data-dir {data_dir} is no folder.", "give the folder of task data.")
    streams = _streams(options.stab_seed_streams)
    return PlanOptions(
        seeds=options.stab_seeds,
        max_steps=options.stab_max_steps,
        data_dir=data_dir.resolve() if data_dir else None,
        overrides=overrides,
        shard=_shard(options.stab_shard),
        save_models=options.stab_save_models,
        streams=streams,
        held_seed=_held_seed(options.stab_held_seed, streams),
        replicates=options.stab_replicates,
    )


def check_positive(options: Namespace, names: Sequence[str]) -> None:
    """Raise a ``StabbenchError`` when one of these options is zero or less."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value <= 0:
            raise StabbenchError(f"--{name.replace('_', '-')} {value:g} is not positive.", "give 1 or more.")


def _streams(text: str | None) -> tuple[str, ...]:
    from stabbench.registry import suggest
    from stabbench.spec import STREAMS

    if text is None:
        return STREAMS
    named = [name.strip() for name in text.split(",")]
    for name in named:
        if name not in STREAMS:
            raise UnknownNameError(
                f"--stab-seed-streams: there is no random stream {name!r}.", suggest(name, STREAMS)
            )
    return tuple(name for name in STREAMS if name in named)


def _held_seed(seed: int | None, streams: tuple[str, ...]) -> int:
    if seed is None:
        return 0
    if seed < 0:
        raise StabbenchError(f"--stab-held-seed {seed} is negative.", "give 0 or more.")
    from stabbench.spec import STREAMS

    if streams == STREAMS:
        raise StabbenchError(
            "--stab-held-seed has no stream to hold.", "name those that vary with --stab-seed-streams."
        )
    return seed


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    first, slash, count = text.partition("/")
    if not (slash and first.isdigit() and count.isdigit() and 1 <= int(first) <= int(count)):
        raise StabbenchError(
            f"--stab-shard {text} cannot be read.", "write 2/5 for the second of five shares."
        )
    return int(first), int(count)
