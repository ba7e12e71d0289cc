"""Which runs were judged: the rule that a session's exit code keeps, as a pure function of its ledger.

Every group that was trained or read in a session is judged on all its planned seeds by at least one gate that
passed with a verdict: as the gate's subject, or, if it only came along for ``against``, as its comparator.
"""

from __future__ import annotations

from collections.abc import Sequence

from stabbench.pytest_plugin.ledger import BASELINE, GATE, RUN, Ledger, Plan, Story
from stabbench.pytest_plugin.options import Settings

RUNS_ONLY = "stab_run"
"""The mark expression that asks for training alone."""


def never_reported(ledger: Ledger) -> list[str]:
    """Return a line that names runs and gates that never reported their end, if there are any."""
    missing = ledger.missing
    if not missing:
        return []
    count = "1 planned item" if len(missing) == 1 else f"{len(missing)} planned items"
    return [f"{count} never reported the end, the session fails: {_few(missing)}; run the same command again"]


def reasons(ledger: Ledger, settings: Settings, marks: str) -> list[str]:
    """Return why the session must not be green, a line each.

    Args:
        ledger: what was planned and reported.
        settings: the session's.
        marks: its mark expression (``-m``).
    """
    found = never_reported(ledger)
    failed = [story.nodeid for story in ledger.ours if story.failed]
    if failed:
        found.append(f"{_few(failed)} failed, so the session does, whatever a conftest makes of it")
    aside = sorted(ledger.gave_fail - set(failed))
    if aside:
        found.append(f"{_few(aside)} gave FAIL, so the session fails, whatever became of the gate")
    mended = [story.nodeid for story in ledger.ours if story.mended or _is_unsure(story, settings)]
    if mended:
        found.append(
            f"{_few(mended)} failed or gave INCONCLUSIVE, yet was reported as passed; mend what changes it"
        )
    if found:
        return found
    if settings.plan.shard is not None:
        return _lacking(ledger, f"share {_share(settings)} is not complete: ", "run all of the share's runs")
    if marks.strip() == RUNS_ONLY:
        return _lacking(ledger, "not all was trained: ", "let no conftest skip runs", selected=True)
    return [
        *_untouched(ledger),
        *(_unjudged(plan, ledger) for plan in _open(ledger, settings)),
        *_unused_baseline(ledger, settings),
    ]


def remarks(ledger: Ledger, settings: Settings, marks: str) -> list[str]:
    """Return what was not judged because the session was asked to leave it so, a line each."""
    names = _few(sorted({plan.name for plan in _plans(ledger)}))
    if settings.plan.shard is not None:
        return [f"share {_share(settings)} is trained, not judged: {names}; `stabbench merge`, then judge"]
    if not names:
        return []
    if marks.strip() == RUNS_ONLY:
        return [f"trained, not judged: {names}; the same command without -m stab_run judges"]
    unsure = [story.nodeid for story in ledger.ours if "INCONCLUSIVE" in story.outcomes_of_verdicts]
    if unsure and settings.inconclusive != "fail":
        return [f"INCONCLUSIVE, which --stab-inconclusive {settings.inconclusive} lets pass: {_few(unsure)}"]
    return []


def _plans(ledger: Ledger) -> dict[Plan, bool]:
    """Return all that was trained or read, and whether it only came along for ``against``."""
    found: dict[Plan, bool] = {}
    for story in ledger.ours:
        for plan, came_along in story.plans:
            found[plan] = found.get(plan, True) and came_along
    return found


def _open(ledger: Ledger, settings: Settings) -> list[Plan]:
    """Return what no gate judged."""
    gates = [story for story in ledger.ours if _counts(story, settings)]
    found = []
    for plan, came_along in _plans(ledger).items():
        seeds = [gate.judged.get(plan.group, frozenset()) for gate in gates]
        if came_along:
            seeds += [gate.compared.get(plan.group, frozenset()) for gate in gates]
        if not any(plan.seeds <= judged for judged in seeds):
            found.append(plan)
    return found


