"""``stabbench ls``: what there is to choose from, a line each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from stabbench import models, tasks
from stabbench.strategies import REGISTRY as STRATEGIES
from stabbench.strategies.catalog import parameters_of, support_of

KINDS = ("strategies", "tasks", "models", "suites")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    for kind in KINDS:
        parser.add_argument(f"--{kind}", action="store_true", help=f"list {kind} only")
    parser.add_argument("-v", "--verbose", action="store_true", help="with paper, parameters and models")


def run(arguments: argparse.Namespace) -> int:
    """Print the lists."""
    chosen = [kind for kind in KINDS if getattr(arguments, kind)] or list(KINDS)
    listings = {"strategies": _strategies, "tasks": _tasks, "models": _models, "suites": _suites}
    for kind in chosen:
        if len(chosen) > 1:
            print(f"{kind}:")
        for line in listings[kind](arguments.verbose):
            print(f"  {line}")
    return 0


def _strategies(verbose: bool) -> Iterator[str]:
    for name in STRATEGIES.names():
        kind = STRATEGIES.get(name)
        yield f"{name:<20}{kind.summary}"
        if verbose:
            yield f"{'':<20}paper: {kind.paper}"
            strategy = kind()
            parameters = parameters_of(strategy).items()  # by the names that the command line takes
            yield f"{'':<20}parameters: {', '.join(f'{key}={value}' for key, value in parameters)}"
            support = support_of(strategy)
            yield f"{'':<20}models: {', '.join(name for name, reason in support.items() if reason is None)}"
            for model, reason in support.items():
                if reason is not None:
                    yield f"{'':<20}not {model}: {reason}"


def _tasks(verbose: bool) -> Iterator[str]:
    for name in tasks.REGISTRY.names():
        task = tasks.get(name)
        yield f"{name:<20}{task.summary}" + (f" ({task.metric})" if verbose else "")


def _models(verbose: bool) -> Iterator[str]:
    for name in models.REGISTRY.names():
        model = models.REGISTRY.get(name)
        yield f"{name:<20}{model.summary}"
        if verbose:
            changed = model.recipe.model_dump(exclude_defaults=True)
            yield f"{'':<20}recipe: {', '.join(f'{k}={v}' for k, v in changed.items()) or 'the default'}"


def _suites(verbose: bool) -> Iterator[str]:
    from stabbench.suite import find_suites

    for path, suite in find_suites(Path("suites")):
        models_text = ", ".join(suite.models)
        yield f"{path.parent!s:<20}{', '.join(suite.tasks)} on {models_text}, seeds {suite.seeds}"
