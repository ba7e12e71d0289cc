"""stabbench: pytest for fine-tuning stability."""

from stabbench.errors import StabbenchError
from stabbench.spec import Recipe, RunSpec
from stabbench.suite import Suite

__all__ = ["Recipe", "RunSpec", "StabbenchError", "Suite"]
__version__ = "0.1.0"
