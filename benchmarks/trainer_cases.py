"""What the speed of the training step is measured on: an encoder, a task, how many steps.

A case is plain data, so that every measurement can be a process of its own.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stabbench import Suite, tasks
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request

WORDS = [f"w{number}" for number in range(200)]
BATCH = 16


@dataclass(frozen=True)
class Case:
    """One encoder on one task.

    Attributes:
        name: what the tables call it.
        model: name or folder of the encoder.
        task: name of the task; ``sentences`` are the generated ones in ``data_dir``.
        data_dir: folder of the task's files; ``None`` for a mini task.
        steps: how many steps are timed.
        warm_up: how many are made before.
        precision: of the matrix products.
        train_size: how many training rows are used; ``None`` is all.
    """

    name: str
    model: str
    task: str
    data_dir: str | None = None
    steps: int = 40
    warm_up: int = 10
    precision: str = "fp32"
    train_size: int | None = None


def request_of(case: Case, strategy: str = "ours", **overrides: object) -> Request:
    """Return the planned run of a case: that of seed 0.

    Args:
        case: the case.
        strategy: what trains.
        overrides: recipe values.

    Raises:
        SystemExit: when an epoch's end, with its evaluation, would fall into the timed steps.
    """
    data_dir = Path(case.data_dir) if case.data_dir else None
    name = case.task
    if name == "sentences":
        assert data_dir is not None
        files = {"train": data_dir / "train.csv", "dev": data_dir / "dev.csv"}
        name = tasks.local_task("sentences", **files, text="text").name
    suite = Suite(task=name, models=[case.model], train_size=case.train_size)
    options = PlanOptions(seeds=[0], data_dir=data_dir, overrides={"precision": case.precision, **overrides})
    request = plan_group(suite, name, case.model, strategy, options).requests[0]
    whole = request.work.task.n_train // request.work.recipe.batch_size
    if case.warm_up + case.steps > whole:
        raise SystemExit(
            f"{case.name}: an epoch has {whole} whole batches, so at most {whole - case.warm_up} steps "
            "can be timed without its end"
        )
    return request


def sentences(work: Path, steps: int, words: int = 8, name: str = "") -> Case:
    """Return a case of generated sentences and of an encoder of 6 layers x 64, both written to a folder.

    Args:
        work: the folder.
        steps: how many steps are to be timed.
        words: words of a sentence in the middle; a sentence has a quarter less to a quarter more.
        name: what tables call it.
    """
    case = Case(name or f"6 x 64, sentences of {words} words", "", "sentences", str(work), steps)
    least, most = words - words // 4, words + words // 4 + 1
    chance = random.Random(0)
    work.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", BATCH * (case.warm_up + steps + 1)), ("dev", 2 * BATCH)):
        lines = ["text,label"]
        for _ in range(rows):
            text = " ".join(chance.choices(WORDS, k=chance.randint(least, most)))
            lines.append(f"{text},{chance.choice('ab')}")
        (work / f"{split}.csv").write_text("\n".join(lines) + "\n")
    model = work / "encoder"
    save_encoder(model, 6, 64, WORDS)
    return Case(case.name, str(model), case.task, case.data_dir, steps)


def save_encoder(folder: Path, layers: int, hidden: int, words: list[str], like: str | None = None) -> None:
    """Save a randomly initialised BERT (random weights cost the same) with a tokenizer.

    Args:
        folder: where.
        layers: number of layers.
        hidden: their width; heads are 64 wide, or two where that would be one.
        words: vocabulary of a word-level tokenizer.
        like: folder of an encoder whose tokenizer is taken instead.
    """
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = word_level(words) if like is None else AutoTokenizer.from_pretrained(like)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(2, hidden // 64),
        intermediate_size=4 * hidden,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def word_level(words: list[str]):
    """Return a tokenizer that knows some words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def commonest_words(data_dir: Path) -> list[str]:
    """Return the commonest words of RTE, as a stand-in for a vocabulary of word pieces."""
    text = (data_dir / "RTE" / "train.tsv").read_text(encoding="utf-8")
    return [word for word, _ in Counter(text.replace("\t", " ").split()).most_common(8000)]
