"""The table at the end of a session: a row per group, and a line for each gate that did not pass."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tabulate import tabulate

from stabbench import metrics
from stabbench.pytest_plugin.github import append_summary
from stabbench.pytest_plugin.ledger import BASELINE, GATE, RUN
from stabbench.pytest_plugin.options import Settings
from stabbench.pytest_plugin.refs import short_names
from stabbench.requests import RunId
from stabbench.runs import Store
from stabbench.text import shown, terminal, terminal_line

if TYPE_CHECKING:
    from stabbench.samples.stability import Stability
    from stabbench.statistics.evidence import Evidence

PASS = "PASS"
HEADERS = ("strategy", "task", "model", "n", "failed", "mean", "std", "best", "verdict")


def gate_properties(stability: Stability, model_reference: str, held: bool) -> list[tuple[str, object]]:
    """Return what a gate's report carries, as plain scalars (xdist and JUnit take nothing else).

    Args:
        stability: what it judged.
        model_reference: the model as the suite or the command line names it.
        held: whether the gate's function ended well.
    """
    seen = stability.judged  # with more seeds where a gate asked for them
    summary = {
        "strategy": stability.strategy,
        "task": stability.task,
        "model": stability.model,
        "model_reference": model_reference,
        "group": next(iter(stability.records.values())).group,
        "metric": stability.metric.name,
        "better": stability.metric.better,
        "held": held,
        "seeds": list(seen.planned_seeds) if seen.complete else list(seen.records),
        "planned": seen.planned,
        "finished": seen.finished,
        "failed": seen.failed,
        "mean": seen.mean if seen.complete else None,  # those of a stopped grid are biased
        "std": seen.std if seen.complete and seen.planned > 1 else None,
        "best": seen.best if seen.complete else None,
        "stopped_early": seen.stopped_early,
        "environments": [note for verdict in stability.verdicts for note in verdict.environments],
        "verdicts": [[str(v.outcome), v.summary] for v in stability.verdicts],
        "advice": [_advice(v.evidence) for v in stability.verdicts],
    }
    found: list[tuple[str, object]] = [(GATE, json.dumps(summary))]
    for verdict in stability.verdicts:
        evidence = verdict.evidence.to_json()
        details = evidence.pop("details")
        found += [
            (shown(f"{verdict.evidence.gate}.{name}"), shown(value) if isinstance(value, str) else value)
            for name, value in {**evidence, **details}.items()
            if name != "gate" and isinstance(value, str | int | float)
        ]
    return found


def _advice(evidence: Evidence) -> list[Any]:
    """Return how many seeds would decide, and how likely PASS and FAIL are with them, as far as is known."""
    chances = [evidence.details.get(name) for name in ("chance_of_pass", "chance_of_fail")]
    return [evidence.seeds_needed, *chances]


class Summary:
    """Collects what the reports of runs and gates carry."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.compared: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[RunId, dict[str, Any]]] = {}
        self.verdicts: dict[str, list[list[str]]] = {}
        self.advice: dict[str, list[list[Any]]] = {}
        self.notes: dict[str, list[str]] = {}
        self.incomplete: set[str] = set()
        self.problems: list[str] = []

    def add(self, properties: Iterable[tuple[str, object]]) -> None:
        """Read what the last report of an item carries."""
        for name, value in properties:
            if name == RUN:
                run = json.loads(str(value))
                self.runs.setdefault(run["group"], {})[run["seed"], run["replicate"]] = run
                if run["problem"]:
                    self.problems.append(run["problem"])
            elif name == GATE:
                gate = json.loads(str(value))
                self.rows[gate["group"]] = gate
                self.verdicts.setdefault(gate["group"], []).extend(gate["verdicts"])
                self.advice.setdefault(gate["group"], []).extend(gate["advice"])
                self.notes.setdefault(gate["group"], []).extend(gate["environments"])
            elif name == BASELINE:
                self.compared.add(str(value))

    def write(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table."""
        for problem in self.problems:
            terminalreporter.write_line(terminal(f"stabbench: {problem}"), yellow=True)
        models = self.models()
        rows = sorted(self.row(group, model) for group, model in models.items())
        if not rows:
            return
        headers = list(HEADERS)
        self.config.hook.pytest_stab_table(config=self.config, headers=headers, rows=rows)
        terminalreporter.section("fine-tuning stability")
        cells, heads = [list(map(shown, row)) for row in rows], list(map(shown, headers))
        lines = tabulate(cells, headers=heads, tablefmt="simple", disable_numparse=True)
        terminalreporter.write_line(terminal(lines))
        remarks = self.remarks()
        for remark in remarks:
            terminalreporter.write_line(terminal_line(remark))
        append_summary(headers, rows, remarks)

    def models(self) -> dict[str, str]:
        """Return what to call the model of each group: its name, or more of it where models share one."""
        firsts = {
            group: self.rows.get(group) or next(iter(self.runs[group].values()))
            for group in dict.fromkeys((*self.rows, *self.runs))
        }
        bearers: dict[str, set[str]] = {}
        for first in firsts.values():
            bearers.setdefault(first["model"], set()).add(first["model_reference"])
        short = {name: short_names(references) for name, references in bearers.items()}
        return {
            group: short[first["model"]][first["model_reference"]]
            if len(bearers[first["model"]]) > 1
            else first["model"]
            for group, first in firsts.items()
        }

    def remarks(self) -> list[str]:
        """Return what did not pass, what would decide it, and how the baseline was used."""
        models = self.models()
        found = self.seeds() + self.environments()
        for group, verdicts in self.verdicts.items():
            row = self.rows[group]
            where = f" with {models[group]}" if len(set(models.values())) > 1 else ""
            bad = [
                (f"{row['strategy']} on {row['task']}{where}: {text}", advice)
                for (outcome, text), advice in zip(verdicts, self.advice[group], strict=True)
                if outcome != PASS
            ]
            for line, (seeds, passes, fails) in bad:
                found.append(line)
                if passes is not None:
                    found.append(f"  with {seeds} seeds: {chances(passes, fails)}, judging by those so far")
            if bad:
                command = "analyse" if self.settings.plan.held else "report"  # reports take whole seeds only
                found.append(f"  what happened: stabbench {command} {group[:12]}{self._store()}")
        if not self.settings.replay:
            found += Store(self.settings.store).eager()
        found += self._to_decide()
        if self.settings.baseline is not None:
            found.append(self._baseline(self.settings.baseline))
        return found

    def _to_decide(self) -> list[str]:
        """Return the command that would decide every gate that more seeds can decide."""
        needed = [seeds for group in self.advice.values() for seeds, *_ in group if seeds is not None]
        if not needed:
            return []
        given = [word for word in self.config.invocation_params.args if word != "--stab-replay"]
        words = ["pytest", *map(str, given), "--stab-more-seeds", str(max(needed))]
        return [f"to decide: {shlex.join(words)}"]

    def seeds(self) -> list[str]:
        """Return which random streams were held, and whether same-seed replicates were identical."""
        plan, found = self.settings.plan, []
        if plan.held:
            found.append(
                f"seeds vary {', '.join(plan.streams)}; {', '.join(plan.held)} held at seed {plan.held_seed}"
            )
        if plan.replicates > 1:
            found.append(replicates_line(run for runs in self.runs.values() for run in runs.values()))
        return found

    def environments(self) -> list[str]:
        """Return what differs between environments, within groups and between those compared."""
        from stabbench.samples.environment import mixed

        found: dict[str, None] = {}
        for group in self.models():
            runs = list(self.runs.get(group, {}).values())
            names = self.rows.get(group) or runs[0]
            notes = self.notes.get(group)
            if notes is None:
                notes = [mixed(run["environment"] for run in runs if "environment" in run)]
            found |= {f"{names['strategy']} on {names['task']}: {note}": None for note in notes if note}
        return list(found)

    def _store(self) -> str:
        """Return the option that names the session's store, unless it is the default."""
        store = self.settings.store
        if store == Path(".stabbench").resolve():
            return ""
        return f" --store {shlex.quote(os.path.relpath(store))}"

    def _baseline(self, place: Path) -> str:
        from stabbench.samples.baselines import read_baseline  # with SciPy: not before it is needed

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

    def row(self, group: str, model: str) -> list[str]:
        """Return the cells of a group, from its gates, or from its runs where no gate ran."""
        gate = self.rows.get(group)
        if gate is not None:
            from stabbench.statistics.evidence import Outcome, overall  # with SciPy

            outcomes = [Outcome(outcome) for outcome, _ in self.verdicts[group]]
            verdict = str(overall(outcomes)) if outcomes else "no gate"
            counts = (gate["finished"], gate["planned"], gate["failed"])
            scores = (gate["mean"], gate["std"], gate["best"])
            return _cells({**gate, "model": model}, counts, scores, verdict)
        names = next(iter(self.runs[group].values()))
        runs = [run for (_, replicate), run in self.runs[group].items() if replicate == 0]
        found = [run["score"] for run in runs if "score" in run]
        failed = sum(run.get("failed", False) for run in runs)
        std = float(np.std(found, ddof=1)) if len(found) > 1 else None
        metric = metrics.named(names["metric"], names["better"])
        scores = (float(np.mean(found)), std, metric.best(found)) if found else (None, None, None)
        verdict = "no gate" if len(found) == len(runs) else "ERROR"
        return _cells({**names, "model": model}, (len(found), len(runs), failed), scores, verdict)


def chances(passes: float, fails: float) -> str:
    """Return the probabilities of the verdicts as percentages."""
    return f"PASS {passes:.0%}, FAIL {fails:.0%}, else INCONCLUSIVE".replace("%", " %")


def replicates_line(runs: Iterable[Mapping[str, Any]]) -> str:
    """Return whether the runs of one seed gave the same, bit by bit: scores, logits, losses and norms."""
    results: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        if "result" in run:
            seed = f"{run['strategy']} on {run['task']} with {run['model']}, seed {run['seed']}"
            results.setdefault((run["group"], seed), []).append(run["result"])
    repeated = {seed: found for seed, found in results.items() if len(found) > 1}
    differing = [seed for (_, seed), found in repeated.items() if len(set(found)) > 1]
    if not repeated:
        return "replicates: no seed has two finished runs"
    if not differing:
        return f"replicates: bit-identical for all {len(repeated)} seeds that ran more than once"
    return (
        f"replicates: {len(differing)} of {len(repeated)} seeds did not repeat, so not all of the spread is "
        f"theirs: {'; '.join(differing[:3])}" + ("; ..." if len(differing) > 3 else "")
    )


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
