"""Where runs were made, as far as results may depend on it: what differs in a group and between groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stabbench.runs import RunRecord

FIELDS = {
    "torch": "torch",
    "transformers": "transformers",
    "numpy": "numpy",
    "cuda": "CUDA",
    "platform": "platform",
    "device_type": "device type",
    "device": "device",
    "instructions": "CPU instructions",
    "threads": "threads",
    "attention": "attention",
    "deterministic": "deterministic",
    "trainer": "trainer",
}
"""What is compared, and its name for people. Python's and stabbench's own versions change no result; a new
trainer is another ``trainer``."""

NONE = "none"
"""Stands for a field that a run does not name: CUDA on a CPU."""

Environment = Mapping[str, Any]
"""Field -> value, as ``environment_of`` returns it."""


def environment_of(record: RunRecord) -> Environment:
    """Return where a run was made, its trainer's version included."""
    work = record.fine_tuning
    return record.environment if work is None else {**record.environment, "trainer": work.trainer}


def environment_differences(*groups: Iterable[Environment]) -> dict[str, tuple[Counter[str], ...]]:
    """Return the fields that differ, within one group of runs or between several.

    Args:
        groups: of each run the environment. One group: a field differs when its runs have several values.
            Several: when the groups have not the same values; one that does not name it (imported scores)
            differs from none.

    Returns:
        Field -> for each group the number of runs by value.
    """
    seen = [[_fields(environment) for environment in group] for group in groups]
    found = {}
    for field in FIELDS:
        counts = tuple(Counter(run.get(field, NONE) for run in group) for group in seen)
        if len(counts) == 1:
            differ = len(counts[0]) > 1
        else:
            differ = len({frozenset(count) for count in counts if set(count) != {NONE}}) > 1
        if differ:
            found[field] = counts
    return found


def mixed(environments: Iterable[Environment]) -> str:
    """Return what differs within a group, ``""`` when nothing does.

    For example ``mixed environment: torch 2.12 (3 runs), 2.13 (7 runs)``.
    """
    parts = [_named(field, counts) for field, (counts,) in environment_differences(environments).items()]
    return f"mixed environment: {'; '.join(parts)}" if parts else ""


def different(mine: Iterable[Environment], others: Iterable[Environment]) -> str:
    """Return what differs between two groups that are compared, ``""`` when nothing does.

    For example ``different environment: CPU instructions AVX2 against AVX512``.
    """
    parts = [
        f"{FIELDS[field]} {' | '.join(sorted(one))} against {' | '.join(sorted(other))}"
        for field, (one, other) in environment_differences(mine, others).items()
    ]
    return f"different environment: {'; '.join(parts)}" if parts else ""


def _named(field: str, counts: Counter[str]) -> str:
    values = (f"{value} ({n} run{'s' if n > 1 else ''})" for value, n in sorted(counts.items()))
    return f"{FIELDS[field]} {', '.join(values)}"


def _fields(environment: Environment) -> dict[str, str]:
    """Return the fields as text; a CPU apart from its instructions, which stand behind it in brackets."""
    found = {field: str(environment[field]) for field in FIELDS if environment.get(field) is not None}
    name, _, instructions = found.get("device", "").removesuffix(")").rpartition(" (")
    if name and found.get("device_type") == "cpu":
        found |= {"device": name, "instructions": instructions}
    return found
