"""What a saved model must be, read from its files at planning: without torch where its family is known.

What only the loaded model tells is checked when it is loaded (``stabbench.training.model`` and ``.padding``).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

from stabbench import foreign
from stabbench.errors import StabbenchError
from stabbench.models.families import family_of
from stabbench.models.files import SETTINGS, TOKENIZER_FILES, Files
from stabbench.models.vocabulary import Vocabulary, vocabulary_of

READS_PADDING = {
    "xlnet": "it classifies at its last position, which is padding in every row but the longest",
    "canine": "it shortens rows by convolutions that run over their end",
    "convbert": "its convolutions run over the end of a row",
    "fnet": "it mixes all positions, padding included",
    "nystromformer": "its landmarks are means of all positions",
    "yoso": "its attention is sampled from all positions",
}
"""Model types whose rows change with the rows beside them, and why."""

SAVE = "save model and tokenizer there with save_pretrained."
POINTER = b"version https://git-lfs"


def check_files(files: Files) -> None:
    """Refuse a folder or repository that lacks what a model needs.

    Raises:
        StabbenchError: when it is an adapter, or has no configuration, weights or tokenizer.
    """
    names = files.names
    if "adapter_config.json" in names:
        raise StabbenchError(
            f"{files.place} is an adapter of peft, not a model.",
            "merge it into its base (merge_and_unload()) and save the result with save_pretrained.",
        )
    if files.local:
        tokenizer = any(name in names and name not in SETTINGS for name in TOKENIZER_FILES)
    else:
        tokenizer = any(re.search(r"token|vocab|\.model$|\.codes$", name) for name in names)
    for found, what in (
        ("config.json" in names, "config.json"),
        (bool(files.weights()), "weights (model.safetensors)"),
        (tokenizer, "tokenizer (tokenizer.json or vocab.txt)"),
    ):
        if not found and files.known:
            raise StabbenchError(f"{files.place} has no {what}.", SAVE)
    if files.local:
        for name in files.weights():
            _check_weights(files, name)
        _check_shards(files)


def _check_weights(files: Files, name: str) -> None:
    """Refuse weights that are cut off or were never downloaded."""
    place = files.fetch(name)
    with place.open("rb") as file:
        head = file.read(len(POINTER))
    if head == POINTER:
        raise StabbenchError(f"{place} is a pointer of git-lfs, not weights.", "run `git lfs pull` there.")
    if name.endswith(".safetensors") and not _is_whole(place):
        raise StabbenchError(f"{place} is cut off or damaged.", "copy, download or save it again.")


def _is_whole(place: Path) -> bool:
    """Return whether a safetensors file is as long as its header says."""
    size = place.stat().st_size
    with place.open("rb") as file:
        length = file.read(8)
        if len(length) < 8 or (header := struct.unpack("<Q", length)[0]) > min(size, foreign.LARGEST):
            return False
        try:
            tensors = foreign.read_json(file.read(header))
            ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
            return bool(size == 8 + header + max(ends, default=0))
        except (foreign.Malformed, AttributeError, KeyError, TypeError, IndexError):
            return False


def _check_shards(files: Files) -> None:
    for index in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        shards = files.settings(index).get("weight_map")
        lacking = sorted(set(shards.values()) - files.names) if isinstance(shards, dict) else []
        if lacking:
            raise StabbenchError(
                f"{files.place} lacks {lacking[0]}, which its {index} names.", "copy it there."
            )


def read_config(files: Files) -> dict[str, Any]:
    """Return the ``config.json`` of a model that can be fine-tuned here, its pad token filled in.

    Raises:
        StabbenchError: for a configuration that is malformed, needs code of its own, is quantised, or is of a
            model that has no encoder with a classifier, reads its padding, or does not fit its tokenizer.
    """
    place = files.place
    config = files.json("config.json")
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise StabbenchError(
            f"the config.json of {place} names no model_type.", "use a model that transformers saved."
        )
    settings = files.settings("tokenizer_config.json")
    for name, found in (("config.json", config), ("tokenizer_config.json", settings)):
        if found.get("auto_map"):
            raise StabbenchError(
                f"the {name} of {place} asks for code of its own (auto_map), which stabbench does not run.",
                "use a model whose class is part of transformers, or take auto_map out if it has one there.",
            )
    kind = config["model_type"]
    reason = None
    if config.get("transformers_weights"):
        reason = "its config.json names weights of its own (transformers_weights)"
    elif config.get("quantization_config"):
        reason = "it is quantised: its weights cannot be fine-tuned"
    elif config.get("is_encoder_decoder"):
        reason = f"{kind} models are encoder-decoders"
    elif config.get("is_decoder"):
        reason = "its is_decoder is true: the first token, by which BERT classifies, sees no other"
    elif kind in READS_PADDING:
        reason = f"{kind} models read padding: {READS_PADDING[kind]}"
    elif not _has_classifier(kind):
        reason = f"transformers has no sequence classifier for {kind} models"
    if reason is not None:
        raise StabbenchError(
            f"{place} cannot be fine-tuned here: {reason}.", "use an encoder such as BERT, in full precision."
        )
    _check_tokenizer(place, config, vocabulary_of(files), settings)
    return config


def _has_classifier(kind: str) -> bool:
    if family_of(kind) is not None:
        return True
    from transformers import CONFIG_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    return kind in CONFIG_MAPPING and CONFIG_MAPPING[kind] in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING


def _check_tokenizer(
    place: str, config: dict[str, Any], vocabulary: Vocabulary, settings: dict[str, Any]
) -> None:
    rows = config.get("vocab_size")
    rows = rows if isinstance(rows, int) else None
    if rows is not None and vocabulary.size is not None and vocabulary.size > rows:
        raise StabbenchError(
            f"the tokenizer of {place} has {vocabulary.size} tokens, its model {rows} (vocab_size): "
            f"{', '.join(map(repr, vocabulary.beyond(rows)))} would have no embedding.",
            "call model.resize_token_embeddings(len(tokenizer)) and save both, or take the tokens out.",
        )
    pad = config.get("pad_token_id")
    if isinstance(pad, int) and 0 <= pad < (rows or pad + 1):
        return
    config["pad_token_id"] = vocabulary.pad_id
    generic = settings.get("tokenizer_class") in ("TokenizersBackend", "PreTrainedTokenizerFast")
    if vocabulary.pad_id is None and vocabulary.complete and generic:
        raise StabbenchError(f"{place} has no pad token, and no end-of-text token to pad with.", NO_PAD)


NO_PAD = "set tokenizer.pad_token = ... (a token that the model has), and save the tokenizer there."
