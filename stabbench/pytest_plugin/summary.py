"""The table at the end of a session: a row per group, and a line for each gate that did not pass."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tabulate import tabulate

from stabbench import metrics
from stabbench.pytest_plugin.github import append_summary
from stabbench.pytest_plugin.options import Settings

if TYPE_CHECKING:
    from stabbench.samples.stability import Stability

PASS = "PASS"
HEADERS = ("strategy", "task", "model", "n", "failed", "mean", "std", "best", "verdict")


def gate_properties(stability: Stability) -> list[tuple[str, object]]:
    """Return what a gate's report carries, as plain scalars (xdist and JUnit take nothing else)."""
    seen = stability.judged  # with more seeds where a gate asked for them
    summary = {
        "strategy": stability.strategy,
        "task": stability.task,
        "model": stability.model,
        "group": next(iter(stability.records.values())).group,
        "metric": stability.metric.name,
        "better": stability.metric.better,
        "planned": seen.planned,
        "finished": seen.finished,
        "failed": seen.failed,
        "mean": seen.mean if seen.complete else None,  # those of a stopped grid are biased
        "std": seen.std if seen.complete and seen.planned > 1 else None,
        "best": seen.best if seen.complete else None,
        "stopped_early": seen.stopped_early,
        "verdicts": [[str(v.outcome), v.summary] for v in stability.verdicts],
    }
    found: list[tuple[str, object]] = [("stabbench_gate", json.dumps(summary))]
    for verdict in stability.verdicts:
        evidence = verdict.evidence.to_json()
        details = evidence.pop("details")
        found += [
            (f"{verdict.evidence.gate}.{name}", value)
            for name, value in {**evidence, **details}.items()
            if name != "gate" and isinstance(value, str | int | float)
        ]
    return found


class Summary:
    """Collects what reports carry, in the controller or the only process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.compared: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[int, dict[str, Any]]] = {}
        self.verdicts: dict[str, list[list[str]]] = {}
        self.incomplete: set[str] = set()
        self.problems: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Read a report's properties."""
        for name, value in report.user_properties:
            if name == "stabbench_run" and report.when == "call":
                run = json.loads(str(value))
                self.runs.setdefault(run["group"], {})[run["seed"]] = run
                if run["problem"]:
                    self.problems.append(run["problem"])
            elif name == "stabbench_gate" and report.when == "call":
                gate = json.loads(str(value))
                self.rows[gate["group"]] = gate
                self.verdicts.setdefault(gate["group"], []).extend(gate["verdicts"])
            elif name == "stabbench_baseline" and report.when == "call":
                self.compared.add(str(value))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Turn a session red that was to judge against a baseline and did not."""
        if self.settings.baseline and self.rows and not self.compared and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        for problem in self.problems:
            terminalreporter.write_line(f"stabbench: {problem}", yellow=True)
        table = [self.row(group) for group in dict.fromkeys((*self.rows, *self.runs))]
        if not table:
            return
        terminalreporter.section("fine-tuning stability")
        lines = tabulate(sorted(table), headers=HEADERS, tablefmt="simple", disable_numparse=True)
        terminalreporter.write_line(lines)
        remarks = self.remarks()
        for remark in remarks:
            terminalreporter.write_line(remark)
        append_summary(HEADERS, sorted(table), remarks)

    def remarks(self) -> list[str]:
        """Return a line for each gate that did not pass, and how the baseline was used."""
        found = []
        for group, verdicts in self.verdicts.items():
            row = self.rows[group]
            bad = [text for outcome, text in verdicts if outcome != PASS]
            found += [f"{row['strategy']} on {row['task']}: {text}" for text in bad]
            if bad:
                found.append(f"  what happened: stabbench report {group[:12]}{self._store()}")
        if self.settings.baseline is not None:
            found.append(self._baseline(self.settings.baseline))
        return found

    def _store(self) -> str:
        """Return the option that names the session's store, unless it is the default."""
        store = self.settings.store
        return "" if store == Path(".stabbench").resolve() else f" --store {os.path.relpath(store)}"

    def _baseline(self, place: Path) -> str:
        from stabbench.samples.baselines import read_baseline  # SciPy takes a second to import

        groups = read_baseline(place).groups()
        unused = [str(group) for group in groups if group.runs[0].group not in self.compared]
        if len(unused) == len(groups):
            return (
                f"baseline {place.stem}: no gate judged against it, so the session fails; "
                "a gate that does takes the fixture `baseline`: assert stability.no_regression(baseline)"
            )
        used = f"{len(groups) - len(unused)} of its {len(groups)} groups"
        rest = f"; no gate used {', '.join(unused)}" if unused else ""
        return f"baseline {place.stem}: judged against {used}{rest}"

    def row(self, group: str) -> list[str]:
        """Return the cells of a group, from its gates, or from its runs where no gate ran."""
        gate = self.rows.get(group)
        if gate is not None:
            from stabbench.statistics.evidence import Outcome, overall  # with SciPy

            outcomes = [Outcome(outcome) for outcome, _ in self.verdicts[group]]
            verdict = str(overall(outcomes)) if outcomes else "no gate"
            counts = (gate["finished"], gate["planned"], gate["failed"])
            scores = (gate["mean"], gate["std"], gate["best"])
            return _cells(gate, counts, scores, verdict)
        runs = list(self.runs[group].values())
        found = [run["score"] for run in runs if "score" in run]
        failed = sum(run.get("failed", False) for run in runs)
        std = float(np.std(found, ddof=1)) if len(found) > 1 else None
        metric = metrics.named(runs[0]["metric"], runs[0]["better"])
        scores = (float(np.mean(found)), std, metric.best(found)) if found else (None, None, None)
        verdict = "no gate" if len(found) == len(runs) else "ERROR"
        return _cells(runs[0], (len(found), len(runs), failed), scores, verdict)


def _cells(
    names: dict[str, Any],
    counts: tuple[int, int, int],
    scores: tuple[float | None, float | None, float | None],
    verdict: str,
) -> list[str]:
    finished, planned, failed = counts
    n = str(planned) if finished == planned else f"{finished} of {planned}"
    if names.get("stopped_early"):
        n += ", stopped early"
    metric = metrics.named(names["metric"], names["better"])
    shown = ["-" if score is None else metric.text(score) for score in scores]
    return [names["strategy"], names["task"], names["model"], n, f"{failed}/{finished}", *shown, verdict]
