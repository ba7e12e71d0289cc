"""Models of the scores that fine-tuning gives, calibrated to Mosbach et al. (2021), Table 1.

Learned runs are normal on the metric's grid; failed runs sit at the constant classifier's score. The printed
mean, std and maximum of every row of that table follow from these to within about a point. `SHAPES` are
what normal scores leave out.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy


@dataclass(frozen=True)
class Group:
    """One strategy: learned runs N(mean, sd) rounded to `step`, a share p failed at one of `constants`."""

    name: str
    mean: float
    sd: float
    p: float
    constants: tuple[float, ...]
    step: float

    def draw(self, generator: np.random.Generator, reps: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Scores of `reps` experiments with n seeds each, and which runs learned: those that did not fail."""
        failed = generator.random((reps, n)) < self.p
        scores = np.round(generator.normal(self.mean, self.sd, (reps, n)) / self.step) * self.step
        return np.where(failed, generator.choice(self.constants, (reps, n)), scores), ~failed


RTE = Group("RTE", 67.3, 2.7, 0.0, (100 * 146 / 277, 100 * 131 / 277), 100 / 277)
MRPC = Group("MRPC", 90.3, 0.8, 0.0, (100 * 558 / 687,), 0.01)
COLA = Group("CoLA", 62.1, 1.8, 0.0, (0.0,), 0.01)


def named(group: Group, p: float, mean: float | None = None) -> Group:
    return replace(group, name=f"{group.name}, {p:.0%} failed", p=p, mean=mean or group.mean)


STABLE = (RTE, MRPC, COLA)
BASELINES = (*STABLE, named(RTE, 0.10), named(COLA, 0.14, 60.3), named(MRPC, 0.24, 89.9))
MIXTURES = (
    replace(RTE, name="normal", step=1e-9),
    named(RTE, 0.10),
    named(RTE, 0.20),
    named(RTE, 0.50),
    named(MRPC, 0.66, 89.4),
    named(COLA, 0.14, 60.3),
    named(COLA, 0.24, 59.9),
)


@dataclass(frozen=True)
class Shape:
    """A distribution of scores that is not normal, or the normal one to compare with.

    Attributes:
        name: what a table calls it.
        draw: (generator, shape) -> scores.
        quantile: share -> score.
        mean: of all scores.
        sd: of all scores.
    """

    name: str
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    quantile: Callable[[float], float]
    mean: float
    sd: float


def _gamma(k: float) -> Shape:
    """Skewed to the left, as scores below a ceiling are."""
    return Shape(
        "exponential, skewed to the left" if k == 1 else f"gamma {k:g}, skewed to the left",
        lambda generator, shape: -generator.gamma(k, 1.0, shape),
        lambda share: -float(scipy.stats.gamma(k).isf(share)),
        -k,
        k**0.5,
    )


def _t(df: int) -> Shape:
    return Shape(
        f"heavy-tailed, t with {df} degrees of freedom",
        lambda generator, shape: generator.standard_t(df, shape),
        lambda share: float(scipy.special.stdtrit(df, share)),
        0.0,
        (df / (df - 2)) ** 0.5,
    )


def _partly_collapsed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """CoLA: one run in ten learned something and lost most of it, with a Matthews correlation of 10 to 50."""
    collapsed = generator.random(shape) < 0.1
    return np.where(collapsed, generator.uniform(10, 50, shape), generator.normal(62.1, 1.8, shape))


def _partly_collapsed_quantile(share: float) -> float:
    def excess(x: float) -> float:
        return float(0.1 * np.clip((x - 10) / 40, 0, 1) + 0.9 * scipy.special.ndtr((x - 62.1) / 1.8) - share)

    return float(scipy.optimize.brentq(excess, 10, 80))


_MEAN = 0.9 * 62.1 + 0.1 * 30
_SD = (0.9 * (1.8**2 + (62.1 - _MEAN) ** 2) + 0.1 * (40**2 / 12 + (30 - _MEAN) ** 2)) ** 0.5
NORMAL = Shape(
    "normal", lambda generator, shape: generator.standard_normal(shape), scipy.special.ndtri, 0.0, 1.0
)
PARTIAL_COLLAPSE = Shape(
    "one run in ten partly collapsed", _partly_collapsed, _partly_collapsed_quantile, _MEAN, _SD
)
EXPONENTIAL = _gamma(1)
SHAPES = (NORMAL, _t(3), _gamma(4), EXPONENTIAL, PARTIAL_COLLAPSE)
