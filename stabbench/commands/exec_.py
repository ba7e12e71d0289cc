"""``stabbench exec REQUEST.json``: one run, for any scheduler."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from stabbench import executors
from stabbench.errors import StabbenchError
from stabbench.requests import Request
from stabbench.runs import Store
from stabbench.text import terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("request", type=Path, help="a file that `stabbench plan --write` wrote")
    parser.add_argument("--store", type=Path, default=Path(".stabbench"), help="default: .stabbench")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; default: 1")
    parser.add_argument("--device", action="append", default=[], help="device; default: the first free")


def run(arguments: argparse.Namespace) -> int:
    """Compute the run; 0 when its record is in the store afterwards, else 1."""
    try:
        request = Request.model_validate_json(arguments.request.read_bytes())
    except (OSError, ValidationError) as error:
        cause = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        raise StabbenchError(
            f"{arguments.request} is no request: {cause}.",
            "write one with `stabbench plan SUITE --write DIR`.",
        ) from error
    store = Store(arguments.store)
    store.check_writable()
    options = executors.ExecutorOptions(threads=arguments.threads, devices=tuple(arguments.device))
    with executors.create("process", store.root, options) as executor:
        outcome = executors.compute_one(executor, request)
    key = request.spec.key
    if outcome.note is not None:
        note = outcome.note
        print(terminal(f"{key[:12]} errored ({note.kind}): {note.message}\n{note.log}"))
    else:
        print(f"{key[:12]} {outcome.kind}")
    return 0 if outcome.kind in ("done", "cached") else 1
