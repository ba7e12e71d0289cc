"""Hooks of a strategy as the trainer calls them: what one raises or returns is laid at the right door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from stabbench.errors import RunError, StabbenchError
from stabbench.strategies import Strategy
from stabbench.strategies.combine import Combined


def hook(strategy: Strategy, name: str, *arguments: Any) -> Any:
    """Call a hook and return what it returned, checked.

    Raises:
        RunError: for an exception in it, which is the strategy's own where it has the hook and the model's
            where it has not, and for a result that the trainer cannot use.
    """
    try:
        result = getattr(strategy, name)(*arguments)
    except (StabbenchError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raised = f"raised {type(error).__name__}: {error}"
        owners = _owners(strategy, name)
        if owners:
            raise RunError(
                f"the hook {name} of {owners} {raised}",
                "mend the strategy; the traceback stands in the run's log.",
            ) from error
        if name == "loss":
            raise RunError(
                f"the model {raised} (in the forward pass; the strategy has no loss of its own)",
                "the traceback stands in the run's log; does the model train with --strategy devlin?",
            ) from error
        raise
    if name in _WANTED and not _WANTED[name][0](result):
        raise RunError(
            f"the hook {name} of {_owners(strategy, name) or type(strategy).__name__} returned "
            f"{_described(result)}.",
            f"let it return {_WANTED[name][1]}.",
        )
    return result


def _owners(strategy: Strategy, name: str) -> str:
    """Return whose own the hook is: empty where it is the default that every strategy has."""
    if isinstance(strategy, Combined):
        members = zip(strategy.names, strategy.members, strict=True)
        return " or ".join(label for label, member in members if _owners(member, name))
    default = getattr(getattr(strategy, name), "__func__", None) is getattr(Strategy, name)
    return "" if default else type(strategy).__name__


def _is_loss(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 0 and value.requires_grad


def _is_penalty(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, int | float)
        or (isinstance(value, torch.Tensor) and not value.dim())
    )


_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "loss": (_is_loss, "a scalar tensor that depends on trainable parameters: a mean over the rows, say"),
    "penalty": (_is_penalty, "a scalar tensor or None"),
    "evaluated": (lambda value: isinstance(value, nn.Module), "a model"),
    "parameter_groups": (
        lambda value: isinstance(value, list | tuple) and all(isinstance(group, dict) for group in value),
        'a list of groups {"params": [...], "lr": ..., "weight_decay": ...}',
    ),
}
"""Name of a hook -> whether the trainer can use a result, and what it wants, in words."""


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        without = "" if value.requires_grad else " that depends on no trainable parameter"
        return f"a tensor of shape {tuple(value.shape)}{without}"
    return f"{value!r:.80}"
