"""Simulated grids that are stopped once their verdict is certain, or judged at two looks (bar B8)."""

from collections.abc import Iterator

import numpy as np
from gate_simulations import Row
from numpy.typing import NDArray
from score_models import COLA, named

import stabbench.statistics as st
from stabbench.statistics.curtailment import failures_stops
from stabbench.statistics.failures import failures_codes


def early_stopping(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    grids, differ = 10_000, 0
    failed = generator.random((grids, 25)) < generator.choice([0.0, 0.04, 0.1, 0.24, 0.5, 0.94], (grids, 1))
    for rule in (
        st.failures_rule(25, 0.05),
        st.failures_rule(25, 0.10),
        st.failures_rule(25, 0.20),
        threshold_rule(25, 2),
    ):
        differ += int((failures_stops(failed, rule)[1] != rule[failed.sum(axis=1)]).sum())
    scores, learned = named(COLA, 0.24, 59.9).draw(generator, grids, 25)
    failed = ~learned
    seeds, fails = spread_stops(scores, 5.0)
    differ += int((fails != (st.spread_bounds(scores).chi2_lower > 5.0)).sum())
    case = "verdicts that differ from the full grid's, 5 rules"
    yield Row(case, differ, most=0, experiments=grids)
    for most, bar in ((0, 0.80), (2, 0.48)):
        saved = 1 - failures_stops(failed, threshold_rule(25, most))[0].mean() / 25
        yield Row(f"seeds saved, 24 % failures, at most {most} allowed", saved, least=bar)
    yield Row(
        "seeds saved, CoLA with 24 % failures, std of all runs at most 5", 1 - seeds.mean() / 25, least=0.78
    )
    failed, half = generator.random((reps, 50)) < 0.20, st.look_alpha(0.05)
    first = failures_codes(failed[:, :25].sum(axis=1), 25, 0.20, half)
    final = np.where(first != 0, first, failures_codes(failed.sum(axis=1), 50, 0.20, half))
    yield Row("two looks (25, then 50), p = p0 = 20 %: false PASS", (final == 1).mean(), most=0.05)
    yield Row("two looks (25, then 50), p = p0 = 20 %: false FAIL", (final == -1).mean(), most=0.05)


def threshold_rule(n: int, most: int) -> NDArray[np.int8]:
    """Codes of the plain rule "PASS iff at most `most` of n runs failed, else FAIL"."""
    return np.where(np.arange(n + 1) <= most, 1, -1).astype(np.int8)


def spread_stops(scores: NDArray[np.float64], tau: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seeds run until FAIL of "spread at most tau" is certain, and whether it is; grids along the last axis.

    By the chi-squared rule alone, a rule that no gate uses without Bonett's: the sum of squares about the
    running mean never falls, so FAIL is certain once it exceeds (n-1) (b_n tau)^2.
    """
    n = scores.shape[-1]
    t = np.arange(1, n + 1)
    means = np.cumsum(scores, axis=-1) / t
    steps = (scores[..., 1:] - means[..., :-1]) ** 2 * (t[:-1] / t[1:])
    certain = np.cumsum(steps, axis=-1) > (n - 1) * (st.chi2_factors(n)[1] * tau) ** 2
    fails = certain.any(axis=-1)
    return np.where(fails, certain.argmax(axis=-1) + 2, n), fails