def _counts(story: Story, settings: Settings) -> bool:
    """Return whether an item is a gate that judged: it passed, or is INCONCLUSIVE where that may be."""
    given = story.outcomes_of_verdicts
    allowed = {"PASS"} if settings.inconclusive == "fail" else {"PASS", "INCONCLUSIVE"}
    if not given or not given <= allowed:
        return False
    skipped = story.skipped and settings.inconclusive == "skip" and "INCONCLUSIVE" in given
    return skipped or (story.passed and all(gate["held"] for gate in story.values(GATE)))


def _is_unsure(story: Story, settings: Settings) -> bool:
    """Return whether a gate passed although a verdict of its is INCONCLUSIVE."""
    return story.passed and settings.inconclusive == "fail" and "INCONCLUSIVE" in story.outcomes_of_verdicts


def _untouched(ledger: Ledger) -> list[str]:
    """Return a line for each group of which no selected run or gate got so far as to plan it."""
    touched = {plan.ref for plan in _plans(ledger)}
    names = {item.ref: item.name for item in ledger.selected or () if item.ref not in touched}
    return [
        _line(name, _why(_gates(ledger, ref)))
        for ref, name in sorted(names.items(), key=lambda found: found[1])
    ]


def _gates(ledger: Ledger, ref: str, group: str = "") -> list[Story]:
    """Return the gates that were selected for a group, and those that read it to compare."""
    selected = {item.nodeid for item in ledger.selected or () if item.is_gate and item.ref == ref}
    return [
        s
        for s in ledger.ours
        if s.nodeid in selected or (not s.values(RUN) and any(plan.group == group for plan, _ in s.plans))
    ]


def _unjudged(plan: Plan, ledger: Ledger) -> str:
    runs = "1 run" if len(plan.seeds) == 1 else f"{len(plan.seeds)} runs"
    return _line(f"{plan.name} ({runs})", _why(_gates(ledger, plan.ref, plan.group)))


def _line(name: str, why: str) -> str:
    return f"{name} is not judged, the session fails: {why}; run a gate, or use -m stab_run"


def _why(gates: list[Story]) -> str:
    """Return why none of a group's gates judged it."""
    skipped = [story.nodeid for story in gates if story.skipped]
    expected = [story.nodeid for story in gates if story.expected]
    silent = [story.nodeid for story in gates if story.passed and not story.judged]
    if silent:
        return f"{_few(silent)} asked for no verdict"
    if expected:
        return f"{_few(expected)} is marked xfail"
    if skipped:
        return f"{_few(skipped)} was skipped"
    if gates:
        return f"{_few([story.nodeid for story in gates])} judged something else"
    return "no gate ran on it"


def _unused_baseline(ledger: Ledger, settings: Settings) -> list[str]:
    gates = [story for story in ledger.ours if story.values(GATE)]
    used = any(name == BASELINE for story in gates if story.passed for name, _ in story.properties)
    if settings.baseline is None or not gates or used:
        return []
    return [f"no gate passed against the baseline {settings.baseline.stem}, the session fails; write one"]


def _lacking(ledger: Ledger, what: str, action: str, selected: bool = False) -> list[str]:
    """Return a line if runs of a session that only trains have no result.

    Args:
        ledger: what was planned and reported.
        what: how the line begins.
        action: how it ends.
        selected: whether the runs that were selected are all that is wanted.
    """
    runs = [story for story in ledger.ours if not story.values(GATE)]
    done: dict[str, set[int]] = {}
    for run in (run for story in runs for run in story.values(RUN) if "score" in run or run["stopped"]):
        done.setdefault(run["group"], set()).add(run["seed"])
    lacking = [
        f"{plan.name}: {len(done.get(plan.group, ()))} of {len(plan.seeds)} runs"
        for plan in _plans(ledger)
        if not selected and not plan.seeds <= done.get(plan.group, set())
    ]
    touched = {plan.ref for plan in _plans(ledger)}
    lacking += [
        f"{name}: no run" for ref, name in ledger.groups.items() if not selected and ref not in touched
    ]
    lacking += [
        story.nodeid for story in runs if not any("score" in r or r["stopped"] for r in story.values(RUN))
    ]
    return [f"{what}{_few(lacking)}; {action}"] if lacking else []


def _share(settings: Settings) -> str:
    return "/".join(map(str, settings.plan.shard or ()))


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
