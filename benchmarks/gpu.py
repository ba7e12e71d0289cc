"""The bars of the training step on a GPU, all in one call of under nine minutes, as a Markdown table.

    python benchmarks/gpu.py                     BERT-large with random weights, rows as long as GLUE's
    python benchmarks/gpu.py --data-dir DIR      the same encoder, GLUE's own rows (DIR/RTE/train.tsv, ...)
    python benchmarks/gpu.py --dry               on a CPU, a tiny encoder: whether this file works

Every measurement is a process of its own. A step's time is the median over the timed steps of the time
between the ends of two; random weights cost the same as trained ones. What there was no time for is named.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from trainer_cases import BATCH, Case, request_of, save_encoder
from trainer_contestants import Enough, trainer

from stabbench.training import capturing, environment
from stabbench.training.cache import Cache
from stabbench.training.graphs import Captured, Eager
from stabbench.training.loop import train
from stabbench.training.recorder import Recorded

BUDGET_SECONDS = 480
MEETING_SECONDS = 60
VOCABULARY = [f"w{number}" for number in range(8000)]

LENGTHS = {"rte": (70, 0.6, 2490), "mrpc": (53, 0.3, 2800), "cola": (11.3, 0.45, 2800)}
"""Task -> mean number of tokens, spread of its logarithm, rows: as in GLUE, cut at 128 tokens."""


class Clock:
    """The end of every step, by the device's own clock; ends the run after the timed steps.

    Args:
        warm_up: steps before.
        steps: timed steps.
        device: where the run is.
        meet: after the warm-up, wait until so many processes have made a file in this folder.
    """

    def __init__(
        self, warm_up: int, steps: int, device: torch.device, meet: tuple[Path, int] | None = None
    ) -> None:
        self.warm_up, self.steps, self.device = warm_up, steps, device
        self._meet = meet
        self._ends: list[Any] = []

    def tick(self, done: int) -> None:
        """Be told that so many steps were made, or are under way; raises ``Enough`` after the last."""
        if done == self.warm_up and self._meet is not None:
            folder, processes = self._meet
            (folder / str(os.getpid())).touch()
            until = time.monotonic() + MEETING_SECONDS
            while len(list(folder.iterdir())) < processes:
                if time.monotonic() > until:
                    raise TimeoutError("the other processes have not come")
                time.sleep(0.001)
        if self.device.type == "cuda":
            end = torch.cuda.Event(enable_timing=True)
            end.record()
        else:
            end = time.perf_counter()
        self._ends.append(end)
        if done == self.warm_up + self.steps:
            raise Enough

    @property
    def milliseconds(self) -> float:
        """The median step."""
        ends = self._ends[self.warm_up :]
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            return statistics.median(a.elapsed_time(b) for a, b in itertools.pairwise(ends))
        return statistics.median(b - a for a, b in itertools.pairwise(ends)) * 1e3


class TimedCaptures(Captured):
    """Captured steps that know how long their captures took."""

    seconds = 0.0

    def _capture(self, key: Any) -> Any:
        start = time.perf_counter()
        graph = super()._capture(key)
        TimedCaptures.seconds += time.perf_counter() - start
        return graph


def steppers(device: torch.device) -> dict[str, Any]:
    """Return how our steps are made, by name; a CPU replays recordings where a GPU replays graphs."""
    return {"eager": Eager, "captured": TimedCaptures if device.type == "cuda" else Recorded}


def step(case: Case, device: torch.device, who: str, meet: tuple[str, int] | None = None) -> dict[str, Any]:
    """Measure the step of the Trainer, or of ours as ``who`` says; with the seconds to ours' first one."""
    clock = Clock(case.warm_up, case.steps, device, (Path(meet[0]), meet[1]) if meet else None)
    request, first = request_of(case), []
    if who == "trainer":
        with contextlib.suppress(Enough):
            trainer(request, clock)
        return {"ms": clock.milliseconds}
    cache = Cache()
    cache.keep([request])
    start = time.perf_counter()

    def progress(done: int, total: int) -> None:
        if not first:
            if device.type == "cuda":
                torch.cuda.synchronize()
            first.append(time.perf_counter() - start)
        clock.tick(done)

    with contextlib.suppress(Enough):
        train(request, cache, device, progress=progress, stepper=steppers(device)[who], like_gpu=True)
    memory = torch.cuda.max_memory_reserved() / 1e9 if device.type == "cuda" else math.nan
    return {"ms": clock.milliseconds, "first": first[0], "capture": TimedCaptures.seconds, "memory": memory}


