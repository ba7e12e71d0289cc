"""stabbench: pytest for fine-tuning stability."""

from typing import TYPE_CHECKING, Any

from stabbench.errors import StabbenchError
from stabbench.recipe import Recipe
from stabbench.spec import RunSpec
from stabbench.suite import Suite

if TYPE_CHECKING:
    from stabbench.samples.reader import load

__all__ = ["Recipe", "RunSpec", "StabbenchError", "Suite", "load"]
__version__ = "0.2.0.dev0"


def __getattr__(name: str) -> Any:
    """Import ``load`` when it is asked for: collection needs no arrays."""
    if name == "load":
        from stabbench.samples.reader import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
