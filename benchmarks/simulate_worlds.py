"""Worlds in which nothing was learned, judged by the very tests of the shipped suites; and the floor gate."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np
import scipy
from gate_simulations import Row
from score_models import SHAPES

import stabbench.statistics as st
import stabbench.suites
from stabbench import metrics
from stabbench.metrics import LabelMetric
from stabbench.runs import RunRecord, Score
from stabbench.samples.failed import has_learned
from stabbench.samples.stability import Stability
from stabbench.statistics.failures import failures_codes
from stabbench.statistics.steadier import steadier_codes, steadier_tests

Counts = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Task:
    """A dev set of two labels, and what a strategy that learned scores on it.

    Attributes:
        metric: its name.
        rows: dev rows of either label.
        mean: of the strategy that learned: Mosbach et al. (2021), Table 1, and the committed runs of the mini
            world; of QNLI and SciTail with 1,000 examples a guess.
        sd: its standard deviation over seeds.
    """

    metric: str
    rows: tuple[int, int]
    mean: float
    sd: float


TASKS = {
    "rte": Task("accuracy", (146, 131), 0.673, 0.027),
    "mrpc": Task("f1", (129, 279), 0.903, 0.008),
    "cola": Task("matthews", (322, 721), 0.621, 0.018),
    "qnli": Task("accuracy", (2702, 2761), 0.80, 0.02),
    "scitail": Task("accuracy", (657, 647), 0.85, 0.02),
    "mini-rte": Task("accuracy", (156, 144), 0.879, 0.013),
    "mini-mrpc": Task("f1", (135, 165), 0.980, 0.005),
    "mini-cola": Task("matthews", (96, 204), 0.973, 0.012),
}
World = Callable[[Task, np.random.Generator], Counts]


def hardly_better(task: Task, generator: np.random.Generator) -> Counts:
    """A run that is right on 1 to 4 rows more than it takes not to fail, and names neither label always."""
    major, named = int(np.argmax(task.rows)), 1 + sum(task.rows) // 50  # fewer would be a collapsed run
    wrong = int(generator.integers(named // 2 + 1, 2 * named))
    right = next(
        k for k in range(task.rows[1 - major]) if not _metric(task).fails(_counts(task, major, k, wrong))
    )
    return _counts(task, major, right + int(generator.integers(4)), wrong)


def guesses(task: Task, generator: np.random.Generator) -> Counts:
    """A run whose answers have nothing to do with the rows, whatever share of them it gives."""
    share = generator.uniform(0.03, 0.97)
    major = int(np.argmax(task.rows))
    right = int(generator.binomial(task.rows[1 - major], share))
    return _counts(task, major, right, int(generator.binomial(task.rows[major], share)))


def _metric(task: Task) -> LabelMetric:
    metric = metrics.get(task.metric)
    assert isinstance(metric, LabelMetric)
    return metric


def _counts(task: Task, major: int, right: int, wrong: int) -> Counts:
    """Counts of a run that names the rarer label in so many of its rows, and in so many of the other's."""
    own, other = (task.rows[major] - wrong, wrong), (task.rows[1 - major] - right, right)
    return (own, other) if major == 0 else (other[::-1], own[::-1])


@cache
def suites() -> dict[str, ModuleType]:
    """The modules of the shipped suites with more than one gate, by task: all but the demo."""
    found = {}
    for folder in pkgutil.iter_modules(stabbench.suites.__path__):
        package = importlib.import_module(f"stabbench.suites.{folder.name}")
        for file in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{file.name}")
            if len(tests(module)) > 1:
                found[str(vars(module)["suite"].task)] = module
    return found


def tests(module: ModuleType) -> list[Callable[..., None]]:
    """The gates of a suite: its test functions."""
    return [function for name, function in vars(module).items() if name.startswith("test_")]


def passes(module: ModuleType, stability: Stability, rival: Stability) -> bool:
    """Whether every gate of a suite passes, asked as pytest does; the baseline is the sample itself."""
    fixtures = {"stability": stability, "against": rival, "baseline": stability}
    for test in tests(module):
        try:
            test(*(fixtures[name] for name in inspect.signature(test).parameters))
        except AssertionError:
            return False
    return stability.verdict is st.Outcome.PASS


def record(name: str, strategy: str, counts: Counts | None = None, score: float | None = None) -> RunRecord:
    """A run on the dev set of a task, known by its counts, or by its score alone."""
    task = TASKS[name]
    metric = _metric(task)
    constant = metric.constant(task.rows)
    value = Score(value=metric.value(counts) if counts else float(score or 0), step=0, confusion=counts)
    return RunRecord(
        key=strategy,
        group=strategy,
        task=name,
        model="bert",
        strategy=strategy,
        seed=0,
        spec=None,
        metric=metric.name,
        constant=constant,
        n_dev=sum(task.rows),
        status="completed",
        last=value,
        best=value,
        created="2025-01-01T00:00:00+00:00",
        imported_from="a simulation",
        floor=None if counts else constant + 0.05,
    )


