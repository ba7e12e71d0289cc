"""Baselines: committed scores by seed, with where they come from, that regressions are judged against.

A baseline is a file ``baselines/NAME.jsonl``: a header with a checksum, then for each group a line with all
that its runs have in common, then one line a run. Everything is sorted and holds no time of saving, so that
a diff shows the runs that changed and nothing else.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stabbench.errors import RecordError, StabbenchError, UnknownNameError
from stabbench.foreign import read_json, read_lines
from stabbench.registry import suggest
from stabbench.runs import RunRecord, Score
from stabbench.runs.checks import check_record
from stabbench.runs.files import write_atomic
from stabbench.runs.written import direction_then
from stabbench.samples.collection import Collection
from stabbench.samples.stability import Stability
from stabbench.spec import Direction, RunSpec, Seeds
from stabbench.stored import Frozen, canonical_json

FORMAT = 2
"""Layout of baselines; ``docs/formats.md`` tells."""

FORMATS = (1, FORMAT)
"""Those that are read: 1 is that of 0.1.0, the same lines without the fields that were added later."""

FOLDER = Path("baselines")
SUFFIX = ".jsonl"
REDO = "take it from version control, or save it again with `stabbench baseline save`."

Environment = dict[str, str | int | float | bool | None]


class GroupLine(Frozen):
    """What the runs of a group have in common; the fields are those of ``RunRecord``.

    Attributes:
        spec: the specification of the first run; the others differ in their seeds.
        environments: the environments in which runs were made; each run names its own by index.
        created: day of the last run, ISO 8601.
    """

    group: str
    task: str
    model: str
    strategy: str
    spec: RunSpec | None
    metric: str
    better: Direction = "higher"
    constant: float
    n_dev: int
    dev_counts: tuple[int, ...] | None = None
    label_entropy: float | None = None
    rounded_to: float = 0.0
    floor: float | None = None
    environments: tuple[Environment, ...]
    created: str


class RunLine(Frozen):
    """One run of the group above it; the fields are those of ``RunRecord``.

    Attributes:
        key: of an imported run; that of any other follows from its specification.
        seeds: the streams' seeds, where they are not all ``seed``.
        best: the best score, where it is not the last.
        environment: index into the group's environments.
    """

    seed: int
    key: str | None = None
    seeds: Seeds | None = None
    status: Literal["completed", "diverged"] = "completed"
    reason: str | None = None
    last: Score
    best: Score | None = None
    train_loss: float | None = None
    environment: int = Field(default=0, ge=0)
    imported_from: str | None = None


def baseline_path(name: str, folder: Path = FOLDER) -> Path:
    """Return the file of a baseline, by its name in ``folder`` or by its path.

    Raises:
        UnknownNameError: when there is none (the message suggests near names).
    """
    path = Path(name) if name.endswith(SUFFIX) else folder / f"{name}{SUFFIX}"
    if not path.is_file():
        raise UnknownNameError(f"there is no baseline {path}.", suggest(name, baseline_names(folder)))
    return path


def baseline_names(folder: Path = FOLDER) -> list[str]:
    """Return the names of the baselines in a folder."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def write_baseline(path: Path, groups: Iterable[Stability]) -> None:
    """Write complete groups as a baseline, in one atomic step.

    Raises:
        StabbenchError: when there is no group, one is incomplete or was stopped early, or two have the same
            task, model and strategy.
    """
    found = sorted(groups, key=lambda group: (group.task, group.model, group.strategy))
    if not found:
        raise StabbenchError("there is no run to save.", "train the grid first, or choose other groups.")
    for group in found:
        group.check_complete()
    for before, group in itertools.pairwise(found):
        if str(before) == str(group):
            names = ", ".join(g.runs[0].group[:12] for g in (before, group))
            raise StabbenchError(
                f"the groups {names} are both {group.strategy} on {group.task} with {group.model}.",
                "choose one with --group.",
            )
    lines = [canonical_json(line) for group in found for line in _lines(group)]
    header = {"baseline": FORMAT, "lines": len(lines), "checksum": _checksum(lines)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(f"{line}\n" for line in (canonical_json(header), *lines)).encode())


