"""Who trains: our loop, transformers' Trainer, a plain PyTorch loop, accelerate. One measurement a process.

All start from the same weights and see the same rows in the same batches, padded to each batch's longest
row; AdamW with the same groups and schedule, gradients clipped; no logging, no saving, no evaluation. Each
runs the whole length of the run and is stopped by the clock.

    python benchmarks/trainer_contestants.py '{"case": {...}, "contestant": "trainer", ...}'

prints the milliseconds of a step as JSON. The other three get whatever transformers chooses by default
(fused scaled-dot-product attention, fused AdamW), as their users do.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import AdamW
from torch.utils.data import DataLoader, SequentialSampler
from trainer_cases import Case, request_of
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

from stabbench import tasks
from stabbench.models.families import dropout_keys
from stabbench.requests import Request
from stabbench.training import environment, streams
from stabbench.training.cache import Cache
from stabbench.training.loop import train


class Enough(Exception):
    """The timed steps are done."""


@dataclass
class Clock:
    """Times whole steps after a warm-up, and ends the run after them.

    Attributes:
        warm_up: steps before.
        steps: timed steps.
        device: where the run is.
        stamps: when the warm-up and the timed steps ended.
    """

    warm_up: int
    steps: int
    device: torch.device
    stamps: list[float] = field(default_factory=list)

    def tick(self, done: int) -> None:
        """Be told that so many steps are done; raises ``Enough`` after the last."""
        if done not in (self.warm_up, self.warm_up + self.steps):
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.stamps.append(time.perf_counter())
        if done > self.warm_up:
            raise Enough

    @property
    def milliseconds(self) -> float:
        """Milliseconds of a step."""
        first, last = self.stamps
        return (last - first) / self.steps * 1e3


def ours(request: Request, clock: Clock) -> PreTrainedModel:
    """Train with our loop, with all that a run records."""
    done = train(request, Cache(), clock.device, progress=lambda done, total: clock.tick(done))
    return done.model


def trainer(request: Request, clock: Clock) -> PreTrainedModel:
    """Train with transformers' Trainer."""
    model, tokenizer = _initial(request)
    recipe, rows = request.work.recipe, _rows(request, tokenizer)

    class Tick(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            clock.tick(state.global_step)

    class InOrder(Trainer):
        def _get_train_sampler(self, *_: Any) -> Any:
            return SequentialSampler(rows)

    with tempfile.TemporaryDirectory() as folder:
        options = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            max_steps=request.work.total_updates,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=recipe.warmup_updates(request.work.task.n_train),
            weight_decay=recipe.weight_decay,
            adam_epsilon=recipe.epsilon,
            max_grad_norm=recipe.clip_norm or 0.0,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=clock.device.type == "cpu",
            bf16=recipe.precision == "bf16",
            tf32=True if recipe.precision == "tf32" else None,
        )
        InOrder(model, options, train_dataset=rows, processing_class=tokenizer, callbacks=[Tick()]).train()
    return model


def loop(request: Request, clock: Clock) -> PreTrainedModel:
    """Train with the loop that a PyTorch tutorial shows."""
    model, tokenizer = _initial(request)
    model.to(clock.device).train()
    optimizer, schedule = _optimizer(model, request)
    clip, half = request.work.recipe.clip_norm, request.work.recipe.precision == "bf16"
    for done, batch in enumerate(_loader(request, tokenizer), start=1):
        batch = batch.to(clock.device)
        with torch.autocast(clock.device.type, dtype=torch.bfloat16, enabled=half):
            loss = model(**batch).loss
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        clock.tick(done)
    return model


