"""What becomes of those who follow the printed advice of an INCONCLUSIVE gate (bar B16).

The first look was made at the whole level, as by a session without `--stab-more-seeds`; the advice is
followed where there is a number; the second look is judged at its share of the level on all seeds.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import scipy
from gate_simulations import Row
from numpy.typing import NDArray

import stabbench.statistics as st
from stabbench.statistics import power
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.spread import spread_codes
from stabbench.statistics.steadier import steadier_codes, steadier_tests

SECOND = st.look_alpha(0.05, 2)
Codes = NDArray[np.int8]
Scores = NDArray[np.float64]


def advice(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    for p0 in (0.1, 0.2):
        for n in (10, 25, 50):
            yield from errors(f"failures, allowed = true = {p0:g}, first {n} (exact)", *failures(p0, p0, n))
    for k, n, p0 in ((0, 10, 0.1), (1, 25, 0.1), (0, 10, 0.2), (8, 25, 0.2)):
        rate = failures_power(k, n, p0)
        yield Row(f"power, failures, allowed {p0:g}, {k} of {n} seen and true (exact)", rate, least=0.75)
    few, many = min(reps, 8_000) // 2, 200_000
    for n in (10, 25):
        yield from errors(f"mean, true = wanted, first {n}", *mean(0.0, n, many, generator)[:2], many)
        found = spread(normal, 1.0, n, few, generator)[:2]
        yield from errors(f"spread, true = allowed, first {n}", *found, few)
        found = steadier(1.0, n, few // 2, generator)[:2]
        yield from errors(f"steadier, A = B, first {n}", *found, few // 2)
    # the advice promises .8 if the truth is what was seen, so what was seen must be near it; beside it, any
    for shape, draw, least in (("normal", normal, 0.75), ("t5", t5, 0.65)):
        for ratio in (0.7, 1.5):
            at = f"power, {shape}, std {ratio:g} of the allowed"
            *_, decided = spread(draw, ratio, 10, few, generator, near=0.1)
            yield Row(f"{at}, seen within 10 %", decided, least=least, experiments=few // 4)
            *_, decided = spread(draw, ratio, 10, few, generator)
            yield Row(f"{at}, whatever was seen", decided, experiments=few)
    *_, decided = mean(0.35, 10, many, generator, near=0.1)
    yield Row("power, mean .35 std above the wanted one, seen within .1", decided, least=0.75)
    *_, decided = steadier(2.0, 15, few, generator, near=0.1)
    yield Row(
        "power, steadier, the other's std is twice as large, seen within 10 %",
        decided,
        least=0.75,
        experiments=few // 4,
    )


def errors(case: str, passes: float, fails: float, experiments: int | None = None) -> Iterator[Row]:
    yield Row(f"false PASS in all, {case}", passes, most=0.06, experiments=experiments)
    yield Row(f"false FAIL in all, {case}", fails, most=0.06, experiments=experiments)


def failures(p: float, p0: float, n: int) -> tuple[float, float]:
    """Exact rates of PASS and of FAIL after both looks: sums over the binomial counts of each."""
    total = {1: 0.0, -1: 0.0}
    for k, weight in enumerate(binomial(n, p)):
        code = int(failures_codes(k, n, p0))
        needed = None if code else power.failures_seeds_needed(k, n, p0)
        if code:
            total[code] += weight
        elif needed:
            found = failures_codes(k + np.arange(needed - n + 1), needed, p0, SECOND)
            for side in total:
                total[side] += weight * binomial(needed - n, p)[found == side].sum()
    return total[1], total[-1]


def failures_power(k: int, n: int, p0: float) -> float:
    """Probability of a verdict at the advised number, if the rest fails at the rate seen."""
    needed = power.failures_seeds_needed(k, n, p0)
    if not needed:
        return float("nan")
    found = failures_codes(k + np.arange(needed - n + 1), needed, p0, SECOND)
    return float(binomial(needed - n, k / n)[found != 0].sum())


def binomial(n: int, p: float) -> NDArray[np.float64]:
    return np.asarray(scipy.stats.binom.pmf(np.arange(n + 1), n, p))


def normal(generator: np.random.Generator, size: tuple[int, int]) -> Scores:
    return generator.normal(size=size)


def t5(generator: np.random.Generator, size: tuple[int, int]) -> Scores:
    return generator.standard_t(5, size) / np.sqrt(5 / 3)


def spread(
    draw: Callable[[np.random.Generator, tuple[int, int]], Scores],
    ratio: float,
    n: int,
    reps: int,
    generator: np.random.Generator,
    near: float | None = None,
) -> tuple[float, float, float]:
    x = ratio * draw(generator, (reps, power.MOST_SEEDS))
    bounds = st.spread_bounds(x[:, :n])
    first = spread_codes(bounds.lower, bounds.upper, 1.0)
    needed = [
        advised(round(s / 0.02), max(15, round(g / 0.2)), n)
        for s, g in zip(bounds.std.tolist(), bounds.kurtosis.tolist(), strict=True)
    ]
    seen = np.abs(bounds.std / ratio - 1) <= near if near else np.ones(reps, bool)

    def second(which: NDArray[np.intp], m: int) -> Codes:
        later = st.spread_bounds(x[which, :m], alpha=SECOND)
        return spread_codes(later.lower, later.upper, 1.0)

    return followed(first, needed, second, seen)


@cache
def advised(fiftieths: int, fifths: int, n: int) -> int:
    """The number for a std rounded to .02 of the allowed one and a kurtosis rounded to .2; 0: none."""
    found = power.spread_seeds_needed(0.02 * max(fiftieths, 1), 1.0, n, n, kurtosis=0.2 * fifths)
    return found or 0


def mean(
    gap: float, n: int, reps: int, generator: np.random.Generator, near: float | None = None
) -> tuple[float, float, float]:
    average, squares = generator.normal(gap, n**-0.5, reps), generator.chisquare(n - 1, reps)

    def judged(off: Scores, m: int, alpha: float) -> Codes:
        reach = power.mean_reach(m, alpha)
        return (off >= reach).astype(np.int8) - (off < -reach).astype(np.int8)

    def second(which: NDArray[np.intp], m: int) -> Codes:
        """From means and sums of squares, which are all that the gate needs."""
        more = m - n
        fresh = generator.normal(gap, more**-0.5, len(which))
        apart = (fresh - average[which]) ** 2 * n * more / m
        total = squares[which] + apart + (generator.chisquare(more - 1, len(which)) if more > 1 else 0.0)
        return judged((n * average[which] + more * fresh) / m / np.sqrt(total / (m - 1)), m, SECOND)

    off = average / np.sqrt(squares / (n - 1))
    steps = np.abs(np.round(off, 3))
    number = {x: power.mean_seeds_needed(float(x), 1.0, n, n) or 0 for x in np.unique(steps[steps < 1])}
    seen = np.abs(off - gap) <= near if near else np.ones(reps, bool)
    return followed(judged(off, n, 0.05), [number.get(x, 0) for x in steps], second, seen)


def steadier(
    ratio: float, n: int, reps: int, generator: np.random.Generator, near: float | None = None
) -> tuple[float, float, float]:
    most = 500
    a, b = generator.normal(size=(reps, most)), ratio * generator.normal(size=(reps, most))

    def judged(which: NDArray[np.intp], m: int, alpha: float = SECOND) -> Codes:
        x, y = a[which, :m], b[which, :m]
        every = np.ones(x.shape, bool)
        return steadier_codes(steadier_tests(x, y, every, every), alpha)

    first, needed = judged(np.arange(reps), n, 0.05), [0] * reps
    stds = b[:, :n].std(axis=1, ddof=1) / a[:, :n].std(axis=1, ddof=1)
    seen = np.abs(stds / ratio - 1) <= near if near else np.ones(reps, bool)
    for i in np.flatnonzero((first == 0) & seen):
        evidence = st.steadier_gate(st.Sample.of(a[i, :n]), st.Sample.of(b[i, :n]))
        needed[i] = evidence.seeds_needed or 0
    return followed(first, [m if m <= most else 0 for m in needed], judged, seen)


def followed(
    first: Codes, needed: list[int], judge: Callable[[NDArray[np.intp], int], Codes], seen: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Rates of PASS and of FAIL after both looks, and of verdicts at the second one, among the `seen`."""
    final, numbers = first.copy(), np.where((first == 0) & seen, needed, 0)
    for number in np.unique(numbers[numbers > 0]):
        which = np.flatnonzero(numbers == number)
        final[which] = judge(which, int(number))
    second = numbers > 0
    return float((final == 1).mean()), float((final == -1).mean()), float((final[second] != 0).mean())
