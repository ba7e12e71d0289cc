"""Simulated leaderboards of one task: who is starred, and who is near the best (bars B11 and B12)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from gate_simulations import Row
from score_models import MIXTURES, RTE, Group, named

import stabbench.statistics as st
from stabbench.leaderboard.standings import standings, star_test
from stabbench.leaderboard.table import ALLOWED_AT_CHANCE, ALPHA
from stabbench.statistics import Outcome, Sample

RUNS, ROWS, MAJORITY = 25, 277, 146

Strategy = Callable[[np.random.Generator], Sample]


def drawn(group: Group) -> Strategy:
    """Strategies whose runs fail or are normal, as in the paper."""

    def draw(generator: np.random.Generator) -> Sample:
        scores, learned = group.draw(generator, 1, RUNS)
        return Sample.of(scores[0], ~learned[0], range(RUNS))

    return draw


def above_majority(generator: np.random.Generator) -> Sample:
    """Runs that are right on 1 to 4 rows more than the constant classifier, and wrong on none more."""
    gained = generator.integers(1, 5, RUNS)
    learned = [st.mcnemar(int(more), 0) <= ALPHA for more in gained]
    return Sample.of(100 * (MAJORITY + gained) / ROWS, seeds=range(RUNS), learned=learned)


def guessing(generator: np.random.Generator) -> Sample:
    """Runs that differ from the constant classifier on half of the rows, and are right on half of these."""
    gained = generator.binomial(ROWS // 2, 0.5, RUNS)
    lost = ROWS // 2 - gained
    learned = [st.mcnemar(int(b), int(c)) <= ALPHA for b, c in zip(gained, lost, strict=True)]
    return Sample.of(100 * (MAJORITY + gained - lost) / ROWS, gained <= lost, range(RUNS), learned=learned)


def ceiling(generator: np.random.Generator) -> Sample:
    """Runs at a ceiling: two scores, 99.8 and 100."""
    return Sample.of(generator.choice((99.8, 100.0), RUNS), seeds=range(RUNS))


HONEST, DEVLIN = drawn(RTE), drawn(named(RTE, 0.66, 65.0))
UNSTEADY = drawn(replace(RTE, sd=2 * RTE.sd))


def judged(samples: Sequence[Sample]) -> tuple[list[bool], list[bool | None], int | None]:
    """Which strategies are judged FAIL, which are near the best, and which one has the star."""
    found = [st.at_chance_gate(sample, ALLOWED_AT_CHANCE, ALPHA).outcome for sample in samples]
    failing = [outcome is Outcome.FAIL for outcome in found]
    test = star_test(samples, failing)
    starred = test.sample if test and st.star(test.p_value, test.runs) else None
    return failing, standings(samples, failing).near_best, starred


def chance_worlds(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """B11 on boards; a sixteenth of the repetitions, since each board is ranked for itself."""
    for name, world in (("1 to 4 rows above the majority", above_majority), ("guessing", guessing)):
        for others in ((DEVLIN,), (HONEST,), (HONEST, DEVLIN), (HONEST, UNSTEADY, DEVLIN)):
            boards = [judged([make(generator) for make in (world, *others)]) for _ in range(reps // 16)]
            with_what = {1: "Devlin" if others == (DEVLIN,) else "an honest one", 2: "an honest one, Devlin"}
            at = f"{name}, beside {with_what.get(len(others), 'two honest ones, Devlin')}"
            yield Row(
                f"star, {at}",
                float(np.mean([star == 0 for _, _, star in boards])),
                most=0.0,
                experiments=reps // 16,
            )
            yield Row(
                f"near the best, {at}",
                float(np.mean([bool(b[1][0]) for b in boards])),
                most=0.0,
                experiments=reps // 16,
            )


def near_best(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """B12, and how often the board separates; a sixteenth of the repetitions."""
    wrong, honest, dull = [], [], []
    for _ in range(reps // 16):
        shares = generator.random(4) * generator.choice((0.3, 1.0))
        failing, near, _ = judged([drawn(named(RTE, share))(generator) for share in shares])
        wrong.append(any(fails and flag for fails, flag in zip(failing, near, strict=True)))
        alike = [HONEST(generator) for _ in range(3)]
        honest.append(not all(judged(alike)[1]))
        others = [drawn(group)(generator) for group in (MIXTURES[1], MIXTURES[3], named(RTE, 1.0))]
        dull.append(any(judged([ceiling(generator), *others])[1]))
    yield Row(
        "a FAIL row near the best, 4 strategies that fail in 0 to 100 %",
        float(np.mean(wrong)),
        most=0.0,
        experiments=reps // 16,
    )
    yield Row(
        "anybody near a best one at its ceiling (two scores)",
        float(np.mean(dull)),
        most=0.0,
        experiments=reps // 16,
    )
    yield Row(
        "one of 3 identical strategies told from the best",
        float(np.mean(honest)),
        most=0.06,
        experiments=reps // 16,
    )
