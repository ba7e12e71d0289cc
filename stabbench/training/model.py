"""Pretrained encoders, loaded once and copied for every run, with a head drawn from its own stream."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from stabbench.errors import StabbenchError
from stabbench.models.families import dropout_keys
from stabbench.recipe import Recipe
from stabbench.training import attention, streams

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


@dataclass(frozen=True)
class Pretrained:
    """A pretrained encoder as loaded: never trained itself, only copied.

    Attributes:
        model: the encoder with a head of unspecified values.
        tokenizer: its tokenizer.
        fresh: names of the parameters that every run draws anew: all of the head, and what the
            checkpoint lacks (a pooler, say).
        attention: name of the attention implementation.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fresh: frozenset[str]
    attention: str

    @classmethod
    def load(cls, location: str, revision: str, n_labels: int, recipe: Recipe) -> Pretrained:
        """Load a checkpoint in float32 with the recipe's dropout.

        Raises:
            StabbenchError: when transformers cannot load it as a sequence classifier.
        """
        local = Path(location).exists()
        pin = {} if local else {"revision": revision}
        try:
            config = AutoConfig.from_pretrained(location, num_labels=n_labels, **pin)
            for name, key in dropout_keys(config.to_dict()).items():
                if getattr(recipe, name) is not None:
                    setattr(config, key, getattr(recipe, name))
            kind = AutoModelForSequenceClassification._model_mapping[type(config)]
            backend = attention.NAME if kind._supports_sdpa else "eager"
            model, info = AutoModelForSequenceClassification.from_pretrained(
                location,
                config=config,
                dtype=torch.float32,
                attn_implementation=backend,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **pin,
            )
            tokenizer = AutoTokenizer.from_pretrained(location, **pin)
        except (OSError, ValueError, KeyError) as error:
            raise StabbenchError(
                f"{location} cannot be loaded as a sequence classifier: {error}",
                "give a folder or hub id that AutoModelForSequenceClassification loads.",
            ) from error
        attention.replace_dropout(model)
        remember_signatures(model)
        lacking = {*info["missing_keys"], *(entry[0] for entry in info["mismatched_keys"])}
        prefix = model.base_model_prefix + "."
        fresh = {
            name for name, _ in model.named_parameters() if name in lacking or not name.startswith(prefix)
        }
        return cls(model, tokenizer, frozenset(fresh), backend)

    def copy(self, head_seed: int, start: Path | None = None) -> PreTrainedModel:
        """Return a model for one run, on the CPU.

        Args:
            head_seed: seed of the ``head`` stream. Weights of the head are normal with the
                checkpoint's ``initializer_range`` (0.02 in BERT), its biases 0, as in Devlin et al.
            start: safetensors of an intermediate run, whose encoder (all but the head) is loaded.
        """
        model = copy.deepcopy(self.model)
        std = getattr(model.config, "initializer_range", 0.02)
        head = streams.generator(head_seed, "head")
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                if name in self.fresh:
                    if parameter.dim() > 1:
                        parameter.normal_(0.0, std, generator=head)
                    else:
                        parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        if start is not None:
            prefix = model.base_model_prefix + "."
            weights = {k: v for k, v in load_file(start).items() if k.startswith(prefix)}
            unexpected = model.load_state_dict(weights, strict=False).unexpected_keys
            if not weights or unexpected:
                raise StabbenchError(
                    f"{start} does not hold an encoder of this model's kind.",
                    "use the same model for the intermediate task.",
                )
        return model


def remember_signatures(model: PreTrainedModel) -> None:
    """Store the signatures that transformers inspects in every layer of every step (`feed_forward_chunk`)."""
    for kind in {type(module) for module in model.modules()}:
        chunk = getattr(kind, "feed_forward_chunk", None)
        if chunk is not None:
            chunk.__signature__ = inspect.signature(chunk)
