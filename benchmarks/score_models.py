"""Models of the scores that fine-tuning gives, calibrated to Mosbach et al. (2021), Table 1.

Learned runs are normal on the metric's grid; failed runs sit at the constant classifier's score. The printed
mean, std and maximum of every row of that table follow from these to within about a point.
"""

from dataclasses import dataclass, replace

import numpy as np


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
