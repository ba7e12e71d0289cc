"""Pretrained encoders, loaded once and copied for every run, with a head drawn from its own stream."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from stabbench.errors import StabbenchError
from stabbench.models.checks import NO_PAD
from stabbench.models.families import dropout_keys
from stabbench.models.files import digest, folder_files, snapshot
from stabbench.recipe import Recipe
from stabbench.training import attention, layers, packing, streams

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
        """Load a checkpoint in float32 with the recipe's dropout, and our loss whatever it was trained with.

        Args:
            location: folder or hub id.
            revision: what it was planned with, a commit of the hub or the digest of a folder; empty for any.
            n_labels: number of labels.
            recipe: its dropout rates are set.

        Raises:
            StabbenchError: when transformers cannot load it as a sequence classifier, it is not what was
                planned with, its file lacks weights of the encoder, or it does not fit its tokenizer.
        """
        folder = snapshot(location, revision)
        try:
            config = AutoConfig.from_pretrained(folder, num_labels=n_labels, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            settle_padding(location, config, tokenizer)
            # a checkpoint may bring another task's loss, or ask for tuples
            config.problem_type, config.return_dict = "single_label_classification", True
            for name, key in dropout_keys(config.to_dict()).items():
                if getattr(recipe, name) is not None:
                    setattr(config, key, getattr(recipe, name))
            kind = AutoModelForSequenceClassification._model_mapping[type(config)]
            backend = attention.NAME if kind._supports_sdpa else "eager"
            model, info = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                attn_implementation=backend,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                trust_remote_code=False,
            )
        except (StabbenchError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # transformers raises a dozen kinds, by what is wrong
            raise StabbenchError(
                f"{location} cannot be loaded as a sequence classifier: {type(error).__name__}: {error}",
                "give a folder or hub id that AutoModelForSequenceClassification loads.",
            ) from error
        if revision.startswith("sha256:") and digest(folder_files(folder)) != revision:
            raise StabbenchError(
                f"the files of {location} are not those that the run was planned with.",
                "plan again: they have changed since.",
            )
        fresh = check_weights(location, model, info)
        check_embeddings(location, model, tokenizer)
        attention.replace_dropout(model)
        packing.install(model)
        layers.install(model)
        remember_signatures(model)
        return cls(model, tokenizer, fresh, backend)

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


def settle_padding(place: str, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a model and its tokenizer one pad token where they name none: an end-of-text token serves too.

    Raises:
        StabbenchError: when there is neither.
    """
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise StabbenchError(f"{place} has no pad token, and no end-of-text token to pad with.", NO_PAD)
        tokenizer.pad_token = tokenizer.eos_token
    pad, size = getattr(config, "pad_token_id", None), getattr(config, "vocab_size", None)
    if not isinstance(pad, int) or not 0 <= pad < (size or pad + 1):
        config.pad_token_id = tokenizer.pad_token_id


def check_weights(place: str, model: PreTrainedModel, info: dict[str, Any]) -> frozenset[str]:
    """Return the names of the parameters to draw anew: the head's, and a pooler's that the file lacks.

    Args:
        place: folder or hub id.
        model: as loaded.
        info: what transformers says of the loading: missing, mismatched and unexpected keys.

    Raises:
        StabbenchError: when the file does not hold the rest of the encoder, in the shapes of ``config.json``:
            transformers draws what it lacks at random, leaves out what is too much, and says nothing.
    """
    prefix = model.base_model_prefix + "."
    names = [name for name, _ in model.named_parameters()]
    encoder = [name for name in names if name.startswith(prefix) and "pooler" not in name.split(".")]
    shapes = {name: (list(saved), list(wanted)) for name, saved, wanted in info["mismatched_keys"]}
    missing = [name for name in encoder if name in info["missing_keys"]]
    unlike = [name for name in encoder if name in shapes]
    if not encoder:
        raise StabbenchError(
            f"the encoder of {place} cannot be told from its head: it has no part called {prefix[:-1]!r}.",
            "use an encoder such as BERT.",
        )
    if missing:
        wrapper = _wrapper(missing, prefix, info["unexpected_keys"])
        raise StabbenchError(
            f"the weights of {place} lack {len(missing)} of the {len(encoder)} parameters of its encoder: "
            f"{_some(missing)}.",
            f"names in its file begin with {wrapper!r}: save the model inside of that wrapper."
            if wrapper
            else SAVE,
        )
    if unlike:
        saved, wanted = shapes[unlike[0]]
        raise StabbenchError(
            f"the weights of {place} have other shapes than its config.json says in {len(unlike)} of the "
            f"{len(encoder)} parameters of its encoder: "
            f"{_some(unlike)} (the first is {saved}, not {wanted}).",
            SAVE,
        )
    surplus = _surplus(names, info["unexpected_keys"])
    if surplus:
        raise StabbenchError(
            f"the weights of {place} have layers that its config.json has not: {_some(surplus)}.",
            "mend config.json; to leave layers out, save the shorter model with save_pretrained.",
        )
    drawn = {*info["missing_keys"], *shapes}
    return frozenset(name for name in names if name in drawn or not name.startswith(prefix))


SAVE = "config.json and weights must be of one model: save them together with save_pretrained."


def _surplus(names: Sequence[str], unexpected: Collection[str]) -> list[str]:
    """Return the tensors of a file that are like those of the model but for the number of their layer."""
    known = {_unnumbered(name) for name in names}
    return sorted(name for name in unexpected if re.search(r"\d", name) and _unnumbered(name) in known)


def _unnumbered(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _wrapper(missing: list[str], prefix: str, unexpected: Collection[str]) -> str | None:
    """Return what stands before the missing names in the file, where all of them are there but for that."""
    for names in (missing, [name.removeprefix(prefix) for name in missing]):
        for found in unexpected:
            start = found.removesuffix(names[0])
            if start.endswith(".") and {start + name for name in names} <= set(unexpected):
                return start
    return None


def check_embeddings(place: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model whose tokenizer has tokens without an embedding.

    Raises:
        StabbenchError: when there is one; on a GPU it would be a device-side assert, in some later batch.
    """
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (NotImplementedError, AttributeError):  # not every class says where: a batch tells
        return
    tokens = max(tokenizer.get_vocab().values()) + 1
    if tokens > rows:
        raise StabbenchError(
            f"the tokenizer of {place} has {tokens} tokens, its model embeddings for {rows}.",
            "call model.resize_token_embeddings(len(tokenizer)) and save both, or take the tokens out.",
        )


def remember_signatures(model: PreTrainedModel) -> None:
    """Store the signatures that transformers inspects in every layer of every step (`feed_forward_chunk`)."""
    for kind in {type(module) for module in model.modules()}:
        chunk = getattr(kind, "feed_forward_chunk", None)
        if chunk is not None:
            chunk.__signature__ = inspect.signature(chunk)
