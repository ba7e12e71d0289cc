"""A toy world for tests: a tiny random encoder and a generated task, trained in a second."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(6)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_rows(path: Path, rows: int, seed: int) -> None:
    """Write sentences, `yes` when more words begin with a to d than with e to h; 5 % are mislabelled."""
    chance = random.Random(seed)
    lines = ["text,label"]
    while len(lines) <= rows:
        words = chance.choices(WORDS, k=chance.choice((5, 7, 9)))
        yes = sum(word[0] in "abcd" for word in words) * 2 > len(words)
        if yes or chance.random() < 0.5:  # two in three are `yes`
            label = "yes" if yes != (chance.random() < 0.05) else "no"
            lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def save_tiny_model(folder: Path, layers: int = 2, hidden: int = 16) -> Path:
    """Save a small random BERT and a word-level tokenizer, as plain transformers would."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(word, vocabulary[word]) for word in ("[CLS]", "[SEP]")],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 16,  # of a width that compiled code takes
        intermediate_size=2 * hidden,
        max_position_embeddings=32,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
