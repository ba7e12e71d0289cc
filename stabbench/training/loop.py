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
from stabbench.errors import StabbenchError
from stabbench.recipe import evaluation_points
from stabbench.requests import Request
from stabbench.runs import Arrays, RunRecord, Score
from stabbench.strategies import Strategy
from stabbench.strategies.catalog import parse_strategy, source_digest
from stabbench.training import environment, streams
from stabbench.training.cache import Cache
from stabbench.training.evaluation import Measured, evaluate
from stabbench.training.graphs import Eager, Stepper, own_stream
from stabbench.training.hooks import hook
from stabbench.training.optimizer import Optimizer, as_groups, check_partition
from stabbench.training.plan import GPU_MULTIPLE, Plan
from stabbench.training.step import Training
from stabbench.training.traces import Traces

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
    pretrained = cache.pretrained(request)
    train_tokens, dev_tokens = (t.to(device) for t in cache.tokens(request, pretrained.tokenizer))
    strategy = strategy_of(request)
    metric = metrics.for_classifiers(request.task.metric)

    model = pretrained.copy(spec.seeds.head, start).to(device)
    stream = streams.generator(spec.seeds.strategy, "strategy", device)
    torch.manual_seed(0)  # a hook that uses the global generator is repeatable and moves no stream
    hook(strategy, "prepare", model, stream)
    groups = as_groups(hook(strategy, "parameter_groups", model, recipe))
    check_partition(groups, model)
    total, warmup = work.total_updates, recipe.warmup_updates(work.task.n_train)
    gpu = like_gpu or device.type == "cuda"
    order = streams.generator(spec.seeds.order, "order")
    training = Training(
        model,
        strategy,
        stream,
        Optimizer(model, groups, recipe, warmup, total, tensor_rates=gpu),
        Plan(train_tokens, recipe.batch_size, total, order, GPU_MULTIPLE if gpu else 1),
        Traces(model, model.base_model_prefix, total),
        recipe.precision,
        total,
        torch.zeros((), dtype=torch.int64, device=device),
    )
    traces = training.traces

    per_epoch = recipe.updates_per_epoch(work.task.n_train)
    points = evaluation_points(total, per_epoch, recipe.evaluations_per_epoch)
    streams.seed_dropout(spec.seeds)
    measured: list[Measured] = []
    best: Measured | None = None
    diverged: str | None = None
    model.train()
    steps = stepper(training)
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
        environment=environment.describe(device, pretrained.attention, steps.name),
    )
    return Trained(record, arrays, hook(strategy, "evaluated", model))


def _mean(losses: torch.Tensor) -> float:
    """Return the mean in float64, which Apple's GPUs do not have."""
    return float((losses.cpu() if losses.device.type == "mps" else losses).double().mean())


def _score(measured: Measured) -> Score:
    return Score(**measured.evaluation.model_dump(exclude={"dev_loss"}))


def strategy_of(request: Request) -> Strategy:
    """Return a new strategy object for one run.

    Raises:
        StabbenchError: when its source is not the one that the run was planned with.
    """
    strategy, _ = parse_strategy(request.strategy)
    if source_digest(strategy) != request.work.strategy.source:
        raise StabbenchError(
            f"the source of {request.strategy} is not what the run was planned with.",
            "plan again: the strategy has changed since.",
        )
    return strategy
