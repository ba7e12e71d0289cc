"""How often gates err where scores are not normal, or a margin is itself estimated: no bars."""

from collections.abc import Iterator

import numpy as np
import scipy
from gate_simulations import Row, regression
from score_models import RTE, SHAPES, named

import stabbench.statistics as st
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.regression import not_worse
from stabbench.statistics.spread import spread_codes


def default_margins(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """The regression gate's margins: an estimated one, and the approximate bound on a difference of rates."""
    for shape in SHAPES:
        for n, n0 in ((25, 25), (25, 50)):
            a = shape.draw(generator, (reps, n)) - shape.sd  # exactly at the margin
            b = shape.draw(generator, (reps, n0))
            every = np.ones(a.shape, bool), np.ones(b.shape, bool)
            fine = not_worse(a, b, *every, mean_margin=b.std(axis=1, ddof=1))
            case = (
                f"mean called not worse, one true std lower, default margin, {shape.name}, {n} against {n0}"
            )
            yield Row(case, fine[:, 2].mean())
    for n, n0 in ((5, 25), (11, 25), (20, 25), (25, 25), (5, 50), (11, 50), (25, 50)):
        yield Row(
            f"rate called not worse, 20 points higher, {n} against {n0} (most of all rates)", _newcombe(n, n0)
        )
    for n0 in (25, 50):
        for group in (RTE, *(named(RTE, p) for p in (0.1, 0.3, 0.5))):
            rate = (regression(group, group, 25, n0, reps, generator) == 1).mean()
            yield Row(f"PASS, nothing changed, {group.name}, 25 against {n0}", rate)


def _newcombe(n: int, n0: int, margin: float = 0.2, alpha: float = 0.05) -> float:
    """The largest error of Newcombe's bound at the margin, exactly, over the baseline's rates."""
    k, k0 = np.arange(n + 1), np.arange(n0 + 1)
    below = st.newcombe_upper(k[:, None], n, k0, n0, alpha) < margin
    rates = np.linspace(0, 1 - margin, 401)
    own = scipy.stats.binom.pmf(k[:, None], n, rates + margin)
    base = scipy.stats.binom.pmf(k0[:, None], n0, rates)
    return float(np.einsum("ip,jp,ij->p", own, base, below).max())


def shapes(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """Spread and mean at their thresholds; and three failed runs."""
    for shape in SHAPES:
        for n in (5, 10, 25):
            x = shape.draw(generator, (reps, n))
            bounds = st.spread_bounds(x)
            found = spread_codes(bounds.lower, bounds.upper, shape.sd)
            yield Row(f"spread: false PASS, true std = tau, {shape.name}, n = {n}", (found == 1).mean())
            yield Row(f"spread: false FAIL, true std = tau, {shape.name}, n = {n}", (found == -1).mean())
            reach = scipy.special.stdtrit(n - 1, 0.95) * x.std(axis=1, ddof=1) / n**0.5
            error = x.mean(axis=1) - shape.mean
            yield Row(f"mean: false PASS, true mean = wanted, {shape.name}, n = {n}", (error >= reach).mean())
            yield Row(f"mean: false FAIL, true mean = wanted, {shape.name}, n = {n}", (error < -reach).mean())
    k = np.arange(4)
    rate = scipy.stats.binom.pmf(k, 3, 0.9)[failures_codes(k, 3, 0.9) == -1].sum()
    yield Row("failures: false FAIL, three runs, 90 % allowed and true", rate)
