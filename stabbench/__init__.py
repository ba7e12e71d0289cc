"""stabbench: pytest for fine-tuning stability."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stabbench.errors import StabbenchError

if TYPE_CHECKING:
    from stabbench.recipe import Recipe
    from stabbench.samples.reader import load
    from stabbench.spec import RunSpec
    from stabbench.suite import Suite

__all__ = ["Recipe", "RunSpec", "StabbenchError", "Suite", "load"]
__version__ = "0.2.0.dev0"

_HOMES = {
    "Recipe": "stabbench.recipe",
    "RunSpec": "stabbench.spec",
    "Suite": "stabbench.suite",
    "load": "stabbench.samples.reader",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: every pytest session of the environment imports us."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
