"""One run, from a request to its record: the training loop, from top to bottom."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from stabbench import metrics
from stabbench.recipe import evaluation_points
from stabbench.requests import Request
from stabbench.runs import Arrays, RunRecord, Score
from stabbench.training import environment, streams
from stabbench.training import layers as encoder_layers
from stabbench.training.cache import Cache
from stabbench.training.evaluation import Measured, evaluate
from stabbench.training.graphs import Eager, Stepper, own_stream
from stabbench.training.hooks import hook
from stabbench.training.setup import set_up

Progress = Callable[[int, int], None]
"""Called after every update with (updates done, updates in all)."""


@dataclass(frozen=True)
class Trained:
    """What a run gives: its record, its arrays, and the model that was evaluated last."""

    record: RunRecord
    arrays: Arrays
    model: PreTrainedModel


def train(
    request: Request,
    cache: Cache,
    device: torch.device,
    start: Path | None = None,
    progress: Progress = lambda done, total: None,
    stepper: Stepper = Eager,
    like_gpu: bool = False,
) -> Trained:
    """Fine-tune and evaluate as the request's specification says.

    Args:
        request: what to train; its intermediate run, if any, is finished.
        cache: what a warm process keeps; it never changes a result.
        device: where to train.
        start: weights of the intermediate run.
        progress: told of every update.
        stepper: how steps are made; it changes no bit of a result.
        like_gpu: whether a CPU computes as a GPU does, for checks of what a GPU would do: learning rates are
            tensors, and batches have few widths.

    Raises:
        RunError: when a hook of the strategy raises.
        CaptureError: when steps cannot be captured; this process is good for no other run then.
        StabbenchError: when the data, the source or the parameter groups are not as they should be.
    """
    stream = own_stream(device) if device.type == "cuda" else nullcontext()
    with environment.matrix_products(request.work.recipe.precision), stream:
        return _train(request, cache, device, start, progress, stepper, like_gpu)


def _train(
    request: Request,
    cache: Cache,
    device: torch.device,
    start: Path | None,
    progress: Progress,
    stepper: Stepper,
    like_gpu: bool,
) -> Trained:
    began = time.monotonic()
    spec, work = request.spec, request.work
    recipe = work.recipe
    run = set_up(request, cache, device, start, like_gpu)
    model, strategy, traces, total = run.model, run.strategy, run.traces, run.updates
    pretrained = cache.pretrained(request)
    train_tokens, dev_tokens = cache.tokens(request, pretrained.tokenizer)
    dev_tokens = dev_tokens.to(device)
    metric = metrics.for_classifiers(request.task.metric)

    per_epoch = recipe.updates_per_epoch(work.task.n_train)
    points = evaluation_points(total, per_epoch, recipe.evaluations_per_epoch)
    streams.seed_dropout(spec.seeds)
    measured: list[Measured] = []
    best: Measured | None = None
    diverged: str | None = None
    model.train()
    steps = stepper(run)
    for update in range(1, total + 1):
        steps.step(update - 1)
        progress(update, total)
        if update not in points:
            continue
        bad = traces.first_nonfinite(measured[-1].evaluation.step if measured else 0, update)
        if bad is not None:
            diverged = f"the training loss became NaN or infinite at update {bad + 1} of {total}"
            break
        evaluated = hook(strategy, "evaluated", model)
        found = evaluate(evaluated, dev_tokens, metric, work.task.n_labels, recipe.precision, update)
        if found is None:
            diverged = f"the {metric.name} became NaN or infinite at update {update} of {total}"
            break
        measured.append(found)
        if best is None or metric.is_better(found.evaluation.value, best.evaluation.value):
            best = found

    arrays = traces.arrays(update)
    labels = dev_tokens.labels.cpu().numpy()
    dev_counts = np.bincount(labels, minlength=work.task.n_labels).tolist()
    constant = metric.constant(dev_counts)
    if diverged is not None:
        last = Score(value=constant, step=update)
    else:
        last = _score(measured[-1])
        arrays["logits"] = measured[-1].logits
    if best is not None:
        arrays["best_logits"] = best.logits
    arrays["dev_labels"] = labels
    last_epoch = traces.losses[max(0, update - per_epoch) : update]
    record = RunRecord.of(
        spec,
        constant=constant,
        dev_counts=tuple(dev_counts),
        status="completed" if diverged is None else "diverged",
        reason=diverged,
        last=last,
        best=last if best is None else _score(best),
        evaluations=tuple(m.evaluation for m in measured),
        train_loss=None if diverged else _mean(last_epoch),
        label_entropy=metrics.entropy(np.bincount(train_tokens.labels.cpu().numpy()).tolist()),
        layers=tuple(traces.layers),
        seconds=time.monotonic() - began,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        environment=environment.describe(
            device, pretrained.attention, encoder_layers.way_of(model), steps.name
        ),
    )
    return Trained(record, arrays, hook(strategy, "evaluated", model))


def _mean(losses: torch.Tensor) -> float:
    """Return the mean in float64, which Apple's GPUs do not have."""
    return float((losses.cpu() if losses.device.type == "mps" else losses).double().mean())


def _score(measured: Measured) -> Score:
    return Score(**measured.evaluation.model_dump(exclude={"dev_loss"}))
