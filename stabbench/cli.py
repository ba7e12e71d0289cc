"""The command line: ``stabbench COMMAND ...``. Only the module of the command at hand is imported."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from stabbench.errors import StabbenchError
from stabbench.registry import suggest
from stabbench.text import terminal

COMMANDS = {
    "init": ("stabbench.commands.init", "write a starter project: suite, settings, CI workflow, README"),
    "ls": ("stabbench.commands.ls", "list strategies, tasks, models and suites"),
    "plan": ("stabbench.commands.plan", "say what a suite would run, and how long it would take"),
    "seeds": ("stabbench.commands.seeds", "say how many seeds it takes to decide which gate"),
    "exec": ("stabbench.commands.exec_", "compute one run from its request file, for any scheduler"),
    "show": ("stabbench.commands.show", "show the record of a run"),
    "merge": ("stabbench.commands.merge", "join stores, e.g. those of several shards"),
    "validate": ("stabbench.commands.validate", "check a strategy, a task or a model before spending a GPU"),
    "check-strategy": (
        "stabbench.commands.check_strategy",
        "say whether a GPU can capture a strategy's steps",
    ),
    "import": ("stabbench.commands.import_", "bring scores from elsewhere into a store"),
    "baseline": ("stabbench.commands.baseline", "save, show or restore a baseline"),
    "analyse": ("stabbench.commands.analyse", "show agreement of runs, and where their variance comes from"),
    "compare": ("stabbench.commands.compare", "compare two baselines or groups of runs"),
    "leaderboard": ("stabbench.commands.leaderboard", "write tables, pictures and the page"),
    "report": ("stabbench.commands.report", "explain a group of runs or one run"),
    "mini": ("stabbench.commands.mini", "the mini world: pre-train, search, calibrate, write the card"),
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors show what was typed as text."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit with 2."""
        super().error(terminal(message))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 when all went well, 2 for bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has every letter
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
        print("usage: stabbench COMMAND ...\n\n" + "\n".join(lines))
        print("\n`stabbench COMMAND --help` tells more; grids of runs are trained with pytest.")
        return 0 if words else 2
    if words[0] == "--version":
        from stabbench import __version__

        print(__version__)
        return 0
    name = words[0]
    if name not in COMMANDS:
        print(f"stabbench: unknown command {name!r}: {suggest(name, COMMANDS)}", file=sys.stderr)
        return 2
    module_name, text = COMMANDS[name]
    try:
        module = importlib.import_module(module_name)
        parser = Parser(prog=f"stabbench {name}", description=text)
        module.add_arguments(parser)
        parsed = parser.parse_args(words[1:])
        try:
            status: int = module.run(parsed)
        except SystemExit as error:  # somebody's hook: the command has not done what it is for
            raise StabbenchError(
                f"code that it called ended with SystemExit({error.code!r}).", "mend the method that exits."
            ) from error
    except StabbenchError as error:
        print(f"stabbench {name}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        sys.stderr.close()
        return 0
    return status
