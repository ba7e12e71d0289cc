"""The main job in a minute, with nothing downloaded: ``make demo``.

A small random encoder and a generated task are written to ``.stabbench/demo/``, then pytest trains twelve
seeds with two strategies and judges them. The encoder was never pre-trained, so what it shows is the tool,
not the paper's finding.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from pathlib import Path

WORDS = [f"{letter}{number}" for letter in "abcdefgh" for number in range(6)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SUITE = """\
from pathlib import Path

from stabbench import Suite
from stabbench.tasks import local_task

HERE = Path(__file__).parent
local_task("demo", train=HERE / "train.csv", dev=HERE / "dev.csv", text="text")
suite = Suite(task="demo", models=[str(HERE / "tiny-bert")], seeds=12)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.5)


def test_scores_are_close(stability):
    assert stability.close_scores(within=0.1)
"""


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
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=32,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> int:
    """Write the demo's world, run it, and say what to type next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="2", help="runs in flight")
    workers = parser.parse_args().workers
    place = Path(".stabbench/demo")
    if not (place / "test_demo.py").exists():
        place.mkdir(parents=True, exist_ok=True)
        write_rows(place / "train.csv", 320, seed=1)
        write_rows(place / "dev.csv", 150, seed=2)
        save_tiny_model(place / "tiny-bert", hidden=32)
        (place / "test_demo.py").write_text(SUITE, encoding="utf-8")
    command = ["pytest", str(place), "-n", workers, "--strategy", "devlin", "--strategy", "ours"]
    command += ["--stab-set", "learning_rate=1e-3", "-q", "--tb=no", "-rN"]
    print("$", " ".join(command), flush=True)
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if code not in (0, 1):  # 1: a gate did not pass, which a demo may show
        return code
    print(
        "\nEvery run is kept in .stabbench/ and is never trained twice. What next:\n"
        "  stabbench ls                                  strategies, tasks, models and suites\n"
        "  stabbench plan suites/rte --strategy ours     what the real thing would take on this machine\n"
        "  pytest suites/rte -n 4 --strategy ours        the real thing"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