def floor(case: Case, device: torch.device) -> dict[str, Any]:
    """Measure what no step can do without: the encoder's matrix products, AdamW, and the gradient's norm."""
    from stabbench.training.setup import set_up

    run = set_up(request_of(case), Cache(), device, like_gpu=True)
    shapes = run.plan.shapes[: case.warm_up + case.steps]
    tokens = round(statistics.mean(shape.rows * shape.tokens for shape in shapes))
    half = torch.bfloat16 if case.precision == "bf16" else torch.float32
    encoder = run.model.base_model.encoder
    sizes = [m.weight.shape for m in encoder.modules() if isinstance(m, torch.nn.Linear)]
    weights = [torch.randn(size, device=device, dtype=half) for size in sizes]
    rows = {n: torch.randn(tokens, n, device=device, dtype=half) for size in sizes for n in size}
    count = sum(p.numel() for p in run.model.parameters())
    del run
    flat = [torch.zeros(count, device=device) for _ in range(4)]
    steps, rate = torch.zeros((), device=device), torch.zeros((), device=device)
    numbers = {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01, "eps": 1e-6}

    def work() -> None:
        for weight in weights:
            out, into = weight.shape
            rows[into] @ weight.T
            rows[out] @ weight
            rows[out].T @ rows[into]
        torch.linalg.vector_norm(flat[1])
        lists = [[tensor] for tensor in flat]
        torch._fused_adamw_(*lists, [], [steps], lr=rate, amsgrad=False, maximize=False, **numbers)

    with environment.matrix_products(case.precision):
        if device.type == "cuda":
            for _ in range(3):
                work()
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                work()
            again: Callable[[], None] = graph.replay
        else:
            again = work
        clock = Clock(case.warm_up, case.steps, device)
        with contextlib.suppress(Enough):
            for done in range(1, clock.warm_up + clock.steps + 1):
                again()
                clock.tick(done)
    return {"ms": clock.milliseconds}


def equal(case: Case, device: torch.device) -> dict[str, Any]:
    """Compare whole runs: eager, captured, and captured once more."""
    request, found = request_of(case, steps=case.warm_up + case.steps), {}
    for name in ("eager", "captured", "captured again"):
        environment.prepare(1)
        stepper = steppers(device)[name.split()[0]]
        start = time.perf_counter()
        found[name] = train(request, Cache(), device, stepper=stepper, like_gpu=True)
        seconds = time.perf_counter() - start
    eager, captured, again = found.values()
    return {
        "eager": capturing.first_difference(eager, captured),
        "repeated": capturing.first_difference(captured, again),
        "seconds": seconds,
    }


def whole(case: Case, device: torch.device) -> dict[str, Any]:
    """Measure a whole run of three epochs, warm, with its evaluations and its record."""
    request, cache = request_of(case, "bias-correction"), Cache()
    cache.keep([request])
    start = time.perf_counter()
    train(request, cache, device, stepper=steppers(device)["captured"], like_gpu=True)
    return {"seconds": time.perf_counter() - start, "updates": request.work.total_updates}


KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "step": step,
    "floor": floor,
    "equal": equal,
    "whole": whole,
}


class Bench:
    """Runs measurements, each in a process, as long as there is time.

    Args:
        cases: the cases by task.
        device: name of the device.
        work: a folder.
        until: moment of the monotonic clock after which nothing is started.
    """

    def __init__(self, cases: dict[str, Case], device: str, work: str, until: float) -> None:
        self.cases, self.device, self.work, self.until = cases, device, work, until
        self.left_out: list[str] = []

    def ask(
        self, kind: str, task: str, precision: str = "bf16", copies: int = 1, **more: str
    ) -> list[dict[str, Any]] | None:
        """Return what some processes at a time measured, or ``None`` when there was no time or one failed."""
        what = " ".join([kind, task, precision, *more.values(), f"x {copies}" if copies > 1 else ""]).strip()
        if time.monotonic() > self.until:
            self.left_out.append(f"{what}: no time was left")
            return None
        job = {"kind": kind, "case": {**vars(self.cases[task]), "precision": precision}, **more}
        if copies > 1:
            job["meet"] = (tempfile.mkdtemp(dir=self.work), copies)
        command = [sys.executable, __file__, "--job", json.dumps({"device": self.device, **job})]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(copies)
        ]
        said = [process.communicate() for process in running]
        for process, (_, error) in zip(running, said, strict=True):
            if process.returncode:
                self.left_out.append(f"{what}: {(error.strip().splitlines() or ['it ended'])[-1]}")
                return None
        found = [json.loads(out.splitlines()[-1]) for out, _ in said]
        print(f"{what}: {found}", file=sys.stderr, flush=True)
        return found


def write_case(task: str, folder: Path, model: str, dry: bool) -> Case:
    """Write a task of rows as long as those of a task of GLUE, and return its case."""
    mean, spread, rows = LENGTHS[task]
    chance = random.Random(task)
    folder.mkdir()
    for split, count in (("train", 400 if dry else rows), ("dev", 277)):
        lines = ["text,label"]
        for _ in range(count):
            length = chance.lognormvariate(math.log(mean) - spread**2 / 2, spread)
            words = chance.choices(VOCABULARY, k=max(2, min(126, round(length) - 2)))
            lines.append(f"{' '.join(words)},{chance.choice('ab')}")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return Case(task, model, "sentences", str(folder), **_sizes(dry))


def _sizes(dry: bool) -> dict[str, int]:
    return {"steps": 8, "warm_up": 6} if dry else {"steps": 80, "warm_up": 60}


