"""From a request to what its steps work on."""

from __future__ import annotations

from pathlib import Path

import torch

from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.strategies import Strategy
from stabbench.strategies.catalog import parse_strategy, source_digest
from stabbench.training import streams
from stabbench.training.cache import Cache
from stabbench.training.hooks import hook
from stabbench.training.optimizer import Optimizer, as_groups, check_partition
from stabbench.training.plan import Plan
from stabbench.training.step import Training
from stabbench.training.traces import Traces


def set_up(
    request: Request, cache: Cache, device: torch.device, start: Path | None = None, like_gpu: bool = False
) -> Training:
    """Return all that the steps of a run work on, as it is before the first of them.

    Args:
        request: what to train; its intermediate run, if any, is finished.
        cache: what a warm process keeps.
        device: where to train.
        start: weights of the intermediate run.
        like_gpu: whether to compute on a CPU as on a GPU: rates that are tensors, batches of few widths.

    Raises:
        RunError: when a hook of the strategy raises.
        StabbenchError: when the data, the source or the parameter groups are not as they should be.
    """
    spec, work = request.spec, request.work
    recipe, gpu = work.recipe, like_gpu or device.type == "cuda"
    pretrained = cache.pretrained(request)
    tokens, _ = cache.tokens(request, pretrained.tokenizer)
    strategy = strategy_of(request)
    model = pretrained.copy(spec.seeds.head, start).to(device)
    # tensors without values have no generator of their own, and draw nothing
    source = torch.device("cpu") if device.type == "meta" else device
    stream = streams.generator(spec.seeds.strategy, "strategy", source)
    torch.manual_seed(0)  # a hook that uses the global generator is repeatable and moves no stream
    hook(strategy, "prepare", model, stream)
    groups = as_groups(hook(strategy, "parameter_groups", model, recipe))
    check_partition(groups, model)
    total, warmup = work.total_updates, recipe.warmup_updates(work.task.n_train)
    order = streams.generator(spec.seeds.order, "order")
    return Training(
        model=model,
        strategy=strategy,
        generator=stream,
        optimizer=Optimizer(model, groups, recipe, warmup, total, tensor_rates=gpu),
        plan=Plan(tokens.to(device), recipe.batch_size, total, order, gpu),
        traces=Traces(model, model.base_model_prefix, total),
        precision=recipe.precision,
        updates=total,
        index=torch.zeros((), dtype=torch.int64, device=device),
    )


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
