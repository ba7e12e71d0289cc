"""Mixout: dropout towards the pre-trained weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from stabbench.models.families import attention_rates, family_of
from stabbench.models.structure import encoder_of, known_family, layers_of
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
            parent module has a dropout of its own, so not BERT's intermediate layers; ``after_dropout`` for
            each dropout the linear layer that takes up what it leaves, the query where three layers do
            (example.py, see ``AFTER_DROPOUT``), and silences these dropouts only.
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

    def unsupported(self, config: dict[str, Any]) -> str | None:
        """Refuse ``after_dropout`` where the way from a dropout to the next layer is not known."""
        label = _label(config.get("model_type"))
        if self.layers != "after_dropout" or self.p == 0.0 or label in AFTER_DROPOUT:
            return None
        known = ", ".join(AFTER_DROPOUT)
        return f"which linear layers follow a dropout is known of {known} only: set layers=all."

    def amended(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Mark the families of which the order of the modules, which 0.1.0 took, is not that of the data."""
        mended = _label(config.get("model_type")) in ("RoBERTa", "DistilBERT")
        return ("mixout follows the data",) if mended and self.layers == "after_dropout" and self.p else ()

    def prepare(self, model: nn.Module, generator: torch.Generator) -> None:
        """Replace linear layers by mixing ones and switch their dropout off."""
        if self.p == 0.0:
            return
        part = model if self.head == "include" else encoder_of(model)
        if self.layers == "after_dropout":
            pairs = after_dropout(model, self.head == "include")
            for dropout, _ in pairs:
                dropout.p = 0.0
            _mix([linear for _, linear in pairs], self, generator)
        else:
            silence_dropout(part, model)
            mix_linear_layers(part, self, generator)


def mix_linear_layers(part: nn.Module, method: Mixout, generator: torch.Generator) -> None:
    """Make mixing layers of the linear ones below a module, in place; parameters keep names and identity."""
    _mix(_chosen(part, method.layers), method, generator)


def _mix(layers: list[nn.Linear], method: Mixout, generator: torch.Generator) -> None:
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

    for layer in layers:
        layer.register_buffer("pretrained", layer.weight.detach().clone(), persistent=False)
        layer.__class__ = MixLinear


def _chosen(part: nn.Module, layers: str) -> list[nn.Linear]:
    """Return the linear layers of a layer set."""
    from torch import nn

    return [
        child
        for parent in part.modules()
        if layers == "all" or any(isinstance(child, nn.Dropout) for child in parent.children())
        for child in parent.children()
        if type(child) is nn.Linear
    ]


_LAYER = "encoder.layer.{i}."
_BERT = (
    ("embeddings.dropout", "embeddings_project", "encoder.layer.0.attention.self.query"),
    (f"{_LAYER}attention.self.dropout", f"{_LAYER}attention.output.dense"),
    (f"{_LAYER}attention.output.dropout", f"{_LAYER}intermediate.dense"),
    (
        f"{_LAYER}output.dropout",
        "encoder.layer.{next}.attention.self.query",
        "pooler.dense",
        "^classifier.dense",
    ),
)
_DENSE_HEAD = (("^classifier.dropout", "^classifier.dense"), ("^classifier.dropout", "^classifier.out_proj"))

AFTER_DROPOUT: dict[str, tuple[tuple[str, ...], ...]] = {
    "BERT": (*_BERT, ("^dropout", "^classifier")),
    "RoBERTa": (*_BERT, *_DENSE_HEAD),
    "ELECTRA": (*_BERT, *_DENSE_HEAD),
    "DistilBERT": (
        ("embeddings.dropout", "transformer.layer.0.attention.q_lin"),
        ("transformer.layer.{i}.attention.dropout", "transformer.layer.{i}.attention.out_lin"),
        ("transformer.layer.{i}.ffn.dropout", "transformer.layer.{next}.attention.q_lin", "^pre_classifier"),
        ("^dropout", "^classifier"),
    ),
}
"""Label of a family -> each of its dropouts with the linear layer that takes up what it leaves.

That is the first of those named that is there. Names are below the encoder; after ``^``, which counts only
with the head, they are below the classifier.
"""


def _label(model_type: object) -> str | None:
    family = family_of(model_type)
    return family.label if family else None


def after_dropout(model: Any, head: bool) -> list[tuple[nn.Dropout, nn.Linear]]:
    """Return each dropout of a model with the linear layer that takes up what it leaves.

    Args:
        model: a classifier of a family in ``AFTER_DROPOUT``.
        head: whether its head counts.
    """
    encoder = encoder_of(model)
    modules = dict(encoder.named_modules())
    if head:
        modules |= {f"^{name}": module for name, module in model.named_modules()}
    found: list[tuple[nn.Dropout, nn.Linear]] = []
    for entry in AFTER_DROPOUT[known_family(model).label]:
        for i in range(len(layers_of(model)) if "{i}" in entry[0] else 1):
            dropout, *linear = (name.format(i=i, next=i + 1) for name in entry)
            there = [modules[name] for name in linear if name in modules]
            if dropout in modules and there:
                found.append((cast("nn.Dropout", modules[dropout]), cast("nn.Linear", there[0])))
    return found


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
