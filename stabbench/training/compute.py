"""One run under its lease, into the store: what the trainer process and the debug executor share."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from stabbench import metrics
from stabbench.errors import RecordError, RunError, StabbenchError
from stabbench.requests import Outcome, Request
from stabbench.runs import ErrorNote, Store
from stabbench.stored import digest
from stabbench.strategies.catalog import parse_strategy
from stabbench.training.cache import Cache
from stabbench.training.graphs import Captured, CaptureError, Eager, Stepper
from stabbench.training.loop import Progress, Trained, train

WEIGHTS = "model.safetensors"


def compute(
    request: Request,
    store: Store,
    cache: Cache,
    device: torch.device,
    progress: Progress,
    training: Callable[[str], None] = lambda key: None,
    capture: bool = False,
) -> Outcome:
    """Train a run unless the store has it, somebody else trains it now, or it errored in this session.

    The caller's process holds the lease while it trains. An exception that a run causes becomes an
    errored outcome with a note in the store; an intermediate run is computed first, and its error is the
    run's too.

    Args:
        request: what to compute.
        store: where its record goes.
        cache: what a warm process keeps.
        device: where to train.
        progress: told of every update.
        training: told the key of a run when all is loaded and its training starts.
        capture: whether steps may be captured on a GPU: the process must end should that fail.

    Raises:
        CaptureError: when it failed; it is noted, so that the next process does not try.
    """
    key = request.spec.key
    lease = store.lease(key)
    if lease is None:
        return Outcome("busy")
    with lease:
        try:
            if is_complete(request, store):
                return Outcome("cached")
            tried = store.error(key)
            if tried is not None and request.session and tried.session == request.session:
                return Outcome("errored", tried)  # by another worker, just now
            start = None
            if request.start is not None:
                first = compute(request.start, store, cache, device, progress, training, capture)
                if first.kind == "busy":
                    return first
                if (note := first.note) is not None:
                    return _errored(store, request.errored(note.kind, note.message, note.log))
                start = store.folder(request.start.spec.key) / WEIGHTS
            _check_metric(request)
            cache.keep([request])
            training(key)
            stepper = _stepper(request, store) if capture and device.type == "cuda" else Eager
            _write(store, request, train(request, cache, device, start, progress, stepper), cache)
            return Outcome("done")
        except KeyboardInterrupt:
            raise
        except CaptureError as error:
            if has_failed_to_capture(request, store):  # nothing was captured
                return _errored(store, describe_error(request, error))
            strategy = request.work.strategy.label
            store.note_eager(_conditions(request), f"{strategy} is trained more slowly: {error.cause}")
            raise
        except BaseException as error:  # a hook may exit, or skip as a test does: no record, so an error
            return _errored(store, describe_error(request, error))


def has_failed_to_capture(request: Request, store: Store) -> bool:
    """Return whether steps of such a run could not be captured before."""
    return store.is_eager(_conditions(request))


def _stepper(request: Request, store: Store) -> Stepper:
    """Return how the steps of a run are made on a GPU."""
    strategy, _ = parse_strategy(request.strategy)
    return Captured if strategy.capturable and not has_failed_to_capture(request, store) else Eager


def _conditions(request: Request) -> str:
    """Return what names the conditions under which a capture fails or does not."""
    work = request.work
    parts = (work.strategy.model_dump(mode="json"), work.model.name, work.recipe.precision)
    return digest([*parts, torch.__version__])


def pending(request: Request, store: Store) -> list[Request]:
    """Return what a request has yet to train: what it starts from, and the run itself."""
    if is_complete(request, store):
        return []
    return [*(pending(request.start, store) if request.start is not None else ()), request]


def is_complete(request: Request, store: Store) -> bool:
    """Return whether the store has what a request asks for."""
    try:
        record = store.read(request.spec.key)
    except RecordError:
        return False
    return record is not None and (
        not request.save_model or (store.folder(request.spec.key) / WEIGHTS).is_file()
    )


def _errored(store: Store, note: ErrorNote) -> Outcome:
    store.note_error(note)
    return Outcome("errored", note)


def _check_metric(request: Request) -> None:
    if metrics.source_of(request.task.metric) != request.work.task.metric_source:
        raise StabbenchError(
            f"the file of the metric {request.task.metric} is not what the run was planned with.",
            "plan again: the metric has changed since.",
        )


def _write(store: Store, request: Request, trained: Trained, cache: Cache) -> None:
    if not request.save_model:
        store.write(trained.record, trained.arrays)
        return
    with tempfile.TemporaryDirectory() as folder:
        trained.model.save_pretrained(folder)
        cache.pretrained(request).tokenizer.save_pretrained(folder)
        files = {path.name: path for path in Path(folder).iterdir() if path.is_file()}
        store.write(trained.record, trained.arrays, files)


def describe_error(request: Request, error: BaseException) -> ErrorNote:
    """Return the note that a store keeps of a run that errored."""
    cause = error.__cause__ if isinstance(error, RunError) else error  # what a hook has raised
    if isinstance(cause, torch.OutOfMemoryError | MemoryError) or CPU_OUT_OF_MEMORY in str(cause):
        kind, message = "out of memory", str(RunError("the device ran out of memory.", OOM_ACTION))
    elif isinstance(error, StabbenchError):
        kind, message = "error", str(error)
    else:
        kind, message = "crash", f"{type(error).__name__}: {error}"
    return request.errored(kind, message, traceback.format_exc())


CPU_OUT_OF_MEMORY = "DefaultCPUAllocator: can't allocate memory"
"""How torch's ``RuntimeError`` says it on a CPU."""

OOM_ACTION = "use fewer workers (-n), a smaller batch (--stab-set batch_size=8) or bf16."
