"""Strategies: one file each, announced as entry points like anyone's own."""

from stabbench.strategies.base import REGISTRY, Batch, Intermediate, Step, Strategy, strategy

__all__ = ["REGISTRY", "Batch", "Intermediate", "Step", "Strategy", "strategy"]
