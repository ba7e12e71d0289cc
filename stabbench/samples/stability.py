"""What a gate sees: the scores of one group of runs, and three-valued verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from stabbench import metrics, statistics
from stabbench.errors import StabbenchError
from stabbench.metrics import Metric
from stabbench.runs import Checkpoint, ErrorNote, RunRecord
from stabbench.samples.comparison import check_comparable, differences, listed
from stabbench.samples.failed import is_collapsed, is_failed, judged_score
from stabbench.samples.verdict import Verdict, collapse_gate, is_certain_to_fail, stopped_failures
from stabbench.statistics import Evidence, Outcome, Sample

__all__ = ["Incomplete", "Stability"]

Scope = Literal["success", "all"]


class Incomplete(StabbenchError):
    """A group lacks runs, so no gate may judge it."""


@dataclass
class Stability:
    """The sample of one task, model and strategy over seeds.

    No run is ever dropped silently: while one is missing or errored, every score and every gate raises
    ``Incomplete``. A diverged run scores as the constant predictor. ``docs/statistics.md`` says what each
    gate promises.

    Attributes:
        task: name of the task.
        model: name of the model.
        strategy: label of the strategy.
        planned_seeds: the seeds that were planned.
        records: the finished runs by seed.
        errored: why runs errored, by seed.
        checkpoint: whether the last or the best checkpoint of each run is judged.
        verdicts: every verdict that was asked for, in order.
        stopped_early: whether the missing seeds were left out because a verdict was certain without them;
            then ``few_failures`` alone may judge.
        more: computes more seeds and returns the larger sample. With it a gate has two looks, each at half
            its alpha (Bonferroni): at the planned seeds and, if these are INCONCLUSIVE, at all of them.
        looks: how many looks a gate has in all.
        judged: the sample of the last look: this one, or the larger one.
    """

    task: str
    model: str
    strategy: str
    planned_seeds: tuple[int, ...]
    records: Mapping[int, RunRecord]
    errored: Mapping[int, ErrorNote] = field(default_factory=dict)
    checkpoint: Checkpoint = "last"
    verdicts: list[Verdict] = field(default_factory=list)
    stopped_early: bool = False
    more: Callable[[], Stability] | None = field(default=None, repr=False)
    looks: int = 1
    judged: Stability = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.judged = self

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
            StabbenchError: when there are none, a seed comes twice or unplanned, or they are of several
                groups.
        """
        found = sorted(records, key=lambda record: record.seed)
        groups = {record.group for record in found}
        if len(groups) != 1:
            raise StabbenchError(
                f"{len(found)} records of {len(groups)} groups are no sample.", "select one group's records."
            )
        by_seed = {record.seed: record for record in found}
        if len(by_seed) != len(found):
            raise StabbenchError("a seed comes twice in a sample.", "select one record per seed.")
        first = found[0]
        seeds = tuple(by_seed) if planned_seeds is None else tuple(planned_seeds)
        surplus = sorted(by_seed.keys() - set(seeds))
        if surplus:
            raise StabbenchError(f"seed {surplus[0]} was not planned.", "plan every seed that has a record.")
        return cls(first.task, first.model, first.strategy, seeds, by_seed, checkpoint=checkpoint)

    def __str__(self) -> str:
        return f"{self.strategy}-{self.task}-{self.model}"

    def __repr__(self) -> str:
        """Return a line: what people see in a notebook and in pytest's failures."""
        return f"<{self}: {self.finished} of {self.planned} runs>"

    @property
    def metric(self) -> Metric:
        """What the runs are scored by."""
        first = next(iter(self.records.values()))
        return metrics.named(first.metric, first.better)

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

    @property
    def runs(self) -> list[RunRecord]:
        """The finished runs in the order of the planned seeds."""
        return [self.records[seed] for seed in self.planned_seeds if seed in self.records]

    def check_complete(self) -> None:
        """Raise ``Incomplete`` unless every planned run has a record."""
        if self.complete:
            return
        parts = [f"{self.finished} of {self.planned} runs of {self.strategy} on {self.task} have a score."]
        for seed, note in sorted(self.errored.items()):
            parts.append(f"seed {seed} errored ({note.kind}): {note.message.splitlines()[0]}")
        never = [str(seed) for seed in self.missing_seeds if seed not in self.errored]
        if never:
            why = " (stopped early, since few_failures was certain)" if self.stopped_early else ""
            parts.append(f"not run{why}: seed {', '.join(never)}")
        raise Incomplete("\n  ".join(parts), "run them (the same command again computes what is missing).")

    @cached_property
    def sample(self) -> Sample:
        """Scores, failed flags and seeds as the statistics take them.

        Raises:
            Incomplete: when a planned run has no record.
        """
        self.check_complete()
        return Sample.of(
            [judged_score(run, self.checkpoint).value for run in self.runs],
            [is_failed(run, self.checkpoint) for run in self.runs],
            list(self.planned_seeds),
            self.metric.sign,
        )

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores, in the order of the planned seeds; a diverged run has the constant classifier's."""
        return tuple(map(self.sample.measured, self.sample.scores))

    @property
    def failed(self) -> int:
        """Number of failed runs among the finished ones."""
        return len(self.failed_seeds)

    @property
    def failed_seeds(self) -> tuple[int, ...]:
        """Seeds of the failed runs."""
        return tuple(s for s, record in sorted(self.records.items()) if is_failed(record, self.checkpoint))

    @property
    def mean(self) -> float:
        """Mean score of all runs."""
        return self.sample.measured(self.sample.scores.mean())

    @property
    def median(self) -> float:
        """Median score of all runs."""
        return self.sample.measured(float(np.median(self.sample.scores)))

    @property
    def std(self) -> float:
        """Standard deviation of all runs (ddof = 1); NaN with fewer than two."""
        return statistics.std(self.sample.scores) if self.sample.n > 1 else float("nan")

    @property
    def std_of_successes(self) -> float:
        """Standard deviation of the runs that did not fail (ddof = 1); NaN with fewer than two."""
        found = self.sample.successes
        return statistics.std(found) if len(found) > 1 else float("nan")

    @property
    def best(self) -> float:
        """Best score: the highest, or the lowest where lower is better."""
        return self.sample.measured(self.sample.scores.max())

    @property
    def max(self) -> float:
        """Highest score, whichever way is better."""
        return max(self.scores)

    def expected_best(self, tries: int) -> float:
        """Expected best score of ``tries`` runs (unbiased U-statistic; ``tries`` at most the runs)."""
        return self.sample.measured(statistics.expected_max(self.sample.scores, tries))

    def few_failures(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds fails (exact binomial bounds, each at alpha)."""
        return self._judge(alpha, lambda s, level: s._failures(at_most, level))

    def close_scores(self, within: float, alpha: float = 0.05, scope: Scope = "success") -> Verdict:
        """Judge whether the standard deviation of the scores is at most ``within``, in their units.

        Args:
            within: the largest acceptable standard deviation.
            alpha: level of each side.
            scope: ``success`` judges the successful runs, ``all`` every run, as the paper does; the
                latter passes only when ``few_failures`` has passed before.
        """
        failures = next((v.evidence for v in self.verdicts if v.evidence.gate == "failures"), None)
        return self._judge(
            alpha, lambda s, level: statistics.spread_gate(s.sample, within, level, scope, failures)
        )

    def good_mean(
        self,
        at_least: float | None = None,
        alpha: float = 0.05,
        scope: Scope = "success",
        *,
        at_most: float | None = None,
    ) -> Verdict:
        """Judge whether the mean score is good enough (one-sided t bounds, each at alpha).

        Args:
            at_least: the worst acceptable mean of a metric of which higher is better.
            alpha: level of each side.
            scope: ``success`` judges the successful runs, ``all`` every run.
            at_most: the worst acceptable mean of a metric of which lower is better, such as a loss.

        Raises:
            StabbenchError: when the bound of the other direction is given, or none.
        """
        name, wanted, other = "at_least", at_least, at_most
        if self.metric.better == "lower":
            name, wanted, other = "at_most", at_most, at_least
        if wanted is None or other is not None:
            raise StabbenchError(
                f"of {self.metric.name} the {self.metric.better} score is better, so good_mean takes {name}.",
                f"write good_mean({name}=...).",
            )
        return self._judge(alpha, lambda s, level: statistics.mean_gate(s.sample, wanted, level, scope))

    def few_collapses(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds collapses, be they failed runs by their score or not.

        A run collapsed when it predicts one class for nearly the whole dev set, or when its training loss
        stayed at the entropy of the labels; a failed run counts too. A run whose record has neither
        predictions nor losses might have collapsed, so it stands in the way of PASS but not of FAIL.
        """
        return self._judge(alpha, lambda s, level: s._collapses(at_most, level))

    def steadier_than(self, other: Stability, alpha: float = 0.05) -> Verdict:
        """Judge whether this strategy is steadier than another: failures and spread of the successes.

        Raises:
            StabbenchError: when the two were not scored on the same data with the same metric.
        """
        self.check_complete()
        other.check_complete()
        check_comparable(self.runs, other.runs, model=False)
        same = self.model == other.model
        names = (self.strategy, other.strategy) if same else (str(self), str(other))

        def gate(mine: Stability, level: float) -> Evidence:
            theirs = other.more() if mine is not self and other.more else other
            return statistics.steadier_gate(mine.sample, theirs.sample, level, names)

        return self._judge(alpha, gate)

    def no_regression(self, baseline: Stability, drop: float | None = None, alpha: float = 0.05) -> Verdict:
        """Judge whether this sample is no worse than a baseline's in failures, spread and mean.

        Another recipe or strategy source is what a regression is made of: it is judged, and the evidence
        names what differs.

        Args:
            baseline: the stored sample, of 25 runs or more (``stabbench.samples.baselines``).
            drop: how much worse the mean may be, in the units of the scores; default: the baseline's
                standard deviation.
            alpha: level of a false FAIL.

        Raises:
            StabbenchError: when task data, split, metric or model differ; it names the fields.
        """
        self.check_complete()
        baseline.check_complete()
        check_comparable(baseline.runs, self.runs)
        changed = listed(differences(baseline.runs, self.runs)) or "nothing"

        def gate(mine: Stability, level: float) -> Evidence:
            found = statistics.regression_gate(mine.sample, baseline.sample, level, drop)
            reason = f"{found.reason}; changed since the baseline: {changed}"
            return replace(found, reason=reason, details={**found.details, "changed": changed})

        return self._judge(alpha, gate)

    def judge(self, gate: Callable[[Sample, float], Evidence], alpha: float = 0.05) -> Verdict:
        """Judge by a rule of one's own.

        Args:
            gate: a pure function of the sample (scores oriented so that higher is better) and of the level of
                each side; with ``--stab-more-seeds`` it is asked again with more seeds.
            alpha: its level, divided among the looks.
        """
        return self._judge(alpha, lambda s, level: gate(s.sample, level))

    def is_certain_to_fail(self, at_most: float, alpha: float = 0.05) -> bool:
        """Return whether ``few_failures`` must FAIL whatever the seeds give that have not run yet."""
        level = statistics.look_alpha(alpha, self.looks)
        return is_certain_to_fail(self._failed_flags(), self.planned, at_most, level)

    @property
    def verdict(self) -> Outcome:
        """The verdict of all gates so far: FAIL if any, PASS if all, else INCONCLUSIVE."""
        return statistics.overall(verdict.outcome for verdict in self.verdicts)

    def _judge(self, alpha: float, gate: Callable[[Stability, float], Evidence]) -> Verdict:
        level, look = statistics.look_alpha(alpha, self.looks), 1
        evidence = gate(self, level)
        if evidence.outcome is Outcome.INCONCLUSIVE and self.more is not None:
            self.judged, look = self.more(), 2
            evidence = gate(self.judged, level)
        if self.looks > 1:
            reason = f"{evidence.reason} (look {look} of {self.looks}, each at alpha {level:g})"
            evidence = replace(evidence, reason=reason, details={**evidence.details, "look": look})
        verdict = Verdict(evidence)
        self.verdicts.append(verdict)
        return verdict

    def _failures(self, at_most: float, alpha: float) -> Evidence:
        if self.stopped_early and not self.errored:
            evidence = stopped_failures(self._failed_flags(), self.planned, at_most, alpha)
            if evidence is not None:
                return evidence
        return statistics.failures_gate(self.sample, at_most, alpha)

    def _collapses(self, at_most: float, alpha: float) -> Evidence:
        sample = self.sample
        flags = [
            True if failed else is_collapsed(run, self.checkpoint)
            for run, failed in zip(self.runs, sample.failed, strict=True)
        ]
        return collapse_gate(sample, flags, at_most, alpha)

    def _failed_flags(self) -> list[bool]:
        return [is_failed(run, self.checkpoint) for run in self.runs]
