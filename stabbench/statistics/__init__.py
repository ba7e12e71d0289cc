"""Statistics of the gates: pure functions of arrays, no files, no globals, no torch.

`docs/statistics.md` says what each gate promises and at what error rate. The modules import `scipy`, not its
parts: those load when first used, and a session whose gates need no test of SciPy's starts a second sooner.
"""

from stabbench.statistics.curtailment import (
    SequentialSpread,
    Stop,
    failures_rule,
    failures_stop,
    look_alpha,
    spread_stop,
)
from stabbench.statistics.decomposition import Component, Decomposition, decompose
from stabbench.statistics.evidence import Evidence, Outcome, overall
from stabbench.statistics.expected_max import expected_max, expected_max_dodge
from stabbench.statistics.failures import (
    clopper_pearson,
    failures_limits,
    jeffreys,
    wilson,
)
from stabbench.statistics.gates import failures_gate, mean_gate, spread_gate
from stabbench.statistics.levene import PAPER_WARNING, Levene, levene, star
from stabbench.statistics.predictions import (
    churn_ratio,
    collapsed_runs,
    fleiss_kappa,
    jensen_shannon,
    label_entropy,
    most_predicted_share,
    pairwise_disagreement,
    per_point_stability,
    stuck_at_entropy,
)
from stabbench.statistics.regression import identical, regression_gate
from stabbench.statistics.sample import Sample, interquartile_mean
from stabbench.statistics.spread import SpreadBounds, chi2_factors, spread_bounds, std
from stabbench.statistics.steadier import steadier_gate
from stabbench.statistics.two_rates import boschloo, newcombe_upper
from stabbench.statistics.two_samples import holm, permutation_spread_test, probability_of_improvement

__all__ = [
    "PAPER_WARNING",
    "Component",
    "Decomposition",
    "Evidence",
    "Levene",
    "Outcome",
    "Sample",
    "SequentialSpread",
    "SpreadBounds",
    "Stop",
    "boschloo",
    "chi2_factors",
    "churn_ratio",
    "clopper_pearson",
    "collapsed_runs",
    "decompose",
    "expected_max",
    "expected_max_dodge",
    "failures_gate",
    "failures_limits",
    "failures_rule",
    "failures_stop",
    "fleiss_kappa",
    "holm",
    "identical",
    "interquartile_mean",
    "jeffreys",
    "jensen_shannon",
    "label_entropy",
    "levene",
    "look_alpha",
    "mean_gate",
    "most_predicted_share",
    "newcombe_upper",
    "overall",
    "pairwise_disagreement",
    "per_point_stability",
    "permutation_spread_test",
    "probability_of_improvement",
    "regression_gate",
    "spread_bounds",
    "spread_gate",
    "spread_stop",
    "star",
    "std",
    "steadier_gate",
    "stuck_at_entropy",
    "wilson",
]
