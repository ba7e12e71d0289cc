"""What a gate sees: the scores of one group of runs, and three-valued verdicts on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from stabbench import statistics
from stabbench.errors import StabbenchError
from stabbench.runs import Checkpoint, ErrorNote, RunRecord, Score
from stabbench.statistics import Evidence, Outcome, Sample

Scope = Literal["success", "all"]


class Incomplete(StabbenchError):
    """A group lacks runs, so no gate may judge it."""


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
        """One line: outcome, gate, the numbers, and how many seeds would decide an INCONCLUSIVE one."""
        text = f"{self.outcome} {self.evidence.gate}: {self.evidence.reason}"
        if self.outcome is Outcome.INCONCLUSIVE and self.evidence.seeds_needed is not None:
            text += f" (about {self.evidence.seeds_needed} seeds in all would decide)"
        return text

    def __bool__(self) -> bool:
        return self.outcome is Outcome.PASS

    def __repr__(self) -> str:
        return f"<{self.summary}>"


@dataclass
class Stability:
    """The sample of one task, model and strategy over seeds.

    A run counts as failed when it is not better than the best constant classifier on the same dev
    labels, in integer counts (Mosbach et al., 2021, section 3, footnote; statistics in `docs/statistics.md`),
    or when its loss became NaN or infinite. No run is ever dropped silently: while one is missing or
    errored, every score and every gate raises ``Incomplete``.

    Attributes:
        task: name of the task.
        model: name of the model.
        strategy: label of the strategy.
        planned_seeds: the seeds that were planned.
        records: the finished runs by seed.
        errored: why runs errored, by seed.
        checkpoint: whether the last or the best checkpoint of each run is judged.
        verdicts: every verdict that was asked for, in order.
    """

    task: str
    model: str
    strategy: str
    planned_seeds: tuple[int, ...]
    records: Mapping[int, RunRecord]
    errored: Mapping[int, ErrorNote] = field(default_factory=dict)
    checkpoint: Checkpoint = "last"
    verdicts: list[Verdict] = field(default_factory=list)

    @classmethod
    def from_records(
        cls,
        records: Iterable[RunRecord],
        planned_seeds: Sequence[int] | None = None,
        checkpoint: Checkpoint = "last",
    ) -> Stability:
        """Return the sample of some records of one group.

        Args:
            records: at least one; all of one task, model and strategy, one per seed.
            planned_seeds: the seeds that were planned; default: those that are there.
            checkpoint: which checkpoint is judged.

        Raises:
            StabbenchError: when there are none, a seed comes twice, or they are of several groups.
        """
        found = sorted(records, key=lambda record: record.seed)
        groups = {(r.task, r.model, r.strategy, r.group) for r in found}
        if len(groups) != 1:
            raise StabbenchError(
                f"{len(found)} records of {len(groups)} groups are no sample.", "select one group's records."
            )
        by_seed = {record.seed: record for record in found}
        if len(by_seed) != len(found):
            raise StabbenchError("a seed comes twice in a sample.", "select one record per seed.")
        first = found[0]
        seeds = tuple(by_seed) if planned_seeds is None else tuple(planned_seeds)
        return cls(first.task, first.model, first.strategy, seeds, by_seed, checkpoint=checkpoint)

    @property
    def planned(self) -> int:
        """Number of planned runs."""
        return len(self.planned_seeds)

    @property
    def finished(self) -> int:
        """Number of runs with a record."""
        return len(self.records)

    @property
    def missing_seeds(self) -> tuple[int, ...]:
        """Planned seeds without a record."""
        return tuple(seed for seed in self.planned_seeds if seed not in self.records)

    @property
    def complete(self) -> bool:
        """Whether every planned run has a record."""
        return not self.missing_seeds

    def check_complete(self) -> None:
        """Raise ``Incomplete`` unless every planned run has a record."""
        if self.complete:
            return
        parts = [f"{self.finished} of {self.planned} runs of {self.strategy} on {self.task} have a score."]
        for seed, note in sorted(self.errored.items()):
            parts.append(f"seed {seed} errored ({note.kind}): {note.message.splitlines()[0]}")
        never = [str(seed) for seed in self.missing_seeds if seed not in self.errored]
        if never:
            parts.append(f"not run: seed {', '.join(never)}")
        raise Incomplete("\n  ".join(parts), "run them (the same command again computes what is missing).")

    def score_of(self, record: RunRecord) -> Score:
        """Return the score that is judged: the last or the best checkpoint's."""
        return record.last if self.checkpoint == "last" else record.best

    @cached_property
    def sample(self) -> Sample:
        """Scores, failed flags and seeds as the statistics take them.

        Raises:
            Incomplete: when a planned run has no record.
        """
        self.check_complete()
        runs = [self.records[seed] for seed in self.planned_seeds]
        return Sample.of(
            [self.score_of(run).value for run in runs],
            [is_failed(run, self.checkpoint) for run in runs],
            [run.seed for run in runs],
        )

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores, in the order of the planned seeds; a diverged run has the constant classifier's."""
        return tuple(float(score) for score in self.sample.scores)

    @property
    def failed(self) -> int:
        """Number of failed runs among the finished ones."""
        return sum(is_failed(record, self.checkpoint) for record in self.records.values())

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        """Seeds of the failed runs."""
        return tuple(s for s, record in sorted(self.records.items()) if is_failed(record, self.checkpoint))

    @property
    def mean(self) -> float:
        """Mean score of all runs."""
        return float(self.sample.scores.mean())

    @property
    def std(self) -> float:
        """Standard deviation of all runs (ddof = 1); NaN with fewer than two."""
        return float(np.std(self.sample.scores, ddof=1)) if self.sample.n > 1 else float("nan")

    @property
    def std_of_successes(self) -> float:
        """Standard deviation of the runs that did not fail (ddof = 1); NaN with fewer than two."""
        found = self.sample.successes
        return float(np.std(found, ddof=1)) if len(found) > 1 else float("nan")

    @property
    def max(self) -> float:
        """Best score."""
        return float(self.sample.scores.max())

    def expected_max(self, tries: int) -> float:
        """Expected best score of ``tries`` runs (unbiased U-statistic; ``tries`` at most the runs)."""
        return float(statistics.expected_max(self.sample.scores, tries))

    def few_failures(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds fails (exact binomial bounds, each at alpha)."""
        return self._judge(statistics.failures_gate(self.sample, at_most, alpha))

    def close_scores(self, within: float, alpha: float = 0.05, scope: Scope = "success") -> Verdict:
        """Judge whether the standard deviation of the scores is at most ``within``, in their units.

        Args:
            within: the largest acceptable standard deviation.
            alpha: level of each side.
            scope: ``success`` judges the successful runs, ``all`` every run, as the paper does; the
                latter passes only when ``few_failures`` has passed before.
        """
        failures = next((v.evidence for v in self.verdicts if v.evidence.gate == "failures"), None)
        return self._judge(statistics.spread_gate(self.sample, within, alpha, scope, failures))

    def good_mean(self, at_least: float, alpha: float = 0.05, scope: Scope = "success") -> Verdict:
        """Judge whether the mean score is at least ``at_least`` (one-sided t bounds, each at alpha)."""
        return self._judge(statistics.mean_gate(self.sample, at_least, alpha, scope))

    def steadier_than(self, other: Stability, alpha: float = 0.05) -> Verdict:
        """Judge whether this strategy is steadier than another: failures and spread of the successes."""
        return self._judge(statistics.steadier_gate(self.sample, other.sample, alpha))

    def no_regression(self, baseline: Sample, alpha: float = 0.05, drop: float | None = None) -> Verdict:
        """Judge whether this sample is no worse than a baseline's in failures, spread and mean."""
        return self._judge(statistics.regression_gate(self.sample, baseline, alpha, drop))

    def no_collapse(self, share: float = 0.95, at_most: float = 0.2, alpha: float = 0.05) -> Verdict:
        """Judge whether few runs collapsed, be they failed runs by their score or not.

        A run is collapsed when it predicts one class for at least ``share`` of the dev set, or when its
        training loss stayed within 1 % of the label entropy.
        """
        self.check_complete()
        runs = [self.records[seed] for seed in self.planned_seeds]
        collapsed = [is_failed(r, self.checkpoint) or is_collapsed(r, share, self.checkpoint) for r in runs]
        sample = Sample.of(self.sample.scores, collapsed, self.sample.seeds)
        evidence = statistics.failures_gate(sample, at_most, alpha)
        reason = evidence.reason.replace("failed", "collapsed").replace("failure", "collapse")
        return self._judge(
            Evidence(
                **{**vars(evidence), "gate": "collapse", "reason": reason, "statistic": "collapsed runs"}
            )
        )

    def _judge(self, evidence: Evidence) -> Verdict:
        verdict = Verdict(evidence)
        self.verdicts.append(verdict)
        return verdict

    @property
    def verdict(self) -> Outcome:
        """The verdict of all gates so far: FAIL if any, PASS if all, else INCONCLUSIVE."""
        return statistics.overall(verdict.outcome for verdict in self.verdicts)


def is_failed(record: RunRecord, checkpoint: Checkpoint = "last") -> bool:
    """Return whether a run failed: not better than the constant classifier, in integers where known."""
    if record.status == "diverged":
        return True
    score = record.last if checkpoint == "last" else record.best
    if score.confusion is None:
        return bool(statistics.failed_by_score(score.value, record.constant))
    counts = np.asarray(score.confusion)
    if record.metric == "accuracy":
        return bool(statistics.failed_by_accuracy(int(counts.trace()), int(counts.sum(axis=1).max())))
    if len(counts) == 2:
        (tn, fp), (fn, tp) = score.confusion
        if record.metric == "f1":
            return bool(statistics.failed_by_f1(tp, fp, fn, int(counts.sum())))
        return bool(statistics.failed_by_matthews(tp, tn, fp, fn))
    return bool(statistics.failed_by_score(score.value, record.constant))


def is_collapsed(record: RunRecord, share: float, checkpoint: Checkpoint = "last") -> bool:
    """Return whether a run predicts one class almost always or learned only the labels' shares."""
    score = record.last if checkpoint == "last" else record.best
    if score.confusion is not None:
        predicted = np.asarray(score.confusion).sum(axis=0)
        if predicted.max() >= share * predicted.sum():
            return True
    if record.train_loss is None or record.label_entropy is None:
        return False
    return record.train_loss >= 0.99 * record.label_entropy
