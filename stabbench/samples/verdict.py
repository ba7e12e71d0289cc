"""Verdicts, and the evidence of gates that look at more of a run than its score."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import NamedTuple

import numpy as np

from stabbench import statistics
from stabbench.statistics import Evidence, Outcome, Sample
from stabbench.text import terminal_line

ENVIRONMENTS = ("environment", "other_environment", "environment_against")
"""Details of evidence that name differing environments: in the runs, in those compared with, between both."""


class Asked(NamedTuple):
    """Who asked a verdict for its truth: the code, and its instruction that did."""

    verdict: Verdict
    code: CodeType
    instruction: int


LAST_ASKED: list[Asked] = []
"""The last time that a verdict was asked for its truth, if one was: so that a gate's failing ``assert`` is
known to be about the verdict and not about something else."""


@dataclass(frozen=True)
class Verdict:
    """What a gate says. It is true only when it is PASS, so ``assert stability.few_failures(0.2)`` works."""

    evidence: Evidence

    @property
    def outcome(self) -> Outcome:
        """PASS, FAIL or INCONCLUSIVE."""
        return self.evidence.outcome

    @property
    def summary(self) -> str:
        """One line: outcome, gate, the numbers, and what would decide an INCONCLUSIVE one.

        Names in it are shown as in a terminal; ``evidence.reason`` has them as they are.
        """
        text = f"{self.outcome} {self.evidence.gate}: {self.evidence.reason}"
        if self.outcome is Outcome.INCONCLUSIVE and self.evidence.seeds_needed is not None:
            text += (
                f" (to decide: the same pytest command with --stab-more-seeds {self.evidence.seeds_needed})"
            )
        return terminal_line("; ".join((text, *self.environments)))

    @property
    def environments(self) -> list[str]:
        """What differs between the environments of the runs, and of those that they were compared with."""
        return [str(note) for name, note in self.evidence.details.items() if name in ENVIRONMENTS]

    def __bool__(self) -> bool:
        frame = sys._getframe(1)
        LAST_ASKED[:] = [Asked(self, frame.f_code, frame.f_lasti)]
        return self.outcome is Outcome.PASS

    def __repr__(self) -> str:
        return f"<{self.summary}>"


def is_certain_to_fail(failed: Sequence[bool], planned: int, at_most: float, alpha: float = 0.05) -> bool:
    """Return whether the failures gate over ``planned`` runs must FAIL, whatever the missing ones give.

    Deterministic curtailment: more runs can only add failures, so the verdict is that of the whole grid, in
    any order of the seeds and at no cost in error rate.

    Args:
        failed: whether each finished run failed.
        planned: number of runs of the whole grid.
        at_most: the gate's allowance.
        alpha: the gate's level.
    """
    rule = statistics.failures_rule(planned, at_most, alpha)
    stop = statistics.failures_stop(failed, rule)
    return stop is not None and stop.outcome is Outcome.FAIL


def stopped_failures(failed: Sequence[bool], planned: int, at_most: float, alpha: float) -> Evidence | None:
    """Return the evidence of a failures gate whose grid was stopped, or ``None`` if it is not certain.

    There are no bounds: the counts of a grid that was stopped because of them are biased.
    """
    if not is_certain_to_fail(failed, planned, at_most, alpha):
        return None
    k, n = sum(failed), len(failed)
    enough = statistics.failures_limits(planned, at_most, alpha)[1]
    reason = (
        f"{k} of the first {n} runs failed, {enough} of {planned} are enough to exceed {at_most:.1%}: "
        f"stopped early, {planned - n} seeds not run"
    )
    details = {
        "n": n,
        "failed": k,
        "planned": planned,
        "at_most": at_most,
        "alpha": alpha,
        "fail_if_at_least": enough,
        "stopped_early": True,
    }
    return Evidence("failures", Outcome.FAIL, reason, "share of runs that failed", details=details)


def collapse_gate(
    sample: Sample, collapsed: Sequence[bool | None], at_most: float, alpha: float = 0.05
) -> Evidence:
    """Do at most a share of all seeds collapse? Bounds as for failed runs.

    Args:
        sample: the runs.
        collapsed: whether each run collapsed or failed; ``None`` where its record cannot tell, which stands
            in the way of PASS (it might have) and of FAIL (it might not).
        at_most: the allowance.
        alpha: level of each side.
    """
    unknown = np.array([flag is None for flag in collapsed], bool)
    why = f"{unknown.sum()} of {sample.n} records have neither predictions nor training losses"
    flags = np.array([flag is True for flag in collapsed], bool)
    counted = statistics.Counted("collapses", "collapsed", flags, unknown, why, all_is_fail=True)
    return statistics.share_gate(sample, counted, at_most, alpha)
