"""``stabbench validate NAME``: is a strategy, a task or a model sound? Before any GPU is spent on it."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from stabbench import metrics, models, strategies, tasks
from stabbench.errors import StabbenchError
from stabbench.registry import import_file, suggest
from stabbench.text import terminal
from stabbench.training.validation import Check, Validator, report

KINDS = ("strategy", "task", "model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "name",
        help="a strategy (NAME[:k=v,...] or path.py[:Name]), a task (NAME or path.py:TASK), "
        "or a model (NAME, folder or hub id)",
    )
    parser.add_argument("--kind", choices=KINDS, help="what it is, where the name alone does not tell")
    parser.add_argument(
        "--data-dir", "--stab-data-dir", type=Path, metavar="DIR", help="folder with a task's files"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check what a name stands for and print what was found."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    name = arguments.name
    with shown_output():  # it imports a file
        kinds = [arguments.kind] if arguments.kind else kinds_of(name)
    match kinds:
        case ["strategy"]:
            return say(Validator(name).checks())
        case ["task"]:
            return say(task_checks(name, arguments.data_dir))
        case ["model"]:  # has no code of others, and a progress bar while it is downloaded
            return report(model_checks(name), lambda line: print(terminal(line)))
        case []:
            known = [*strategies.REGISTRY.names(), *tasks.REGISTRY.names(), *models.REGISTRY.names()]
            problem = f"there is no strategy, task or model {name!r}: {suggest(name, known)}"
            file, in_file, _ = name.partition(".py")
            if in_file:
                found = ", ".join(f"{file}.py:{task}" for task in sorted(tasks.declared(Path(file + ".py"))))
                problem = f"{name} is no strategy and no task; the tasks of the file are {found}."
        case _:
            problem = f"{name!r} is a {' and a '.join(kinds)}: say which (--kind {kinds[0]})."
    return say(iter([Check("its name says what it is", problem)]))


def say(checks: Iterator[Check]) -> int:
    """Print the checks, and what the code that they call prints; return 1 if one failed."""
    out = sys.stdout
    with shown_output() as end_line:

        def write(line: str) -> None:
            end_line()
            print(terminal(line), file=out)

        return report(checks, write)


class Shown(io.BytesIO):
    """What others print, as text: a whole line at a time, since a line's beginning makes it a command."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._rest = b""

    def write(self, data: Any) -> int:
        """Write the lines that have ended and keep the rest."""
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in lines:
            print(terminal(line.decode(errors="backslashreplace")), file=self._stream)
        return len(data)

    def fileno(self) -> int:
        """Return the stream's own, for the programs that a hook may start."""
        return self._stream.fileno()

    def end_line(self) -> None:
        """Write the rest too."""
        if self._rest:
            self.write(b"\n")


@contextlib.contextmanager
def shown_output() -> Iterator[Callable[[], None]]:
    """Show what code inside prints as text; gives what ends the lines that it began."""
    raws = [Shown(stream) for stream in (sys.stdout, sys.stderr)]
    out, err = (io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True) for raw in raws)

    def end_lines() -> None:
        for raw in raws:
            raw.end_line()

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield end_lines
        finally:
            end_lines()


def kinds_of(name: str) -> list[str]:
    """Return what a name may stand for; empty when it is nothing that is known."""
    if Path(name).expanduser().is_dir():
        return ["model"]
    path, in_file, rest = name.partition(".py")
    if in_file:
        return _kinds_in_file(Path(path + in_file), rest.removeprefix(":"))
    first = name.partition("+")[0].partition(":")[0]
    known = (strategies.REGISTRY.names(), tasks.REGISTRY.names(), models.REGISTRY.names())
    found = [kind for kind, names in zip(KINDS, known, strict=True) if first in names]
    return found or (["model"] if "/" in name else [])


def _kinds_in_file(file: Path, name: str) -> list[str]:
    try:
        if name in tasks.declared(file):
            return ["task"]
        things = vars(import_file(file))
    except StabbenchError:  # the check of a strategy says what is wrong with the file
        return ["strategy"]
    classes = {thing for thing in things.values() if isinstance(thing, type)} - {strategies.Strategy}
    own = any(issubclass(kind, strategies.Strategy) for kind in classes)
    return ["strategy"] if own or name in things or not tasks.declared(file) else []


def task_checks(name: str, data_dir: Path | None) -> Iterator[Check]:
    """Yield the checks of a task: its definition, its rows, and what is good to know of them."""
    question = "it is a task, and its metric can score a classifier"
    try:
        task = tasks.get(name)
        metrics.for_classifiers(task.metric)
    except StabbenchError as error:
        yield Check(question, str(error))
        return
    yield Check(question, None)
    try:
        data = tasks.load(task, data_dir)
    except StabbenchError as error:
        yield Check("its rows can be read, and their texts, labels and splits are sound", str(error))
        return
    yield Check(f"its rows are sound: {data.summary()}", None)
    for note in data.notes:
        yield Check(f"note: {note}", None)


def model_checks(name: str) -> Iterator[Check]:
    """Yield the checks of a model: its files, whether it loads, and whether a row's logits are its own."""
    import torch

    from stabbench.training import padding
    from stabbench.training.model import Pretrained

    question = "its files, configuration and tokenizer fit together"
    try:
        model = models.resolve(name)
    except StabbenchError as error:
        yield Check(question, str(error))
        return
    yield Check(question, None)
    torch.manual_seed(0)  # the untrained head is torch's
    question = "it loads as a sequence classifier of two labels"
    try:
        pretrained = Pretrained.load(model.location, model.revision, 2, model.recipe)
    except StabbenchError as error:
        yield Check(question, str(error))
        return
    yield Check(question, None)
    question = "the logits of a row are its own: alone, and padded beside longer rows"
    try:
        found = padding.check(pretrained, name)
    except StabbenchError as error:
        yield Check(question, str(error))
        return
    yield Check(
        f"{question} (largest difference {found.share:.1e} of their spread, {padding.LARGEST:g} allowed)",
        None,
    )
