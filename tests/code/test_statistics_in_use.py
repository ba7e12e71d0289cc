"""Every definition in ``stabbench.statistics`` is reached by something that a user can call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "stabbench"
Name = tuple[str, str]  # module of the room, name in it


def test_nothing_is_there_for_tests_only() -> None:
    assert sorted(unreached(ROOT)) == []


def test_an_unused_function_is_found(tmp_path: Path) -> None:
    """A call by a neighbour that nobody calls, or a function of that name elsewhere, is no use."""
    room = tmp_path / "statistics"
    room.mkdir()
    (room / "__init__.py").write_text("from stabbench.statistics.a import kept, lost, only_for_lost\n")
    (room / "a.py").write_text(
        "FACTOR = 2\nUNUSED = 3\n\n"
        "def kept(x): return helper(x)\ndef helper(x): return FACTOR * x\n"
        "def lost(x): return only_for_lost(x)\ndef only_for_lost(x): return x\n"
    )
    (tmp_path / "metrics.py").write_text("def lost(): ...\n\nlost()\n")
    (tmp_path / "gates.py").write_text("from stabbench import statistics\n\nstatistics.kept(1)\n")
    assert unreached(tmp_path) == {("a", "UNUSED"), ("a", "lost"), ("a", "only_for_lost")}


def unreached(package: Path) -> set[Name]:
    """Return what is defined in the package's room ``statistics`` and not needed outside of it."""
    trees = {path.stem: ast.parse(path.read_text()) for path in (package / "statistics").glob("*.py")}
    exported = trees.pop("__init__")
    defined = {(module, name): node for module, tree in trees.items() for name, node in _definitions(tree)}
    public = {alias.name: (node.module or "").split(".")[-1] for node, alias in _imports(exported)}
    found: set[Name] = set()
    waiting: list[Name] = []
    for path in package.rglob("*.py"):
        if path.parent.name != "statistics":
            for module, name in _used_outside(ast.parse(path.read_text())):
                waiting.append((module or public.get(name, ""), name))
    while waiting:
        one = waiting.pop()
        if one in defined and one not in found:
            found.add(one)
            waiting += _used_inside(one[0], defined[one], trees)
    return set(defined) - found


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                yield target.id, node


def _imports(tree: ast.AST) -> Iterator[tuple[ast.ImportFrom, ast.alias]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node, alias) for alias in node.names)


def _used_outside(tree: ast.AST) -> Iterator[Name]:
    """Yield what a module imports from the room, and attributes of the room and its modules.

    The module is empty where the room itself was asked.
    """
    rooms = {}  # what the room or one of its modules is called here
    for node, alias in _imports(tree):
        if node.module == "stabbench" and alias.name == "statistics":
            rooms[alias.asname or alias.name] = ""
        elif node.module == "stabbench.statistics":
            rooms[alias.asname or alias.name] = alias.name  # perhaps a module
            yield "", alias.name
        elif (node.module or "").startswith("stabbench.statistics."):
            yield str(node.module).split(".")[-1], alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            yield rooms[node.value.id], node.attr


def _used_inside(module: str, node: ast.AST, trees: dict[str, ast.Module]) -> Iterator[Name]:
    """Yield what a definition of the room uses of its own module and of those that this one imports."""
    origin = {alias.asname or alias.name: alias.name for _, alias in _imports(trees[module])}
    source = {alias.asname or alias.name: node.module or "" for node, alias in _imports(trees[module])}
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            where = source.get(part.id, module).split(".")[-1]
            yield where, origin.get(part.id, part.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            yield origin.get(part.value.id, ""), part.attr
