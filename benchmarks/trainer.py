"""Speed of the training step, side by side with transformers' Trainer.

    python benchmarks/trainer.py                       generated sentences of about ten tokens, 6 layers x 64
    python benchmarks/trainer.py --data-dir DIR        real RTE from GLUE's TSV files, the same encoder
    python benchmarks/trainer.py --model FOLDER ...    another encoder, e.g. a BERT-large configuration

Both train the same batches in the same order: same encoder, same head, dynamic padding, AdamW, clipping, no
logging, no saving, no evaluation. Each measurement is a process of its own, the two are run in turn, and
the ratio of the medians is printed (above 1: ours is faster). Only whole steps after a warm-up are timed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 10
RTE_BATCHES = 155
"""Whole batches of 16 in an epoch of RTE."""

WORDS = [f"w{number}" for number in range(200)]


def write_sentences(folder: Path, steps: int) -> None:
    """Write a task of generated sentences of 6 to 11 words, an epoch of more than ``steps`` batches of 16."""
    chance = random.Random(0)
    for name, rows in (("train", 16 * (steps + 1)), ("dev", 32)):
        lines = ["text,label"]
        for _ in range(rows):
            lines.append(f"{' '.join(chance.choices(WORDS, k=chance.randint(6, 11)))},{chance.choice('ab')}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def save_encoder(folder: Path, words: list[str], layers: int, hidden: int, positions: int) -> None:
    """Save a randomly initialised BERT (random weights cost the same) and a word-level tokenizer."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=max(2, hidden // 64),
        intermediate_size=4 * hidden,
        max_position_embeddings=positions,
    )
    BertForSequenceClassification(config).save_pretrained(folder)


def request_of(arguments: argparse.Namespace) -> Any:
    """Return the planned run that both trainers train."""
    from stabbench import Suite, tasks
    from stabbench.planning import PlanOptions, plan_group

    if arguments.data_dir is None:
        work = Path(arguments.work)
        task = tasks.local_task("sentences", train=work / "train.csv", dev=work / "dev.csv", text="text").name
    else:
        task = "rte"
    options = PlanOptions(
        seeds=[0],
        data_dir=arguments.data_dir,
        overrides={"precision": arguments.precision},
    )
    suite = Suite(task=task, models=[arguments.model])
    return plan_group(suite, task, arguments.model, "ours", options).requests[0]


class Enough(Exception):
    """The timed steps are done."""


def measure_ours(arguments: argparse.Namespace) -> float:
    """Return seconds per step of our loop, of a run as long as `ours` is: 20 epochs."""
    import torch

    from stabbench.training.cache import Cache
    from stabbench.training.loop import train

    device = torch.device(arguments.device)
    request, stamps = request_of(arguments), {}
    last = WARM_UP + arguments.steps

    def stamp(done: int, total: int) -> None:
        if done in (WARM_UP, last):
            if device.type == "cuda":
                torch.cuda.synchronize()
            stamps[done] = time.perf_counter()
        if done == last:
            raise Enough

    with contextlib.suppress(Enough):
        train(request, Cache(), device, progress=stamp)
    return (stamps[last] - stamps[WARM_UP]) / arguments.steps


