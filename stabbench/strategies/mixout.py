"""Mixout: dropout towards the pre-trained weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from stabbench.models.families import attention_rates
from stabbench.models.structure import encoder_of
from stabbench.strategies.base import Strategy

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass
class Mixout(Strategy):
    """Lee et al. (2020), "Mixout: Effective Regularization to Finetune Large-scale Language Models".

    In every forward pass of training, w is replaced by ((1-m) w0 + m w - p w0) / (1-p), m ~ Bernoulli(1-p)
    for each input neuron (one mask for all output rows, as in dropout), w0 the weight before fine-tuning;
    its expectation is w. Embeddings, biases and normalisation are never mixed. Dropout is switched off
    where Mixout takes its place, in modules and in what reaches the attention kernel. With p = 0 nothing
    is changed: the run is that of the base.

    Attributes:
        p: probability of the pre-trained weight; 0.9 in the author's example, 0.1 in the scripts of Zhang et
            al. and Du and Nguyen.
        layers: ``all`` mixes every linear layer (example_huggingface.py); ``dropout_owners`` those whose
            parent module has a dropout of its own, so not BERT's intermediate layers; ``after_dropout`` those
            that come right after a dropout in the order of the modules (example.py), and silences these only.
        gradient: ``reference`` hands the gradient on times m, as the authors' backward pass; ``exact`` times
            m / (1-p), as the formula says.
        head: whether the classifier is mixed with its own random start as well.
    """

    summary: ClassVar[str] = "weights randomly mixed with the pre-trained ones"
    paper: ClassVar[str] = "Lee et al. 2020, Mixout"
    prepares: ClassVar[Literal["values", "memory", "frozen"] | None] = "memory"

    base: str | None = "devlin"
    p: float = 0.9
    layers: Literal["all", "dropout_owners", "after_dropout"] = "all"
    gradient: Literal["reference", "exact"] = "reference"
    head: Literal["exclude", "include"] = "exclude"

    def __post_init__(self) -> None:
        if not 0.0 <= self.p <= 1.0:
            raise ValueError(f"p={self.p} is no probability.")

    def prepare(self, model: nn.Module, generator: torch.Generator) -> None:
        """Replace linear layers by mixing ones and switch their dropout off."""
        if self.p == 0.0:
            return
        part = model if self.head == "include" else encoder_of(model)
        if self.layers == "after_dropout":
            for dropout, _ in after_dropout(part):
                dropout.p = 0.0
        else:
            silence_dropout(part, model)
        mix_linear_layers(part, self, generator)


def mix_linear_layers(part: nn.Module, method: Mixout, generator: torch.Generator) -> None:
    """Make mixing layers of the linear ones below a module, in place; parameters keep names and identity."""
    import torch
    from torch import nn

    class MixLinear(nn.Linear):
        """A linear layer that mixes its weight [out, in] with ``pretrained`` while training."""

        pretrained: torch.Tensor

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            """Return the input through the mixed weight."""
            if not self.training:
                return super().forward(input)
            weight, start, p = self.weight, self.pretrained, method.p
            if p == 1.0:
                return nn.functional.linear(input, start, self.bias)
            keep = torch.empty(weight.shape[1], device=weight.device, dtype=weight.dtype)
            keep = keep.bernoulli_(1.0 - p, generator=generator)
            mixed = torch.addcmul(start, keep / (1.0 - p), weight - start)
            if method.gradient == "reference":
                mixed = mixed.detach() + keep * (weight - weight.detach())
            return nn.functional.linear(input, mixed, self.bias)

    for layer in _chosen(part, method.layers):
        layer.register_buffer("pretrained", layer.weight.detach().clone(), persistent=False)
        layer.__class__ = MixLinear


def _chosen(part: nn.Module, layers: str) -> list[nn.Linear]:
    """Return the linear layers of a layer set."""
    from torch import nn

    if layers == "after_dropout":
        return [linear for _, linear in after_dropout(part)]
    return [
        child
        for parent in part.modules()
        if layers == "all" or any(isinstance(child, nn.Dropout) for child in parent.children())
        for child in parent.children()
        if type(child) is nn.Linear
    ]


def after_dropout(part: nn.Module) -> list[tuple[nn.Dropout, nn.Linear]]:
    """Return every dropout that a linear layer follows in the order of the modules, and that layer."""
    from torch import nn

    leaves = [module for module in part.modules() if not list(module.children())]
    return [
        (first, second)
        for first, second in itertools.pairwise(leaves)
        if isinstance(first, nn.Dropout) and type(second) is nn.Linear
    ]


def silence_dropout(part: nn.Module, model: nn.Module) -> None:
    """Switch dropout off below a module: its modules, and the rates that layers hand to a kernel."""
    from torch import nn

    for module in part.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)
    config = getattr(part, "config", None) if part is not model else getattr(model, "config", None)
    for name in attention_rates():
        if config is not None and isinstance(getattr(config, name, None), float):
            setattr(config, name, 0.0)
