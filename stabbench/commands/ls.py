"""``stabbench ls``: what there is to choose from, a line each."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

from stabbench import models, tasks
from stabbench.models.families import FAMILIES
from stabbench.strategies import REGISTRY as STRATEGIES
from stabbench.strategies.catalog import parameters_of, support_of
from stabbench.suite import Suite, find_suites
from stabbench.text import shown, terminal

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
            print(terminal(f"  {shown(line)}"))
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
    for family in FAMILIES if verbose else ():
        how = "without padding" if family.stack is not None else "padded: their attention is their own"
        yield f"{family.label:<20}{', '.join(family.model_types)}: layers run {how}"


def _suites(verbose: bool) -> Iterator[str]:
    """Yield the command that runs each suite: those of the working directory, then those of the package."""
    own = Path("suites")
    package = Path(__file__).parents[1] / "suites"
    for file, suite in find_suites(own) if own.is_dir() else []:
        yield _suite_line(f"pytest {shlex.quote(str(file.parent))}", suite)
    if own.resolve() != package.resolve():  # not in a clone, whose `suites` they are
        for file, suite in find_suites(package):
            name = ".".join(("stabbench.suites", *file.parent.relative_to(package).parts))
            yield _suite_line(f"pytest --pyargs {name}", suite)


def _suite_line(command: str, suite: Suite) -> str:
    return f"{command:<42}{', '.join(suite.tasks)} on {', '.join(suite.model_names)}, seeds {suite.seeds}"
