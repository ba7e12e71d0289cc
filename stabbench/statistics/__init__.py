"""Statistics of the gates: pure functions of arrays, no files, no globals, no torch.

`docs/statistics.md` says what each gate promises and at what error rate. The modules import `scipy`, not its
parts: those load when first used, and the gates need none but `scipy.special`, the quickest.
"""

from stabbench.statistics.curtailment import Stop, failures_rule, failures_stop, look_alpha
from stabbench.statistics.decomposition import (
    Component,
    Decomposition,
    Repeatability,
    decompose,
    repeatability,
)
from stabbench.statistics.equivalence import equivalence_gate
from stabbench.statistics.evidence import Evidence, Outcome, overall
from stabbench.statistics.exact import (
    beats_majority,
    beats_share,
    correlation_above_zero,
    fisher,
    mcnemar,
)
from stabbench.statistics.expected_max import expected_max, expected_max_dodge
from stabbench.statistics.failures import (
    clopper_pearson,
    failures_limits,
    jeffreys,
    wilson,
)
from stabbench.statistics.gates import mean_bounds, mean_gate, spread_gate, std_bounds
from stabbench.statistics.levene import PAPER_WARNING, Levene, levene, star
from stabbench.statistics.multi_bootstrap import (
    Bounded,
    Differences,
    OtherData,
    Resampled,
    differences_on_other_data,
    on_other_data,
    resample,
    taken,
    taken_in_blocks,
    variance_shares,
)
from stabbench.statistics.over_tasks import (
    Interval,
    Profile,
    has_scale,
    improvement_over_tasks,
    iqm_over_tasks,
    normalised,
    profile_over_tasks,
    tasks_that_remain,
)
from stabbench.statistics.predictions import (
    churn_ratio,
    fleiss_kappa,
    jensen_shannon,
    pairwise_disagreement,
    per_point_stability,
    stuck_at_entropy,
)
from stabbench.statistics.regression import identical, regression_gate
from stabbench.statistics.sample import Sample, interquartile_mean
from stabbench.statistics.shares import Counted, at_chance_gate, failures_gate, floor_gate, share_gate
from stabbench.statistics.spread import SpreadBounds, chi2_factors, spread_bounds, std
from stabbench.statistics.steadier import steadier_gate
from stabbench.statistics.two_rates import boschloo, newcombe_upper
from stabbench.statistics.two_samples import holm, permutation_spread_test, probability_of_improvement

__all__ = [
    "PAPER_WARNING",
    "Bounded",
    "Component",
    "Counted",
    "Decomposition",
    "Differences",
    "Evidence",
    "Interval",
    "Levene",
    "OtherData",
    "Outcome",
    "Profile",
    "Repeatability",
    "Resampled",
    "Sample",
    "SpreadBounds",
    "Stop",
    "at_chance_gate",
    "beats_majority",
    "beats_share",
    "boschloo",
    "chi2_factors",
    "churn_ratio",
    "clopper_pearson",
    "correlation_above_zero",
    "decompose",
    "differences_on_other_data",
    "equivalence_gate",
    "expected_max",
    "expected_max_dodge",
    "failures_gate",
    "failures_limits",
    "failures_rule",
    "failures_stop",
    "fisher",
    "fleiss_kappa",
    "floor_gate",
    "has_scale",
    "holm",
    "identical",
    "improvement_over_tasks",
    "interquartile_mean",
    "iqm_over_tasks",
    "jeffreys",
    "jensen_shannon",
    "levene",
    "look_alpha",
    "mcnemar",
    "mean_bounds",
    "mean_gate",
    "newcombe_upper",
    "normalised",
    "on_other_data",
    "overall",
    "pairwise_disagreement",
    "per_point_stability",
    "permutation_spread_test",
    "probability_of_improvement",
    "profile_over_tasks",
    "regression_gate",
    "repeatability",
    "resample",
    "share_gate",
    "spread_bounds",
    "spread_gate",
    "star",
    "std",
    "std_bounds",
    "steadier_gate",
    "stuck_at_entropy",
    "taken",
    "taken_in_blocks",
    "tasks_that_remain",
    "variance_shares",
    "wilson",
]