def group(runs: Sequence[RunRecord]) -> Stability:
    """The runs with seeds from 0 on."""
    return Stability.from_records([run.model_copy(update={"seed": seed}) for seed, run in enumerate(runs)])


def of_counts(name: str, world: World, generator: np.random.Generator, n: int) -> list[RunRecord]:
    """Runs of a world by their counts, of a strategy called ours."""
    return [record(name, "ours", world(TASKS[name], generator)) for _ in range(n)]


def learners(name: str, strategy: str, generator: np.random.Generator, n: int, p: float = 0.0) -> Stability:
    """Normal scores on the grid of the rows, a share p of them failed at the constant."""
    task, constant = TASKS[name], record(name, strategy, score=0.0).constant
    scores = np.minimum(np.round(generator.normal(task.mean, task.sd, n), 4), 1.0)
    scores[generator.random(n) < p] = constant
    return group([record(name, strategy, score=float(score)) for score in scores])


def chance_worlds(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """Shipped suites where nothing was learned (never PASS), and where `ours` learned as published.

    Where nothing was learned the rival failed in every run and the baseline is no better: the easiest ones.
    """
    for what, world in (("1 to 4 rows above the constant", hardly_better), ("guesses", guesses)):
        overall, steadier = [], []
        for name, suite in suites().items():
            pool = of_counts(name, world, generator, 200)
            drawn = generator.integers(0, len(pool), (reps // 100, 25))
            found = []
            for which in drawn:
                mine = group([pool[i] for i in which])
                found.append(passes(suite, mine, learners(name, "devlin", generator, 25, p=1.0)))
            overall.append(np.mean(found))
            steadier.append(_steadier_than_learners(name, pool, reps, generator))
        yield Row(
            f"PASS of a whole suite, runs with {what} (most of {len(overall)})",
            max(overall),
            most=0.0,
            experiments=len(found),
        )
        yield Row(
            f"PASS, steadier than one that learned, runs with {what} (most of {len(overall)})",
            max(steadier),
            most=0.0,
        )
    for name in ("rte", "mrpc", "cola"):
        found = [
            passes(
                suites()[name],
                learners(name, "ours", generator, 25),
                learners(name, "devlin", generator, 25, 0.66),
            )
            for _ in range(reps // 100)
        ]
        yield Row(
            f"PASS of the whole suite {name}, ours as published against 66 % failed",
            float(np.mean(found)),
            experiments=len(found),
        )


def _steadier_than_learners(
    name: str, pool: list[RunRecord], reps: int, generator: np.random.Generator
) -> float:
    drawn = generator.integers(0, len(pool), (reps, 25))
    scores, learned = (
        np.array([run.last.value for run in pool]),
        np.array([bool(has_learned(run)) for run in pool]),
    )
    rival = generator.normal(TASKS[name].mean, TASKS[name].sd, (reps, 25))
    tests_ = steadier_tests(scores[drawn], rival, learned[drawn], np.ones(rival.shape, bool))
    return float((steadier_codes(tests_) == 1).mean())


def floors(reps: int, generator: np.random.Generator) -> Iterator[Row]:
    """The floor gate at its margin: the true share of worse runs is the allowance."""
    shares = np.arange(1, 100) / 100
    wrong = {1: 0.0, -1: 0.0}
    for n in (*range(3, 61), 75, 100, 250, 1000):
        k = np.arange(n + 1)
        for share in shares:
            weights, found = (
                scipy.stats.binom.pmf(k, n, share),
                failures_codes(k, n, share, all_is_fail=False),
            )
            wrong = {code: max(most, weights[found == code].sum()) for code, most in wrong.items()}
    for word, code in (("PASS", 1), ("FAIL", -1)):
        yield Row(
            f"false {word}, exactly (most of 62 sizes from 3 to 1,000 by allowances of 1 to 99 %)",
            wrong[code],
            most=0.05,
        )
    for shape in SHAPES:
        for share in (0.1, 0.2):
            k = (shape.draw(generator, (reps, 25)) < shape.quantile(share)).sum(axis=1)
            found = failures_codes(k, 25, share, all_is_fail=False)
            for word, code in (("PASS", 1), ("FAIL", -1)):
                yield Row(
                    f"false {word}, {shape.name}, {share:.0%} allowed, n = 25",
                    (found == code).mean(),
                    most=0.0603,
                )
