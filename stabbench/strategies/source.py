"""The digest of a strategy's source: what makes its runs new when the method is edited."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from stabbench.errors import StabbenchError
from stabbench.strategies.base import Strategy

_HERE = Path(__file__).resolve().parent
_PACKAGE = "stabbench.strategies"
_SURFACE = {
    _HERE / f"{name}.py"
    for name in ("__init__", "base", "catalog", "combine", "groups", "hooks", "parameters", "source")
}
"""The hook surface and its reading: the trainer version stands for them."""

_DESCRIPTIONS = {"summary", "paper"}
_BLIND = {"staticmethod", "classmethod", "property", "cached_property", "abstractmethod", "override", "cache"}
"""Decorators that do not read annotations."""


@cache
def class_digest(cls: type) -> str:
    """Return the SHA-256 of the normalised source that a strategy class is made of.

    That source is the modules that define the class and its bases, and, transitively, what they
    import from ``stabbench.strategies``, from their own package, or from beside the user's file.
    Comments, docstrings, layout, annotations, imports of ours, and the descriptions ``summary`` and
    ``paper`` do not count, nor does the place of a file. For what they ask of other rooms (where a model has
    its layers, say) the trainer version stands. A source that 0.1.0 shipped keeps the digest that
    0.1.0 gave it, so that its runs stay valid (``aliases.json``).

    Raises:
        StabbenchError: when a class has no source file.
    """
    found: dict[Path, str] = {}
    for base in cls.__mro__:
        if issubclass(base, Strategy) and base is not Strategy:
            _collect(_file_of(base), _Neighbours.of(base), found)
    parts = sorted(hashlib.sha256(text.encode()).hexdigest() for text in found.values())
    found_digest = hashlib.sha256("\n".join([cls.__qualname__, *parts]).encode()).hexdigest()
    return aliases().get(found_digest, found_digest)


@cache
def aliases() -> dict[str, str]:
    """Return the digests under which runs of unchanged sources are kept, by today's digest.

    0.1.0 hashed annotations and the imports of our own modules, too; they left the digest in 0.2.0.
    A source that was written anew and computes the same bits keeps its digest, too.
    """
    found: dict[str, str] = json.loads((_HERE / "aliases.json").read_text(encoding="utf-8"))
    return found


def normalised(source: str) -> str:
    """Return what a Python source computes: no comments, docstrings, annotations, layout, imports of ours."""
    return ast.unparse(ast.fix_missing_locations(_Normaliser().visit(ast.parse(source))))


class _Normaliser(ast.NodeTransformer):
    """Drops what does not change a computation."""

    def _body(self, node: Any) -> Any:
        if ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        self.generic_visit(node)
        if not node.body and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]
        return node

    visit_Module = _body

    def visit_FunctionDef(self, node: Any) -> Any:
        """Drop docstring and annotations, unless a decorator may read these, as ``singledispatch`` does."""
        if all(ast.unparse(decorator).rpartition(".")[2] in _BLIND for decorator in node.decorator_list):
            node.returns = None
            arguments = node.args
            for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                one.annotation = None
            for one in filter(None, (arguments.vararg, arguments.kwarg)):
                one.annotation = None
        return self._body(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Drop docstring and descriptions."""
        node.body = [statement for statement in node.body if not _describes(statement)] or [ast.Pass()]
        return self._body(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """Keep the name, which may be a dataclass's field, and the value."""
        self.generic_visit(node)
        if node.value is None:
            return ast.Expr(node.target)
        return ast.Assign([node.target], node.value)

    def visit_If(self, node: ast.If) -> Any:
        """Drop what only type checkers import."""
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return [self.visit(statement) for statement in node.orelse] or None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Import(self, node: ast.Import) -> ast.stmt | None:
        """Drop imports of ours."""
        node.names = [alias for alias in node.names if not _is_ours(alias.name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """Drop where a name of ours comes from, but not that it goes by another name here."""
        if node.module == "__future__":
            return None
        if node.level == 0 and not _is_ours(node.module or ""):
            return node
        renamed = [alias for alias in node.names if alias.asname not in (None, alias.name)]
        return ast.ImportFrom("stabbench", renamed, 0) if renamed else None


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "stabbench"


def _describes(statement: ast.stmt) -> bool:
    """Return whether a class says with it, in a text, what it is."""
    if not isinstance(getattr(getattr(statement, "value", None), "value", None), str):
        return False
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
