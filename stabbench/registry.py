"""One generic registry: names from decorators, from entry points, or straight from ``path.py:Name``."""

from __future__ import annotations

import builtins
import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
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

    As for a script, what lies beside it (``helper.py``, or a folder with ``__init__.py``) can be imported. It
    gets a name of its own folder, so that two files in two folders have each their own ``helper``.

    Raises:
        StabbenchError: if the file does not exist or raises while it is imported.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise StabbenchError(f"{path} does not exist.", "give the path of a Python file.")
    if path.suffix != ".py":
        raise StabbenchError(f"{path} is not a Python file.", "its name must end in .py.")
    folder = f"{_FOLDER}{hashlib.sha256(str(path.parent).encode()).hexdigest()[:12]}"
    name = f"{folder}.{path.stem.replace('.', ' ')}"  # a dot would make it a part of a package
    if name in sys.modules:
        return sys.modules[name]
    if folder not in sys.modules:
        sys.modules[folder] = ModuleType(folder)
        sys.modules[folder].__path__ = [str(path.parent)]
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    importlib.invalidate_caches()  # a neighbour may be as new as the last look at the folder
    spec = importlib.util.spec_from_loader(name, _Loader(name, str(path)))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        _Loader(name, str(path)).exec_module(module)
    except KeyboardInterrupt:
        del sys.modules[name]
        raise
    except BaseException as error:  # a script may exit when it is imported
        del sys.modules[name]
        raise StabbenchError(
            f"{path} cannot be imported: {type(error).__name__}: {error}",
            f"run `python {path}` to see the full traceback.",
        ) from error
    return module


_FOLDER = "stabbench_file_"
"""How the names of folders whose files were imported by path begin."""


class _Loader(SourceFileLoader):
    """Runs a file whose imports look beside it first, and from its source: bytecode may be older."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        folder = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _imports_of(folder)}
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds what lies beside a file that was imported by path."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the place of a neighbour, with our loader."""
        if not fullname.startswith(_FOLDER):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


_FINDER = _Finder()


def _imports_of(folder: str) -> Callable[..., ModuleType]:
    """Return what the import statements of a folder's files call."""
    beside = Path(sys.modules[folder].__path__[0])

    def found(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or top in _NO_NEIGHBOURS or not _is_module(beside / top):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{folder}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{folder}.{top}"]

    return found


_NO_NEIGHBOURS = {*sys.stdlib_module_names, "stabbench"}


def _is_module(stem: Path) -> bool:
    return stem.with_suffix(".py").is_file() or (stem / "__init__.py").is_file()


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
