"""The gates of a suite's file, found without running it: calls of the fixture ``stability``."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stabbench.samples.stability import Stability
from stabbench.suite import Suite

GATES = {
    "few_failures": ("at_most",),
    "few_at_chance": ("at_most",),
    "few_worse_than": ("floor", "at_most"),
    "few_collapses": ("at_most",),
    "close_scores": ("within",),
    "good_mean": (),
    "steadier_than": (),
    "no_regression": (),
    "judge": (),
}
"""The gates, each with the arguments without which nothing can be said before it runs."""

DEFAULT_ALPHA = 0.05


@dataclass(frozen=True)
class PlannedGate:
    """A gate that a suite's file asks for.

    Attributes:
        name: the method.
        text: the call, ``few_failures(at_most=0.2)``.
        values: its arguments by name, as far as they are literal, or the suite's own.
        known: whether everything is known that its plan needs.
    """

    name: str
    text: str
    values: dict[str, Any]
    known: bool

    @property
    def alpha(self) -> float:
        """Its level."""
        return float(self.values.get("alpha", DEFAULT_ALPHA))


def gates_of(file: Path, suite: Suite) -> list[PlannedGate]:
    """Return the gates of a file, each call once, in the order of the file.

    Args:
        file: the suite's.
        suite: what the file's Suite is: ``suite.failures_at_most`` is looked up there, whatever its name.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        for target in node.targets
        if isinstance(target, ast.Name) and ast.unparse(node.value.func).split(".")[-1] == "Suite"
    }
    found = [_planned(call, names, suite) for call in _calls(tree)]
    return list({gate.text: gate for gate in found}.values())


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test"):
            continue
        if "stability" not in {argument.arg for argument in function.args.args}:
            continue
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="stability"), attr=name)) if name in GATES:
                    yield node


def _planned(call: ast.Call, names: set[str], suite: Suite) -> PlannedGate:
    assert isinstance(call.func, ast.Attribute)
    name = call.func.attr
    positions = list(inspect.signature(getattr(Stability, name)).parameters)[1:]
    given = dict(zip(positions, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    values = {key: value for key, node in given.items() if (value := _value(node, names, suite)) is not None}
    shown = [f"{key}={values.get(key, ast.unparse(node))}" for key, node in given.items()]
    known = all(isinstance(values.get(key), int | float) for key in GATES[name]) and name != "judge"
    text = f"{name}({', '.join(shown)})"
    known = known and all(key in values or _is_default(given.get(key)) for key in ("alpha", "paired"))
    return PlannedGate(name, text, values, known)


def _is_default(node: ast.expr | None) -> bool:
    """Whether an argument is not given, or given as None."""
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _value(node: ast.expr, names: set[str], suite: Suite) -> Any:
    """Return what an expression is without evaluating it: a literal, an attribute of the suite, or None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
        return getattr(suite, node.attr, None)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
