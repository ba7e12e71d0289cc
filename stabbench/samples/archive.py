"""A compact archive of runs, so that anyone can make the leaderboard again.

Gzipped JSON lines: first a header with the plans, then one line per run, sorted by key, in the store's own
checked envelope with the thinned traces beside it. Equal runs give equal bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from stabbench.errors import RecordError
from stabbench.foreign import read_json, read_lines
from stabbench.runs.files import write_atomic
from stabbench.runs.written import read_record
from stabbench.samples.collection import Collection, Plan, RunWithTraces
from stabbench.samples.traces import Traces, check_traces
from stabbench.stored import canonical_json, digest

SUFFIX = ".runs.jsonl.gz"
"""How archives are called, unlike baselines; what a file is its content says."""

ARCHIVE_FORMAT = 2
"""Layout of archives; ``docs/formats.md`` tells."""

FORMATS = (1, ARCHIVE_FORMAT)
"""Those that are read: 1 is that of 0.1.0, the same lines with records of format 1."""

COUNT = TypeAdapter(Annotated[int, Field(strict=True, ge=0)])
STARTS = TypeAdapter(frozenset[str])


def write_archive(collection: Collection, path: Path) -> None:
    """Write an archive in one atomic step.

    Raises:
        Incomplete: when a record cannot be read and nobody knows which group lacks it.
    """
    collection.check_readable()
    buffer = io.BytesIO()
    header, lines = _header(collection), list(map(canonical_json, _lines(collection)))
    first = canonical_json({**header, "checksum": _checksum(header, lines)})
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        for line in (first, *lines):
            file.write(f"{line}\n".encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())


def _header(collection: Collection) -> dict[str, Any]:
    return {
        "archive": ARCHIVE_FORMAT,
        "runs": len(collection.runs),
        "plans": {group: plan.model_dump(mode="json") for group, plan in collection.plans.items()},
        "unplaced_errors": collection.unplaced_errors,
        "starts": sorted(collection.starts),
    }


def _checksum(header: dict[str, Any], lines: list[str]) -> str:
    return hashlib.sha256("\n".join([canonical_json(header), *lines]).encode()).hexdigest()


def _lines(collection: Collection) -> Iterator[dict[str, Any]]:
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
        first, *lines = read_lines(path)
        header = read_json(first)
        version, count = header["archive"], header["runs"]
        if version == ARCHIVE_FORMAT and header.pop("checksum") != _checksum(header, lines):
            raise ValueError("it was changed after it was written")
        plans = {group: Plan.model_validate(plan) for group, plan in header["plans"].items()}
        unplaced = COUNT.validate_python(header["unplaced_errors"])
        starts = STARTS.validate_python(header.get("starts", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is missing, truncated or no archive ({error}).", action) from error
    if version not in FORMATS:
        raise RecordError(
            f"{path} is an archive of format {version!r}, not {ARCHIVE_FORMAT}.", "update stabbench."
        )
    if len(lines) != count:
        raise RecordError(f"{path} has {len(lines)} runs where its header names {count}.", action)
    runs: list[RunWithTraces] = []
    keys: set[str] = set()
    for number, line in enumerate(lines, start=2):
        record = read_record(line, f"{path}, line {number}")
        try:
            traces = Traces.model_validate(read_json(line)["traces"])
            check_traces(record, traces)
            if record.key in keys:
                raise ValueError("its run came before")
        except (KeyError, ValueError) as error:
            raise RecordError(
                f"{path}, line {number}: its traces are not its run's ({error}).", action
            ) from error
        keys.add(record.key)
        runs.append(RunWithTraces(record, traces))
    return Collection(tuple(runs), plans, unplaced, starts=starts)
