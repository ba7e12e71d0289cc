"""The tokenizer of the mini language: one token a word, and BERT's special tokens around them."""

from __future__ import annotations

import json
from pathlib import Path

from stabbench.mini.language import word_classes

SPECIAL: tuple[str, ...] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST_INPUT = 32
"""Positions that the encoder knows."""


def vocabulary() -> dict[str, int]:
    """Return token -> id: the special tokens first, then the words class by class."""
    words = (word for members in word_classes().values() for word in members)
    return {token: index for index, token in enumerate((*SPECIAL, *words))}


def save_tokenizer(folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``, which ``AutoTokenizer`` loads."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from tokenizers.processors import TemplateProcessing

    ids = vocabulary()
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {f"{token.strip('[]').lower()}_token": token for token in SPECIAL}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": LONGEST_INPUT,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **roles,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
