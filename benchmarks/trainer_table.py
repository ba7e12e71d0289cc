"""Measuring in turn, and the tables of what was measured.

Rounds are fixed beforehand. In each, every contestant is measured once, in a process of its own; who comes
first goes round. A ratio is one of medians, its interval the 95 % of a bootstrap over whole rounds: what
is measured side by side stays together, since machines have slow and fast minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate
from trainer_cases import Case

RESAMPLES = 10_000
CHILD = Path(__file__).with_name("trainer_contestants.py")


@dataclass(frozen=True)
class Entry:
    """One of those that are compared.

    Attributes:
        name: what tables call it.
        contestant: who trains, see ``trainer_contestants.CONTESTANTS``.
        strategy: what trains.
    """

    name: str
    contestant: str = "ours"
    strategy: str = "ours"


def in_turn(
    case: Case, entries: Sequence[Entry], rounds: int, device: str = "cpu", threads: int = 1
) -> list[dict[str, Any]]:
    """Measure some contestants on a case, each once in a round, and return a row for each measurement.

    Raises:
        SystemExit: when one of them ends with an error, which is shown.
    """
    rows = []
    for number in range(rounds):
        first = number % len(entries)
        for entry in (*entries[first:], *entries[:first]):
            found = _measured(case, entry, device, threads)
            rows.append({"case": case.name, "name": entry.name, "round": number, **found})
            print(f"{case.name}: round {number + 1} of {rounds}, {entry.name} {found['ms']:.2f} ms a step")
            sys.stdout.flush()
    return rows


def _measured(case: Case, entry: Entry, device: str, threads: int) -> dict[str, Any]:
    job = {"case": asdict(case), "contestant": entry.contestant, "strategy": entry.strategy}
    command = [sys.executable, str(CHILD), json.dumps({**job, "device": device, "threads": threads})]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{case.name}: {entry.name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def times_of(rows: Iterable[dict[str, Any]], case: str) -> dict[str, np.ndarray]:
    """Return the milliseconds of each contestant of a case, [rounds], in the order of the rounds."""
    own = sorted((row for row in rows if row["case"] == case), key=lambda row: row["round"])
    names = dict.fromkeys(row["name"] for row in own)
    return {name: np.array([row["ms"] for row in own if row["name"] == name]) for name in names}


def ratio(over: np.ndarray, under: np.ndarray) -> tuple[float, float, float]:
    """Return the ratio of two medians with its bootstrap interval (95 %), paired by round.

    Args:
        over: times [rounds].
        under: times [rounds] that they are divided by.
    """
    chosen = np.random.default_rng(0).integers(len(over), size=(RESAMPLES, len(over)))
    drawn = np.median(over[chosen], axis=1) / np.median(under[chosen], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(np.median(over) / np.median(under)), float(low), float(high)


def table(rows: list[dict[str, Any]], reference: str) -> str:
    """Return a Markdown table: a row for each case and contestant, compared with a reference.

    Args:
        rows: as ``in_turn`` returns them.
        reference: name of the contestant that the others' times are divided by.
    """
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows):
        times = times_of(rows, case)
        base = times[reference]
        for name, own in times.items():
            line = [case, name, len(own), f"{np.median(own):.2f}"]
            if name == reference:
                lines.append([*line, "", "", ""])
                continue
            found, low, high = ratio(own, base)
            more = f"{np.median(own) - np.median(base):+.2f}"
            lines.append([*line, more, f"{found:.2f}", f"{low:.2f} to {high:.2f}"])
    headers = ["case", "who", "rounds", "ms a step", "more, ms", f"times {reference}", "bootstrap, 95 %"]
    return tabulate(lines, headers, tablefmt="github", disable_numparse=True)


def machine(rows: list[dict[str, Any]]) -> str:
    """Return where all was measured, a line."""
    places = {
        "{device}, {threads} threads, torch {torch}, transformers {transformers}".format(**row["environment"])
        for row in rows
    }
    return "; ".join(sorted(places))


def save(place: Path | None, rows: list[dict[str, Any]]) -> None:
    """Write what was measured as JSON, from which a table can be made again."""
    if place is not None:
        place.write_text(json.dumps(rows, indent=1) + "\n")


def load(places: Iterable[Path]) -> list[dict[str, Any]]:
    """Return what was measured and written, of one or several sittings of different cases."""
    return [row for place in places for row in json.loads(place.read_text())]
