"""What a strategy is: a small class with a few hooks, each with a default that changes nothing."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stabbench.recipe import Recipe
from stabbench.registry import Registry

if TYPE_CHECKING:
    import torch

REGISTRY: Registry[type[Strategy]] = Registry("strategy", "stabbench.strategies")
strategy = REGISTRY.register

Batch = dict[str, "torch.Tensor"]
"""What the model is called with: ``input_ids``, ``attention_mask``, perhaps ``token_type_ids``, each
[rows, tokens], and ``labels`` [rows]."""


@dataclass(frozen=True)
class Step:
    """What a hook is told about the update that it takes part in.

    Attributes:
        index: 0-based number of the update, an integer tensor [] on the model's device. It counts on: who
            wants to keep it takes a copy.
        generator: the run's ``strategy`` stream, on the model's device.
        phase: what the strategy's own ``phase`` returned for this update.
    """

    index: torch.Tensor
    generator: torch.Generator
    phase: Hashable


@dataclass(frozen=True)
class Intermediate:
    """A task to train on first (one checkpoint for all seeds): only the encoder is kept.

    Attributes:
        task: name of the intermediate task.
        epochs: passes over it.
        strategy: the strategy that it is trained with.
    """

    task: str
    epochs: int
    strategy: str


@dataclass
class Strategy:
    """A way to fine-tune a pretrained encoder.

    A subclass states its parameters as dataclass fields with defaults and overrides the hooks that
    it needs. One object serves one run, so a hook may keep what it computes on ``self``.

    Hooks that run inside a step (``loss``, ``penalty``, ``before_step``, ``after_step``) work on
    tensors only: no ``.item()``, no ``if`` on a tensor, no Python counter. A method that changes with
    time uses the tensor ``step.index``, or returns another ``phase`` for every regime. They take their
    random numbers from ``step.generator``; dropout alone uses torch's global generator. Hooks that run
    before training may do anything. On a GPU a step is captured and replayed, so what a hook does in
    Python happens once for many updates; ``stabbench check-strategy`` tells on any machine whether it may.

    Attributes:
        summary: one line that says what it does.
        paper: authors, year and title of where it comes from.
        prepares: what ``prepare`` does, so that combinations in a senseless order are refused:
            ``values`` changes weights, ``memory`` remembers them, ``frozen`` freezes them.
        capturable: whether its steps may be captured on a GPU; ``False`` where a hook must run in Python.
        lengthens: whether it is to train longer than its base; a run that would not is refused at planning.
        base: name of the strategy whose recipe this one changes; ``None`` is the model's default.
    """

    summary: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = None

    capturable: ClassVar[bool] = True
    lengthens: ClassVar[bool] = False

    base: str | None = None

    def recipe(self, base: Recipe) -> Recipe:
        """Return the recipe of this strategy, given the recipe that it stands on."""
        return base

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Return one line that says why a model (its ``config.json``) cannot be used, or ``None``."""
        return None

    def amended(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Return what of the method was mended since the trainer version and changes runs on this model.

        It enters the key of exactly these runs; others, whose numbers are what they were, keep theirs.
        """
        return ()

    def initial_weights(self) -> Intermediate | None:
        """Return the intermediate training that the run starts from, if any."""
        return None

    def prepare(self, model: torch.nn.Module, generator: torch.Generator) -> None:
        """Change the model in place before training; ``generator`` is the ``strategy`` stream.

        What has ``requires_grad_(False)`` afterwards is frozen: no gradient, no weight decay.
        """

    def parameter_groups(self, model: torch.nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
        """Return optimizer groups that hold every trainable parameter exactly once.

        Each group has ``params`` and may have ``lr`` (peak) and ``weight_decay``; what is missing is
        the recipe's. The default exempts biases and normalisation weights from weight decay.
        """
        from stabbench.strategies.groups import decay_groups

        return decay_groups(model, recipe.weight_decay)

    def phase(self, update: int, total: int) -> Hashable:
        """Return the regime of an update (0-based, of ``total``) if the method changes with time."""
        return None

    def loss(self, model: torch.nn.Module, batch: Batch, step: Step) -> torch.Tensor:
        """Return the training loss of a batch, a scalar."""
        loss: torch.Tensor = model(**batch).loss
        return loss

    def penalty(self, model: torch.nn.Module, step: Step) -> torch.Tensor | None:
        """Return a scalar that is added to the loss for the gradient but not in the loss trace."""
        return None

    def before_step(self, model: torch.nn.Module, step: Step) -> None:
        """Change gradients in place after clipping, just before the optimizer's step.

        A parameter whose ``grad`` is set to ``None`` is left alone in this update; one whose gradient is zero
        is not: weight decay and momentum move it.
        """

    def after_step(self, model: torch.nn.Module, step: Step) -> None:
        """Change weights in place after the optimizer's step."""

    def evaluated(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return the model to evaluate and to save: the trained one unless the method averages."""
        return model
