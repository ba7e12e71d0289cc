"""A compact archive of runs, so that anyone can make the leaderboard again.

Gzipped JSON lines: first a header with the plans, then one line per run, sorted by key, in the store's own
checked envelope with the thinned traces beside it. Equal runs give equal bytes.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stabbench.errors import RecordError
from stabbench.runs.record import read_record
from stabbench.runs.store import write_atomic
from stabbench.samples.collection import Collection, Plan, RunWithTraces, Traces
from stabbench.spec import canonical_json, digest

ARCHIVE_FORMAT = 2
"""1 is that of 0.1.0: the same lines, whose records are of format 1."""


def write_archive(collection: Collection, path: Path) -> None:
    """Write an archive in one atomic step."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        for line in _lines(collection):
            file.write((canonical_json(line) + "\n").encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())


def _lines(collection: Collection) -> Iterator[dict[str, Any]]:
    yield {
        "archive": ARCHIVE_FORMAT,
        "runs": len(collection.runs),
        "plans": {group: plan.model_dump(mode="json") for group, plan in collection.plans.items()},
        "unplaced_errors": collection.unplaced_errors,
    }
    for run in sorted(collection.runs, key=lambda run: run.record.key):
        record, traces = run.record.model_dump(mode="json"), run.traces.model_dump(mode="json")
        yield {"checksum": digest(record), "record": record, "traces": traces}


def read_archive(path: Path) -> Collection:
    """Return the runs of an archive, each checked against the schema and its own checksum.

    Raises:
        RecordError: when the file is missing, truncated, changed, or of a newer format.
    """
    action = "write it again with `stabbench leaderboard --save-archive`, or take it from version control."
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        header = json.loads(lines[0])
        version, count = header["archive"], header["runs"]
        plans = {group: Plan.model_validate(plan) for group, plan in header["plans"].items()}
        unplaced = int(header["unplaced_errors"])
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise RecordError(f"{path} is missing, truncated or no archive ({error}).", action) from error
    if version not in (1, ARCHIVE_FORMAT):
        raise RecordError(
            f"{path} is an archive of format {version}, not {ARCHIVE_FORMAT}.", "update stabbench."
        )
    if len(lines) - 1 != count:
        raise RecordError(f"{path} has {len(lines) - 1} runs where its header names {count}.", action)
    runs = []
    for number, line in enumerate(lines[1:], start=2):
        record = read_record(line, f"{path}, line {number}")
        try:
            traces = Traces.model_validate(json.loads(line)["traces"])
        except (KeyError, ValidationError) as error:
            raise RecordError(
                f"{path}, line {number}: its traces are malformed ({error}).", action
            ) from error
        runs.append(RunWithTraces(record, traces))
    return Collection(tuple(runs), plans, unplaced)
