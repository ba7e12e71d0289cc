"""The scores of one group of runs over its seeds, complete or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from stabbench import metrics, statistics
from stabbench.errors import StabbenchError
from stabbench.metrics import Metric
from stabbench.runs import Checkpoint, ErrorNote, RunRecord
from stabbench.samples.failed import has_learned, is_failed, judged_score
from stabbench.statistics import Sample
from stabbench.text import shown


class Incomplete(StabbenchError):
    """A group lacks runs, so no gate may judge it."""


@dataclass(repr=False)
class Scores:
    """The runs of one task, model and strategy over seeds, and their scores.

    No run is ever dropped silently: while one is missing or errored, every score raises ``Incomplete``. A
    diverged run scores as the constant predictor.

    Attributes:
        task: name of the task.
        model: name of the model.
        strategy: label of the strategy.
        planned_seeds: the seeds that were planned.
        records: the finished runs by seed.
        errored: why runs errored, by seed.
        checkpoint: whether the last or the best checkpoint of each run is judged.
        stopped_early: whether the missing seeds were left out because a verdict was certain without them.
    """

    task: str
    model: str
    strategy: str
    planned_seeds: tuple[int, ...]
    records: Mapping[int, RunRecord]
    errored: Mapping[int, ErrorNote] = field(default_factory=dict)
    checkpoint: Checkpoint = "last"
    stopped_early: bool = False

    @classmethod
    def from_records(
        cls,
        records: Iterable[RunRecord],
        planned_seeds: Sequence[int] | None = None,
        checkpoint: Checkpoint = "last",
    ) -> Self:
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
        return shown(f"<{self}: {self.finished} of {self.planned} runs>")

    @property
    def metric(self) -> Metric:
        """What the runs are scored by.

        Raises:
            Incomplete: when no run has a record.
        """
        if not self.records:
            self.check_complete()
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
            parts.append(f"seed {seed} errored ({note.kind}): {note.headline}")
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
            learned=[has_learned(run, self.checkpoint) for run in self.runs],
            scale=self.metric.scale,
            range=self.metric.range,
            constant=self.runs[0].constant,
        )

    @property
    def scores(self) -> tuple[float, ...]:
        """The scores, in the order of the planned seeds; a diverged run has the constant classifier's."""
        return tuple(map(self.sample.measured, self.sample.scores))

    @property
    def failed(self) -> int:
        """Number of failed runs among the finished ones."""
        return len(self.failed_seeds)

    @cached_property
    def failed_seeds(self) -> tuple[int, ...]:
        """Seeds of the failed runs."""
        return tuple(s for s, record in sorted(self.records.items()) if is_failed(record, self.checkpoint))

    @property
    def at_chance(self) -> int:
        """Number of runs that are not known to have learned anything, failed ones included."""
        return self.sample.n_at_chance

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
    def std_of_learned(self) -> float:
        """Standard deviation of the runs that learned something (ddof = 1); NaN with fewer than two."""
        found = self.sample.learned_scores
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
