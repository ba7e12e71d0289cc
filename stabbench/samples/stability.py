"""What a gate sees: the scores of one group of runs, and three-valued verdicts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from stabbench import statistics
from stabbench.errors import StabbenchError
from stabbench.samples import thresholds
from stabbench.samples.comparison import check_comparable, differences, listed
from stabbench.samples.environment import different, environment_of, mixed
from stabbench.samples.failed import is_collapsed, is_failed
from stabbench.samples.scores import Scores
from stabbench.samples.verdict import (
    ENVIRONMENTS,
    Verdict,
    collapse_gate,
    is_certain_to_fail,
    stopped_failures,
)
from stabbench.statistics import Evidence, Outcome, Sample

Scope = Literal["learned", "all"]


@dataclass(repr=False)
class Stability(Scores):
    """The scores of one group of runs, with the gates that judge them.

    While a run is missing or errored every gate raises ``Incomplete``; of a group that was stopped early
    ``few_failures`` alone may judge. A threshold that would allow everything or nothing is refused before
    anything is judged (``StabbenchError``). ``docs/statistics.md`` says what each gate promises.

    Attributes:
        verdicts: every verdict that was asked for, in order.
        more: computes more seeds and returns the larger sample. With it a gate has two looks, at three
            quarters and at one quarter of its alpha (Bonferroni): at the planned seeds and, if these are
            INCONCLUSIVE, at all of them.
        looks: how many looks a gate has in all.
        judged: the sample of the last look: this one, or the larger one.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    more: Callable[[], Stability] | None = None
    looks: int = 1
    judged: Stability = field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.judged = self

    def few_failures(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds fails (exact binomial bounds, each at alpha)."""
        thresholds.share("at_most", at_most)
        return self._judge(alpha, lambda s, level: s._failures(at_most, level))

    def few_at_chance(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds learns nothing that shows (exact, a side at alpha).

        A run learned something when it did not fail, did not collapse, and is significantly better than the
        constant predictor on the same dev rows. Of an imported run that may be unknown, which stands in the
        way of PASS and of FAIL: import a floor with it.
        """
        thresholds.share("at_most", at_most)
        return self._judge(alpha, lambda s, level: statistics.at_chance_gate(s.sample, at_most, level))

    def few_worse_than(self, floor: float, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds scores worse than a floor (exact, each side at alpha).

        It needs no normal scores: it sees partial collapse, which skews means and deviations.

        Args:
            floor: the worst acceptable score, in the units of the scores; a run that reaches it is good.
            at_most: the largest acceptable share of worse runs.
            alpha: level of each side.
        """
        thresholds.share("at_most", at_most)
        floor = thresholds.score("floor", floor, self.metric)
        return self._judge(alpha, lambda s, level: statistics.floor_gate(s.sample, floor, at_most, level))

    def close_scores(self, within: float, alpha: float = 0.05, scope: Scope = "learned") -> Verdict:
        """Judge whether the standard deviation of the scores is at most ``within``, in their units.

        Args:
            within: the largest acceptable standard deviation.
            alpha: level of each side.
            scope: ``learned`` judges the runs that learned something, ``all`` every run, as the paper does.
                The latter allows for failures too rare to have been seen, so it takes many seeds to pass.
        """
        within = thresholds.deviation("within", within, self.metric)
        return self._judge(alpha, lambda s, level: statistics.spread_gate(s.sample, within, level, scope))

    def good_mean(
        self,
        at_least: float | None = None,
        alpha: float = 0.05,
        scope: Scope = "learned",
        *,
        at_most: float | None = None,
    ) -> Verdict:
        """Judge whether the mean score is good enough (one-sided bounds, each at alpha).

        Args:
            at_least: the worst acceptable mean of a metric of which higher is better.
            alpha: level of each side.
            scope: ``learned`` judges the runs that learned something, ``all`` every run: the latter allows
                for failures too rare to have been seen.
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
        wanted = thresholds.score(name, wanted, self.metric)
        return self._judge(alpha, lambda s, level: statistics.mean_gate(s.sample, wanted, level, scope))

    def few_collapses(self, at_most: float, alpha: float = 0.05) -> Verdict:
        """Judge whether at most a share of all seeds collapses, be they failed runs by their score or not.

        A run collapsed when it predicts one class for nearly the whole dev set, or when its training loss
        stayed at the entropy of the labels; a failed run counts too. A run whose record has neither
        predictions nor losses might have collapsed, so it stands in the way of PASS but not of FAIL.
        """
        thresholds.share("at_most", at_most)
        return self._judge(alpha, lambda s, level: s._collapses(at_most, level))

    def steadier_than(
        self, other: Stability, alpha: float = 0.05, *, lower_mean: float = 0.0, paired: bool | None = None
    ) -> Verdict:
        """Judge whether this strategy is steadier than another: runs at chance, and spread of the others.

        Where the steadier one has a significantly lower mean it is INCONCLUSIVE, and says by how much.

        Args:
            other: the sample that it is compared with.
            alpha: level of each side.
            lower_mean: how much lower the mean of the steadier one may be, in the units of the scores.
            paired: whether runs are compared seed by seed (``docs/paired.md``); default: where both have the
                same seeds, 10 or more.

        Raises:
            StabbenchError: when the two were not scored on the same data with the same metric, or are to be
                paired and have other seeds.
        """
        lower_mean = thresholds.difference("lower_mean", lower_mean, self.metric, zero=True)
        names = _names(self, other)
        return self._against(
            other,
            alpha,
            lambda a, b, level: statistics.steadier_gate(a, b, level, names, lower_mean, paired=paired),
        )

    def as_steady_as(
        self, other: Stability, ratio: float = 1.5, alpha: float = 0.05, *, at_chance_within: float = 0.20
    ) -> Verdict:
        """Judge whether two samples are equally steady, as when a library or a device was swapped.

        PASS says that they are, within both margins; FAIL that they differ by more. Nothing is said of the
        means: ``no_regression`` judges those.

        Args:
            other: the sample that it is compared with.
            ratio: how many times as large one standard deviation of learned runs may be as the other.
            alpha: level of each side.
            at_chance_within: how far the shares of runs at chance may be apart.

        Raises:
            StabbenchError: when the two were not scored on the same data with the same metric.
        """
        ratio = thresholds.ratio("ratio", ratio)
        apart = thresholds.share("at_chance_within", at_chance_within)
        names = _names(self, other)
        return self._against(
            other, alpha, lambda a, b, level: statistics.equivalence_gate(a, b, level, ratio, apart, names)
        )

    def no_regression(
        self,
        baseline: Stability,
        drop: float | None = None,
        alpha: float = 0.05,
        *,
        paired: bool | None = None,
    ) -> Verdict:
        """Judge whether this sample is no worse than a baseline's: runs at chance, spread, mean.

        Another recipe or strategy source is what a regression is made of: it is judged, and the evidence
        names what differs. Another CPU, version or device moves scores too: it is named apart.

        Args:
            baseline: the stored sample, of 25 runs or more (``stabbench.samples.baselines``).
            drop: how much worse the mean may be, in the units of the scores; default: the baseline's
                standard deviation.
            alpha: level of a false FAIL.
            paired: whether runs are compared seed by seed (``docs/paired.md``); default: where the baseline
                has all of this sample's seeds, 10 or more.

        Raises:
            StabbenchError: when task data, split, metric or model differ; it names the fields. Also when
                runs are to be paired and the baseline lacks a seed.
        """
        if drop is not None:
            drop = thresholds.difference("drop", drop, self.metric)
        self.check_complete()
        baseline.check_complete()
        check_comparable(baseline.runs, self.runs)
        found = differences(baseline.runs, self.runs)
        changed = listed(found) or "nothing"
        method = listed({name: pair for name, pair in found.items() if not name.startswith("environment.")})

        def gate(mine: Stability, level: float) -> Evidence:
            evidence = statistics.regression_gate(mine.sample, baseline.sample, level, drop, paired=paired)
            reason = f"{evidence.reason}; changed since the baseline: {method or 'nothing'}"
            return replace(evidence, reason=reason, details={**evidence.details, "changed": changed})

        return self._judge(alpha, gate, baseline)

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
        thresholds.share("at_most", at_most)
        level = statistics.look_alpha(thresholds.level(alpha), looks=self.looks)
        return is_certain_to_fail(self._failed_flags(), self.planned, at_most, level)

    @property
    def environment(self) -> str:
        """What differs between the environments in which the runs were made, ``""`` when nothing does."""
        return mixed(map(environment_of, self.runs))

    @property
    def verdict(self) -> Outcome:
        """The verdict of all gates so far: FAIL if any, PASS if all, else INCONCLUSIVE."""
        return statistics.overall(verdict.outcome for verdict in self.verdicts)

    def _against(
        self, other: Stability, alpha: float, gate: Callable[[Sample, Sample, float], Evidence]
    ) -> Verdict:
        """Judge two samples of one task, at the second look both with more seeds."""
        self.check_complete()
        other.check_complete()
        check_comparable(self.runs, other.runs, model=False)

        def judge(mine: Stability, level: float) -> Evidence:
            theirs = other.more() if mine is not self and other.more else other
            return gate(mine.sample, theirs.sample, level)

        return self._judge(alpha, judge, other)

    def _judge(
        self, alpha: float, gate: Callable[[Stability, float], Evidence], other: Stability | None = None
    ) -> Verdict:
        level, look = statistics.look_alpha(thresholds.level(alpha), looks=self.looks), 1
        evidence = gate(self, level)
        if evidence.outcome is Outcome.INCONCLUSIVE and self.more is not None:
            look, level = 2, statistics.look_alpha(alpha, 2)
            self.judged = self.more()
            evidence = replace(gate(self.judged, level), seeds_needed=None)  # there is no third look
        if self.looks > 1:
            reason = f"{evidence.reason} (look {look} of {self.looks}, at alpha {level:.3g})"
            evidence = replace(evidence, reason=reason, details={**evidence.details, "look": look})
        notes = self.judged._environments(other)
        verdict = Verdict(replace(evidence, details={**evidence.details, **notes}))
        self.verdicts.append(verdict)
        return verdict

    def _environments(self, other: Stability | None) -> dict[str, str]:
        """Return the details of ``ENVIRONMENTS`` that there are."""
        notes = [self.environment]
        if other is not None:
            between = different(map(environment_of, self.runs), map(environment_of, other.runs))
            notes += [other.environment and f"{other}: {other.environment}", between]
        return {name: note for name, note in zip(ENVIRONMENTS, notes, strict=False) if note}

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


def _names(one: Stability, other: Stability) -> tuple[str, str]:
    """Return what tells two samples apart in a sentence."""
    if one.model != other.model:
        return str(one), str(other)
    return one.strategy, other.strategy if other.strategy != one.strategy else f"the other {one.strategy}"
