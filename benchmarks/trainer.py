"""Speed of the training step: ours, transformers' Trainer, a plain PyTorch loop, accelerate.

    python benchmarks/trainer.py                                     6 layers x 64: sentences and mini-rte
    python benchmarks/trainer.py --data-dir DIR --model FOLDER       and a real encoder on CoLA, MRPC, RTE
    python benchmarks/trainer.py --cases rte --data-dir DIR          RTE alone, with a random 6 x 64 encoder
    python benchmarks/trainer.py --quick                             two rounds of few steps, about a minute
    python benchmarks/trainer.py --json FILE                         keep what was measured
    python benchmarks/trainer.py --from FILE ...                     the table of what was kept

DIR has GLUE's TSV files (DIR/RTE/train.tsv). On a GPU: --device cuda --precision fp32|tf32|bf16.
All train the same batches in the same order; a ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import trainer_table
from trainer_cases import Case, commonest_words, save_encoder, sentences
from trainer_table import Entry

ENTRIES = (
    Entry("ours"),
    Entry("Trainer", "trainer"),
    Entry("plain loop", "loop"),
    Entry("accelerate", "accelerate"),
)


def generated(options: argparse.Namespace, work: Path) -> Case:
    return sentences(work / "sentences", steps=options.steps or 60)


def mini_rte(options: argparse.Namespace, work: Path) -> Case:
    return Case("6 x 64, mini-rte", "mini-bert", "mini-rte", steps=10)


def real(task: str, steps: int) -> Callable[[argparse.Namespace, Path], Case]:
    """Return the case of a task of GLUE, with the encoder that was given or a random 6 x 64."""

    def make(options: argparse.Namespace, work: Path) -> Case:
        model, encoder = options.model, "the given encoder"
        if model is None:
            model, encoder = str(work / "small"), "6 x 64"
            save_encoder(Path(model), 6, 64, commonest_words(options.data_dir))
        return Case(f"{encoder}, {task}", model, task, str(options.data_dir), steps, warm_up=3)

    return make


def large_rte(options: argparse.Namespace, work: Path) -> Case:
    folder = work / "large"
    save_encoder(folder, 12, 768, commonest_words(options.data_dir), like=options.model)
    return Case("12 x 768, rte", str(folder), "rte", str(options.data_dir), steps=5, warm_up=1)


CASES = {
    "sentences": generated,
    "mini-rte": mini_rte,
    "cola": real("cola", 20),
    "mrpc": real("mrpc", 12),
    "rte": real("rte", 8),
    "large-rte": large_rte,
}
FREE = ("sentences", "mini-rte")
"""Those that need no files."""


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=list(CASES), help="default: all that have their files")
    parser.add_argument("--pairs", type=int, default=9, help="measurements of each (default 9)")
    parser.add_argument("--steps", type=int, help="timed steps of a measurement (default: by case)")
    parser.add_argument("--only", nargs="+", choices=[entry.contestant for entry in ENTRIES])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data-dir", type=Path, help="folder with GLUE's TSV files")
    parser.add_argument("--model", help="folder of the encoder for CoLA, MRPC and RTE")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--from", type=Path, nargs="+", dest="kept")
    options = parser.parse_args()
    names = options.cases or [name for name in CASES if name in FREE or options.data_dir]
    if options.data_dir is None and not set(names) <= set(FREE):
        parser.error("give the folder of GLUE's files with --data-dir")
    if options.data_dir is not None:
        options.data_dir = options.data_dir.resolve()
    rows = trainer_table.load(options.kept) if options.kept else []
    entries = [entry for entry in ENTRIES if options.only is None or entry.contestant in options.only]
    if find_spec("accelerate") is None:
        entries = [entry for entry in entries if entry.contestant != "accelerate"]
        print("accelerate is not installed: left out")
    with tempfile.TemporaryDirectory() as work:
        for name in names if not rows else ():
            case = CASES[name](options, Path(work))
            steps = options.steps or (10 if options.quick else case.steps)
            case = replace(case, steps=min(steps, case.steps), precision=options.precision)
            rounds = 1 if options.quick else options.pairs
            rows += trainer_table.in_turn(case, entries, rounds, options.device, options.threads)
            trainer_table.save(options.json, rows)
    print(f"\n{trainer_table.machine(rows)}\n")
    print(trainer_table.table(rows, "ours"))


if __name__ == "__main__":
    main()