def read_baseline(path: Path) -> Collection:
    """Return the runs of a baseline; their arrays, evaluations and times are not kept in it.

    Raises:
        RecordError: when the file is truncated, was changed by hand, is of a newer format, or does not fit
            the schema.
    """
    try:
        first, *lines = read_lines(path)
        header = read_json(first)
        version, count, checksum = header["baseline"], header["lines"], header["checksum"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} is missing or no baseline ({error}).", REDO) from error
    if version not in FORMATS:
        raise RecordError(f"{path} has format {version!r}, newer than {FORMAT}.", "update stabbench.")
    if count != len(lines) or checksum != _checksum(lines):
        raise RecordError(f"{path} was changed after it was written: its checksum does not match.", REDO)
    records: list[RunRecord] = []
    groups: set[str] = set()
    group: GroupLine | None = None
    for number, line in enumerate(lines, start=2):
        try:
            data = read_json(line)
            if "group" in data:
                if version == 1:
                    data["better"] = direction_then(data)
                group = GroupLine.model_validate_json(canonical_json(data), strict=True)
                if group.group in groups:
                    raise ValueError("its group came before")
                groups.add(group.group)
            elif group is None:
                raise ValueError("a run without a group above it")
            else:
                records.append(_record(group, RunLine.model_validate_json(canonical_json(data), strict=True)))
        except (ValueError, IndexError, TypeError, ArithmeticError) as error:
            raise RecordError(f"{path}, line {number}, does not fit the schema: {error}", REDO) from error
    return Collection.of(records)


def counterpart(baseline: Collection, stability: Stability, name: str) -> Stability:
    """Return the baseline's group of the same task, model and strategy.

    A strategy with another recipe has another label, so where no label fits the strategy's name decides.

    Raises:
        StabbenchError: when there is none, or several fit.
    """
    groups = baseline.groups(stability.checkpoint)
    same = [g for g in groups if (g.task, g.model) == (stability.task, stability.model)]
    fitting = [g for g in same if g.strategy == stability.strategy]
    fitting = fitting or [g for g in same if _strategy(g) == _strategy(stability)]
    if len(fitting) != 1:
        what = f"no group for {stability}" if not fitting else f"{len(fitting)} groups for {stability}"
        raise StabbenchError(
            f"the baseline {name} has {what}; it has {', '.join(map(str, groups))}.",
            "save a baseline of it with `stabbench baseline save`, or leave the gate out.",
        )
    return fitting[0]


def _strategy(stability: Stability) -> str:
    work = stability.runs[0].fine_tuning
    return work.strategy.name if work is not None else stability.strategy


def _checksum(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _lines(group: Stability) -> Iterator[dict[str, Any]]:
    runs = sorted(group.runs, key=lambda run: run.seed)
    first = runs[0]
    environments = sorted({canonical_json(run.environment) for run in runs})
    common = GroupLine(
        group=first.group,
        task=first.task,
        model=first.model,
        strategy=first.strategy,
        spec=first.spec,
        metric=first.metric,
        better=first.better,
        constant=first.constant,
        n_dev=first.n_dev,
        dev_counts=first.dev_counts,
        label_entropy=first.label_entropy,
        rounded_to=first.rounded_to,
        floor=first.floor,
        environments=tuple(json.loads(text) for text in environments),
        created=max(run.created for run in runs)[:10],
    )
    yield common.model_dump(mode="json")
    for run in runs:
        seeds = run.spec.seeds if run.spec is not None else None
        line = RunLine(
            seed=run.seed,
            key=run.key if run.spec is None else None,
            seeds=seeds if seeds != Seeds.all(run.seed) else None,
            status=run.status,
            reason=run.reason,
            last=run.last,
            best=run.best if run.best != run.last else None,
            train_loss=run.train_loss,
            environment=environments.index(canonical_json(run.environment)),
            imported_from=run.imported_from,
        )
        yield line.model_dump(mode="json", exclude_defaults=True)


def _record(group: GroupLine, run: RunLine) -> RunRecord:
    spec, key = group.spec, run.key
    if spec is not None:
        spec = spec.model_copy(update={"seeds": run.seeds or Seeds.all(run.seed), "replicate": 0})
        key = spec.key
        if spec.group != group.group:
            raise ValueError("the group is not that of its specification")
    common = group.model_dump(exclude={"spec", "environments"})
    own = run.model_dump(exclude={"key", "seeds", "best", "environment"})
    record = RunRecord.model_validate(
        {
            **common,
            **own,
            "key": key,
            "spec": spec,
            "best": run.best or run.last,
            "environment": group.environments[run.environment],
        }
    )
    check_record(record)
    return record
