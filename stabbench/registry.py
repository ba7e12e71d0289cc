"""One generic registry: names from decorators, from entry points, or straight from ``path.py:Name``."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from stabbench.errors import StabbenchError, UnknownNameError

T = TypeVar("T")


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known names, for the action line of an error."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(n) for n in near)}? Known: {', '.join(known)}."
    return f"known names: {', '.join(known) or 'none'}."


def import_file(path: Path) -> ModuleType:
    """Import a Python file by path, once per process.

    Raises:
        StabbenchError: if the file does not exist or raises while it is imported.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise StabbenchError(f"{path} does not exist.", "give the path of a Python file.")
    module_name = f"stabbench_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise StabbenchError(f"{path} is not a Python file.", "its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # as for a script: its neighbours can be imported
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise StabbenchError(
            f"{path} cannot be imported: {type(error).__name__}: {error}",
            f"run `python {path}` to see the full traceback.",
        ) from error
    return module


class Registry(Generic[T]):
    """Names for things of one kind.

    Args:
        kind: what the things are, in the singular, for messages (``"strategy"``).
        group: entry-point group in which installed packages announce theirs. The project's own
            are announced in the same way.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._registered: dict[str, T] = {}
        self._announced: dict[str, EntryPoint] | None = None

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its argument under ``name``.

        Raises:
            StabbenchError: when the name is taken.
        """

        def add(thing: T) -> T:
            if name in self._registered or name in self._entry_points():
                raise StabbenchError(
                    f"there is already a {self.kind} called {name!r}.",
                    "choose another name; what is published under one name must stay one thing.",
                )
            self._registered[name] = thing
            return thing

        return add

    def names(self) -> list[str]:
        """Return every name that is known, sorted, without importing what stands behind it."""
        return sorted({*self._registered, *self._entry_points()})

    def is_announced(self, name: str) -> bool:
        """Return whether an installed package announces the name, so that any process finds it."""
        return name in self._entry_points()

    def get(self, reference: str) -> T:
        """Return the thing called ``reference``: a registered name, or ``path.py:Name``.

        Raises:
            UnknownNameError: when there is none (the message suggests near names).
            StabbenchError: when a file or an entry point cannot be imported.
        """
        if ".py:" in reference:
            path, _, attribute = reference.rpartition(":")
            return self._attribute(import_file(Path(path)), attribute)
        if reference in self._registered:
            return self._registered[reference]
        points = self._entry_points()
        if reference not in points:
            raise UnknownNameError(f"unknown {self.kind} {reference!r}.", suggest(reference, self.names()))
        try:
            thing: T = points[reference].load()
        except Exception as error:
            raise StabbenchError(
                f"the {self.kind} {reference!r} ({points[reference].value}) cannot be imported: "
                f"{type(error).__name__}: {error}",
                "mend or uninstall the package that announces it.",
            ) from error
        return thing

    def _attribute(self, module: ModuleType, attribute: str) -> T:
        if not hasattr(module, attribute):
            raise UnknownNameError(
                f"{module.__file__} has no {attribute!r}.",
                suggest(attribute, (name for name in vars(module) if not name.startswith("_"))),
            )
        thing: T = getattr(module, attribute)
        return thing

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._announced is None:  # to read the metadata of every installed package takes a while
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=self.group):
                if found.setdefault(point.name, point).value != point.value:
                    raise StabbenchError(
                        f"two installed packages announce a {self.kind} called {point.name!r}: "
                        f"{found[point.name].value} and {point.value}.",
                        "uninstall one of them.",
                    )
            self._announced = found
        return self._announced
