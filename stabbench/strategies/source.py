"""The digest of a strategy's source: what makes its runs new when the method is edited."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.strategies.base import Strategy

_HERE = Path(__file__).resolve().parent
_PACKAGE = "stabbench.strategies"
_SURFACE = {_HERE / f"{name}.py" for name in ("__init__", "base", "catalog", "combine", "groups", "source")}
"""The hook surface and its reading: the trainer version stands for them."""

_DESCRIPTIONS = {"summary", "paper"}


@cache
def class_digest(cls: type) -> str:
    """Return the SHA-256 of the normalised source that a strategy class is made of.

    That source is the modules that define the class and its bases, and, transitively, what they
    import from ``stabbench.strategies``, from their own package, or from beside the user's file.
    Comments, docstrings, layout and the descriptions ``summary`` and ``paper`` do not count, nor does
    the place of a file.

    Raises:
        StabbenchError: when a class has no source file.
    """
    found: dict[Path, str] = {}
    for base in cls.__mro__:
        if issubclass(base, Strategy) and base is not Strategy:
            _collect(_file_of(base), _Neighbours.of(base), found)
    parts = sorted(hashlib.sha256(text.encode()).hexdigest() for text in found.values())
    return hashlib.sha256("\n".join([cls.__qualname__, *parts]).encode()).hexdigest()


def normalised(source: str) -> str:
    """Return Python source without comments, docstrings, descriptions and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            if isinstance(node, ast.ClassDef):
                node.body = [statement for statement in node.body if not _describes(statement)]
            if not node.body and not isinstance(node, ast.Module):
                node.body = [ast.Pass()]
    return ast.unparse(tree)


def _describes(statement: ast.stmt) -> bool:
    targets = (
        statement.targets
        if isinstance(statement, ast.Assign)
        else [statement.target]
        if isinstance(statement, ast.AnnAssign)
        else []
    )
    return any(isinstance(target, ast.Name) and target.id in _DESCRIPTIONS for target in targets)


class _Neighbours:
    """The modules that belong to a method: those of its package, or those beside its file.

    Args:
        root: folder in which their dotted names start.
        package: only names in this package count; ``None`` takes every module found in ``root``.
    """

    def __init__(self, root: Path, package: str | None) -> None:
        self.root = root
        self.package = package

    @classmethod
    def of(cls, strategy: type[Strategy]) -> _Neighbours:
        path = _file_of(strategy)
        if strategy.__module__.startswith("stabbench_file_"):  # the name that `import_file` gives
            return cls(path.parent, None)
        package, _, _ = strategy.__module__.partition(".")
        depth = strategy.__module__.count(".") + (path.name == "__init__.py")
        return cls(path.parents[depth], package)

    def find(self, name: str) -> Path | None:
        """Return the file of the module called ``name`` if it belongs to the method."""
        if name.partition(".")[0] == "stabbench":
            root, ours = _HERE.parents[1], name.startswith(f"{_PACKAGE}.")
        else:
            root, ours = self.root, self.package in (None, name.partition(".")[0])
        if not ours or not name:
            return None
        stem = root.joinpath(*name.split("."))
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file() and path not in _SURFACE:
                return path
        return None


def _collect(path: Path, neighbours: _Neighbours, found: dict[Path, str]) -> None:
    if path in found or path in _SURFACE:
        return
    source = path.read_text(encoding="utf-8")
    found[path] = normalised(source)
    for name in _imported(ast.parse(source), path, neighbours):
        module = neighbours.find(name)
        if module is not None:
            _collect(module, neighbours, found)


def _imported(tree: ast.Module, path: Path, neighbours: _Neighbours) -> Iterator[str]:
    """Yield the dotted name of everything that may be a module and is imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = [node.module] if node.module else []
            if node.level:
                root = _HERE.parents[1] if path.is_relative_to(_HERE) else neighbours.root
                prefix = [*path.parents[node.level - 1].relative_to(root).parts, *prefix]
            module = ".".join(prefix)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _file_of(cls: type[Strategy]) -> Path:
    try:
        file = inspect.getsourcefile(cls)
    except TypeError:
        file = None
    if file is None or not Path(file).is_file():
        raise StabbenchError(
            f"the strategy {cls.__qualname__} has no source file, so its runs cannot be named.",
            "write it to a file and use path.py:Name.",
        )
    return Path(file).resolve()