def rows_of(bench: Bench) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the table: what, the bar, and what was found; the most telling ones first."""
    ours: dict[tuple[str, str], dict[str, Any]] = {}
    theirs: dict[tuple[str, str], float] = {}
    bars = [("rte", "bf16", 2.5), ("cola", "bf16", 3.5), ("mrpc", "bf16", 2.5)]
    for task, precision, bar in [*bars, ("rte", "tf32", 1.8), ("rte", "fp32", 1.6)]:
        captured = bench.ask("step", task, precision, who="captured")
        other = bench.ask("step", task, precision, who="trainer")
        if captured and other:
            ours[task, precision], theirs[task, precision] = captured[0], other[0]["ms"]
            both = f"{captured[0]['ms']:.2f} and {other[0]['ms']:.2f} ms"
            ratio = other[0]["ms"] / captured[0]["ms"]
            yield f"captured against Trainer, {task} {precision}", f">= {bar}", f"{ratio:.2f} ({both})"
        if (task, precision) == ("rte", "bf16"):
            yield from _on_rte(bench, captured)
    main, trainers = ours.get(("rte", "bf16")), theirs.get(("rte", "bf16"))
    found = bench.ask("whole", "rte")
    if found and trainers:
        seconds, steps = found[0]["seconds"], found[0]["updates"] * trainers / 1e3
        shown = f"{steps / seconds:.2f} ({seconds:.1f} and {steps:.1f} s)"
        yield "whole run of 3 epochs, warm, against Trainer's steps alone", ">= 4", shown
    if main:
        yield "first step of a run in a warm process", "<= 0.5 s", f"{main['first']:.2f} s"
        yield "all captures", "<= 5 s", f"{main['capture']:.2f} s"
        yield "memory, rte bf16", "<= 10 GB", f"{main['memory']:.1f} GB"
    for task in ("mrpc", "cola"):
        eager, captured_ms = bench.ask("step", task, who="eager"), ours.get((task, "bf16"))
        if eager and captured_ms:
            shown = f"{eager[0]['ms'] / captured_ms['ms']:.2f} ({eager[0]['ms']:.2f} ms eager)"
            yield f"captured against our eager loop, {task} bf16", ">= 2.0", shown


def _on_rte(bench: Bench, captured: list[dict[str, Any]] | None) -> Iterator[tuple[str, str, str]]:
    """Yield what is measured on RTE in bf16 alone."""
    again = bench.ask("step", "rte", who="captured")
    eager, least = bench.ask("step", "rte", who="eager"), bench.ask("floor", "rte")
    ms = captured[0]["ms"] if captured else math.nan
    if again:
        yield "the same measurement twice", "", f"{abs(again[0]['ms'] / ms - 1):.1%} apart"
    if eager:
        shown = f"{eager[0]['ms'] / ms:.2f} ({eager[0]['ms']:.2f} ms eager)"
        yield "captured against our eager loop, rte bf16", ">= 2.0", shown
    if least:
        shown = f"{ms / least[0]['ms']:.2f} ({least[0]['ms']:.2f} ms)"
        yield "captured over the floor: matrix products, AdamW, norm", "<= 2.0", shown
    pair = bench.ask("step", "rte", copies=2, who="captured")
    if pair:
        together = sum(ms / one["ms"] for one in pair)
        yield "two processes, together against one alone (no MPS)", ">= 0.95", f"{together:.2f}"
    bits = bench.ask("equal", "rte")
    if bits:
        yield "captured is eager, bit for bit", "yes", bits[0]["eager"] or "yes"
        yield "captured twice, bit for bit", "yes", bits[0]["repeated"] or "yes"


def main() -> int:
    """Measure everything and print the table, or (in a child process) measure one thing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="folder with GLUE's TSV files: real rows")
    parser.add_argument("--output", type=Path, help="file for the table, too")
    parser.add_argument("--dry", action="store_true", help="on a CPU, with a tiny encoder")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        job = json.loads(options.job)
        environment.prepare(1)
        kind, case, device = job.pop("kind"), Case(**job.pop("case")), torch.device(job.pop("device"))
        print(json.dumps(KINDS[kind](case, device, **job)))
        return 0
    if not options.dry and not torch.cuda.is_available():
        parser.error("there is no GPU here; --dry tells whether the file works")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        model = Path(work) / "encoder"
        save_encoder(model, *((2, 32) if options.dry else (24, 1024)), VOCABULARY)
        cases = {
            task: write_case(task, Path(work) / task, str(model), options.dry)
            if options.data_dir is None
            else Case(task, str(model), task, str(options.data_dir.resolve()), **_sizes(options.dry))
            for task in LENGTHS
        }
        bench = Bench(cases, "cpu" if options.dry else "cuda", work, start + BUDGET_SECONDS)
        rows = list(rows_of(bench))
    where = environment.describe(torch.device(bench.device), "", "")
    versions = ", ".join(f"{name} {where[name]}" for name in ("torch", "transformers", "cuda"))
    seconds = time.monotonic() - start
    lines = [
        f"{where['device']}, {versions}; batches of {BATCH}, {seconds:.0f} s in all."
        + (" A dry run: no figures." if options.dry else ""),
        "",
        "| what | bar | found |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    lines += ["", "Not measured: " + "; ".join(bench.left_out) + "."] if bench.left_out else []
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