def accelerate(request: Request, clock: Clock) -> PreTrainedModel:
    """Train with accelerate, as its documentation shows."""
    from accelerate import Accelerator

    model, tokenizer = _initial(request)
    accelerator = Accelerator(
        cpu=clock.device.type == "cpu",
        mixed_precision="bf16" if request.work.recipe.precision == "bf16" else "no",
    )
    optimizer, schedule = _optimizer(model, request)
    clip = request.work.recipe.clip_norm
    prepared = accelerator.prepare(model, optimizer, _loader(request, tokenizer), schedule)
    model, optimizer, loader, schedule = prepared
    model.train()
    for done, batch in enumerate(loader, start=1):
        loss = model(**batch).loss
        accelerator.backward(loss)
        if clip is not None:
            accelerator.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        clock.tick(done)
    return accelerator.unwrap_model(model)


CONTESTANTS: dict[str, Callable[[Request, Clock], PreTrainedModel]] = {
    "ours": ours,
    "trainer": trainer,
    "loop": loop,
    "accelerate": accelerate,
}


def _initial(request: Request) -> tuple[PreTrainedModel, Any]:
    """Return transformers' own model with the weights that our run starts from, and its tokenizer."""
    work = request.work
    config = AutoConfig.from_pretrained(request.model, num_labels=work.task.n_labels)
    for name, key in dropout_keys(config.to_dict()).items():
        if (rate := getattr(work.recipe, name)) is not None:
            setattr(config, key, rate)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    pretrained = Cache().pretrained(request)
    model.load_state_dict(pretrained.copy(request.spec.seeds.head).state_dict())
    return model, AutoTokenizer.from_pretrained(request.model)


def _rows(request: Request, tokenizer: Any) -> list[dict[str, Any]]:
    """Return the tokenised rows in the order in which a run sees them in its first epoch."""
    task, recipe = request.work.task, request.work.recipe
    folder = Path(request.data_dir) if request.data_dir else None
    data = tasks.load(request.task, folder, task.train_size, task.stratified, task.sample_seed)
    texts = [list(column) for column in zip(*data.train.texts, strict=True)]
    inputs = tokenizer(*texts, truncation=True, max_length=recipe.max_length)
    rows = [
        {**{name: column[i] for name, column in inputs.items()}, "labels": int(label)}
        for i, label in enumerate(data.train.labels)
    ]
    order = streams.generator(request.spec.seeds.order, "order")
    epoch = streams.epoch_order(task.n_train, order).tolist()
    steps = min(len(epoch) // recipe.batch_size, request.work.total_updates)  # whole batches
    return [rows[i] for i in epoch[: steps * recipe.batch_size]]


def _loader(request: Request, tokenizer: Any) -> DataLoader:
    rows, collate = _rows(request, tokenizer), DataCollatorWithPadding(tokenizer)
    return DataLoader(rows, batch_size=request.work.recipe.batch_size, collate_fn=collate)


def _optimizer(model: PreTrainedModel, request: Request) -> tuple[Any, Any]:
    """Return AdamW without decay of biases and norms, fused as Trainer's, and the linear schedule."""
    work, recipe = request.work, request.work.recipe
    plain = {name for name, _ in model.named_parameters() if name.endswith("bias") or "LayerNorm" in name}
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if name not in plain], "weight_decay": recipe.weight_decay},
        {"params": [p for name, p in named if name in plain], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, lr=recipe.learning_rate, eps=recipe.epsilon, fused=True)
    warm_up = recipe.warmup_updates(work.task.n_train)
    return optimizer, get_linear_schedule_with_warmup(optimizer, warm_up, work.total_updates)


@contextlib.contextmanager
def _until_enough() -> Iterator[None]:
    with contextlib.suppress(Enough):
        yield
        raise RuntimeError("the run ended before the clock stopped it")


def measure(case: Case, contestant: str, strategy: str, device: str, threads: int) -> dict[str, Any]:
    """Return the milliseconds of a step of one contestant, and where they were measured."""
    torch.set_num_threads(threads)
    clock = Clock(case.warm_up, case.steps, torch.device(device))
    request = request_of(case, strategy)
    with _until_enough():
        CONTESTANTS[contestant](request, clock)
    return {"ms": clock.milliseconds, "environment": environment.describe(clock.device, "", "")}


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    print(json.dumps(measure(Case(**job.pop("case")), **job)))