def measure_trainer(arguments: argparse.Namespace) -> float:
    """Return seconds per step of transformers' Trainer on the same batches."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    from stabbench.training import streams
    from stabbench.training.cache import Cache

    request = request_of(arguments)
    recipe, cache = request.spec.work.recipe, Cache()
    pretrained = cache.pretrained(request)
    tokens, _ = cache.tokens(request, pretrained.tokenizer)
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(arguments.model, dtype=torch.float32)
    order = streams.generator(0, "order")
    rows: list[int] = []
    total = WARM_UP + arguments.steps
    while len(rows) < total * recipe.batch_size:
        epoch = streams.epoch_order(request.spec.work.task.n_train, order).tolist()
        rows += epoch[: len(epoch) // recipe.batch_size * recipe.batch_size]
    length = tokens.lengths.tolist()
    dataset = [
        {
            **{name: t[i, : length[i]].tolist() for name, t in tokens.inputs.items()},
            "labels": int(tokens.labels[i]),
        }
        for i in rows[: total * recipe.batch_size]
    ]
    stamps: dict[int, float] = {}

    class Stamp(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step in (WARM_UP, total):
                if arguments.device != "cpu":
                    torch.cuda.synchronize()
                stamps[state.global_step] = time.perf_counter()

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return torch.utils.data.SequentialSampler(dataset)

    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            max_steps=total,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=int(recipe.warmup_ratio * total),
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.clip_norm or 0.0,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=arguments.device == "cpu",
            bf16=arguments.precision == "bf16",
            tf32=True if arguments.precision == "tf32" else None,
        )
        InOrder(
            model,
            options,
            train_dataset=dataset,
            processing_class=pretrained.tokenizer,
            callbacks=[Stamp()],
        ).train()
    return (stamps[total] - stamps[WARM_UP]) / arguments.steps


def main() -> int:
    """Measure in turn, or (in a child process) one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each (default 5)")
    parser.add_argument("--steps", type=int, default=80, help="timed steps of a measurement (default 80)")
    parser.add_argument("--data-dir", type=Path, help="folder with GLUE's TSV files: real RTE")
    parser.add_argument("--model", help="folder of an encoder (default: 6 layers x 64, random)")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--which", choices=["ours", "trainer"], help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.which is not None:
        import torch

        torch.set_num_threads(arguments.threads)
        measure = measure_ours if arguments.which == "ours" else measure_trainer
        print(json.dumps(measure(arguments)))
        return 0
    if arguments.data_dir is not None and WARM_UP + arguments.steps > RTE_BATCHES:
        parser.error(f"--steps is at most {RTE_BATCHES - WARM_UP} on RTE: an epoch's end would be timed too")
    with tempfile.TemporaryDirectory() as work:
        if arguments.data_dir is None:
            write_sentences(Path(work), WARM_UP + arguments.steps)
        model = arguments.model
        if model is None:
            model = str(Path(work) / "encoder")
            words = WORDS if arguments.data_dir is None else _vocabulary(arguments.data_dir)
            save_encoder(Path(model), words, arguments.layers, arguments.hidden, 128)
        found: dict[str, list[float]] = {"ours": [], "trainer": []}
        for number in range(arguments.pairs):
            for which in ("ours", "trainer") if number % 2 == 0 else ("trainer", "ours"):
                command = [sys.executable, __file__, "--which", which, "--work", work, "--model", model]
                command += ["--steps", str(arguments.steps), "--device", arguments.device]
                command += ["--precision", arguments.precision, "--threads", str(arguments.threads)]
                if arguments.data_dir is not None:
                    command += ["--data-dir", str(arguments.data_dir.resolve())]
                environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
                if done.returncode:
                    print(done.stderr[-3000:], file=sys.stderr)
                    return 1
                found[which].append(float(done.stdout.splitlines()[-1]) * 1e3)
            last = {which: f"{times[-1]:.2f} ms a step" for which, times in found.items()}
            print(f"pair {number + 1}: ours {last['ours']}, Trainer {last['trainer']}", flush=True)
    ours, trainer = (statistics.median(found[which]) for which in ("ours", "trainer"))
    print(f"median: ours {ours:.2f} ms a step, Trainer {trainer:.2f}; ratio {trainer / ours:.2f}")
    return 0


def _vocabulary(folder: Path) -> list[str]:
    """Return the commonest words of RTE, as a stand-in for a WordPiece vocabulary."""
    from collections import Counter

    text = (folder / "RTE" / "train.tsv").read_text(encoding="utf-8")
    return [word for word, _ in Counter(text.replace("\t", " ").split()).most_common(8000)]


if __name__ == "__main__":
    raise SystemExit(main())
