"""A toy world that every test of the pipeline can train in a second: a tiny encoder and a CSV task."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from stabbench import Suite
from stabbench.planning import Group, PlanOptions, Request, plan_group

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(6)]


@dataclass(frozen=True)
class Toy:
    """Where the toy world lies."""

    folder: Path
    model: Path
    train: Path
    dev: Path

    def register(self) -> str:
        """Register the task `toy` in this process and return its name."""
        from stabbench.tasks import local_task

        return local_task("toy", train=self.train, dev=self.dev, text="text").name

    def group(self, strategy: str = "ours", seeds: object = 2, **options: object) -> Group:
        """Return a planned group of short runs."""
        self.register()
        suite = Suite(task="toy", models=[str(self.model)], seeds=seeds)
        plan = PlanOptions(**{"max_steps": 8, **options})
        return plan_group(suite, "toy", str(self.model), strategy, plan)

    def request(self, strategy: str = "ours", seed: int = 0, **options: object) -> Request:
        """Return one planned short run."""
        return self.group(strategy, [seed], **options).requests[0]

    def suite_file(self, seeds: object = 3, gates: str = "") -> str:
        """Return the text of a suite file."""
        default = (
            "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.5)\n\n"
            "def test_scores(stability):\n    assert stability.std < 1\n"
        )
        return (
            "import pytest\nfrom stabbench import Suite\nfrom stabbench.tasks import local_task\n\n"
            f"local_task('toy', train={str(self.train)!r}, dev={str(self.dev)!r}, text='text')\n"
            f"suite = Suite(task='toy', models=[{str(self.model)!r}], seeds={seeds!r})\n\n"
            + (gates or default)
        )


def write_rows(path: Path, rows: int, seed: int) -> None:
    """Write sentences whose label is whether an `a` word comes before any `b` word."""
    chance = random.Random(seed)
    lines = ["text,label"]
    for number in range(rows):
        words = chance.sample(WORDS, chance.randint(4, 9))
        label = "yes" if number % 3 else "no"
        words.insert(0, "a0" if label == "yes" else "b0")
        lines.append(f"{' '.join(words)},{label}")
    path.write_text("\n".join(lines) + "\n")


def save_tiny_model(folder: Path, layers: int = 2) -> Path:
    """Save a small random BERT with a word-level tokenizer, as plain transformers would."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = {w: n for n, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
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
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Return the toy world."""
    folder = tmp_path_factory.mktemp("toy")
    write_rows(folder / "train.csv", 48, 1)
    write_rows(folder / "dev.csv", 30, 2)
    return Toy(folder, save_tiny_model(folder / "tiny-bert"), folder / "train.csv", folder / "dev.csv")


@pytest.fixture(autouse=True)
def _fresh_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget tasks that another test registered."""
    from stabbench import tasks

    monkeypatch.setattr(tasks.REGISTRY, "_registered", {})
