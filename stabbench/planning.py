"""From names and options to run requests: everything resolved and checked before anything is trained.

Nothing here imports torch: a model's ``config.json`` is read as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stabbench import metrics, models, tasks
from stabbench.errors import StabbenchError, code_of_others
from stabbench.overrides import check_effect, check_length, override
from stabbench.requests import Group, Request, RunId
from stabbench.spec import STREAMS, FineTuning, ModelSpec, RunSpec, Seeds, StrategySpec, TaskSpec
from stabbench.strategies import Intermediate
from stabbench.strategies.catalog import (
    base_recipe,
    check_strategy,
    label_of,
    parameters_of,
    parse_strategy,
    resolve_recipe,
    source_digest,
)
from stabbench.suite import Suite, parse_seeds
from stabbench.tasks import Task


@dataclass(frozen=True)
class PlanOptions:
    """What a session chooses for all its runs.

    Attributes:
        seeds: overrides the suite's.
        max_steps: no run makes more updates than this.
        data_dir: local folder with task data.
        overrides: recipe values that override every strategy's (``--stab-set``).
        shard: (i, n): this machine's share, every n-th seed from the i-th (1-based).
        save_models: whether trained weights are kept.
        streams: the random streams that a seed varies; the others are held at ``held_seed`` (the two kinds
            of seed of Dodge et al., 2020).
        held_seed: the seed of the streams that do not vary.
        replicates: how often each seed runs.
    """

    seeds: int | str | Sequence[int] | None = None
    max_steps: int | None = None
    data_dir: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    shard: tuple[int, int] | None = None
    save_models: bool = False
    streams: tuple[str, ...] = STREAMS
    held_seed: int = 0
    replicates: int = 1

    @property
    def held(self) -> tuple[str, ...]:
        """The random streams that do not vary."""
        return tuple(name for name in STREAMS if name not in self.streams)


def planned_runs(suite: Suite, options: PlanOptions) -> tuple[RunId, ...]:
    """Return the seeds and replicates of each group of a suite: every seed once, then once more, ...

    Raises:
        StabbenchError: when the seeds cannot be read, or this machine's share of them is empty.
    """
    seeds = parse_seeds(options.seeds if options.seeds is not None else suite.seeds)
    if options.shard is not None:
        index, count = options.shard
        planned, seeds = len(seeds), seeds[index - 1 :: count]
        if not seeds:
            raise StabbenchError(
                f"share {index}/{count} is empty: a group has {planned} seeds.",
                f"make {planned} shares or fewer.",
            )
    return tuple((seed, replicate) for replicate in range(options.replicates) for seed in seeds)


def plan_group(suite: Suite, task: str, model: str, strategy: str, options: PlanOptions) -> Group:
    """Return the runs of one group, fully resolved.

    Raises:
        StabbenchError: for anything unknown, missing, malformed or impossible.
    """
    first = _request(suite, task, model, strategy, options)
    runs = {run: _with_seed(first, run, options) for run in planned_runs(suite, options)}
    return Group(task, model, first.work.strategy.label, runs)


def _with_seed(request: Request, run: RunId, options: PlanOptions) -> Request:
    seed, replicate = run
    seeds = Seeds(**{name: seed if name in options.streams else options.held_seed for name in STREAMS})
    return request.model_copy(update={"spec": request.spec.reseeded(seeds, replicate)})


def _request(
    suite: Suite, task_name: str, model_name: str, strategy_text: str, options: PlanOptions
) -> Request:
    task = tasks.get(task_name)
    metric = metrics.for_classifiers(task.metric)
    data = data_of(suite, task, options)
    model = models.resolve(model_name)
    strategy, reference = parse_strategy(strategy_text)
    check_strategy(strategy)
    with code_of_others(f"the hook unsupported of {strategy_text}", "mend the hook."):
        reason = strategy.unsupported(model.config)
    if reason is not None:
        raise StabbenchError(
            f"{strategy_text} cannot be used with {model_name}: {reason}", "choose another model or strategy."
        )
    own = resolve_recipe(strategy, model.recipe)
    recipe = override(own, options.overrides)
    label = label_of(strategy, reference, options.overrides)
    models.check_recipe(model, recipe)
    models.check_rates(model, label, recipe, own, options.overrides)
    n_train = len(data.train.labels)
    check_effect(label, recipe, options.overrides, n_train)
    base = override(base_recipe(strategy, model.recipe), options.overrides)
    check_length(strategy, label, recipe, base, n_train)
    if options.max_steps is not None and recipe.total_updates(n_train) > options.max_steps:
        recipe = recipe.change(steps=options.max_steps)
    start = None
    with code_of_others(f"the hook initial_weights of {strategy_text}", "mend the hook."):
        intermediate = strategy.initial_weights()
    if intermediate is not None:
        if not isinstance(intermediate, Intermediate):
            raise StabbenchError(
                f"the hook initial_weights of {strategy_text} returned {intermediate!r}.",
                "let it return an Intermediate or None.",
            )
        start = _intermediate(
            suite, model_name, intermediate.task, intermediate.epochs, intermediate.strategy, options
        )
    work = FineTuning(
        task=TaskSpec(
            name=task.name,
            metric=metric.name,
            better=metric.better,
            metric_source=metrics.source_of(task.metric),
            n_train=n_train,
            n_dev=len(data.dev.labels),
            n_labels=len(data.label_names),
            train_size=suite.train_size,
            stratified=suite.stratified,
            sample_seed=suite.sample_seed,
            fingerprint=data.fingerprint,
        ),
        model=ModelSpec(name=model.name, revision=model.revision),
        strategy=StrategySpec(
            name=reference.name,
            label=label,
            parameters=parameters_of(strategy),
            source=source_digest(strategy),
        ),
        recipe=recipe,
        start=start.spec if start else None,
        amended=strategy.amended(model.config),
    )
    return Request(
        spec=RunSpec(work=work, seeds=Seeds.all(0)),
        task=task,
        data_dir=str(options.data_dir) if options.data_dir else None,
        model=model.location,
        strategy=reference.text,
        start=start,
        save_model=options.save_models,
    )


OWN_LENGTH = ("epochs", "steps", "evaluations_per_epoch")
"""Recipe values that the intermediate run does not share: its epochs are a parameter of the strategy, and how
often it is evaluated changes no weight."""


def _intermediate(
    suite: Suite, model: str, task: str, epochs: int, strategy: str, options: PlanOptions
) -> Request:
    """Return the one intermediate run that all seeds start from: seed 0, weights kept.

    What the session sets for every strategy holds for it as well, but for its length.
    """
    whole = Suite(task=task, models=suite.models)
    shared = {name: value for name, value in options.overrides.items() if name not in OWN_LENGTH}
    plain = PlanOptions(
        data_dir=options.data_dir, max_steps=options.max_steps, overrides={**shared, "epochs": epochs}
    )
    return _request(whole, task, model, strategy, plain).model_copy(update={"save_model": True})


def data_of(suite: Suite, task: Task, options: PlanOptions) -> tasks.TaskData:
    """Return the rows that a suite trains and judges on, loaded once.

    Raises:
        DataError: when rows are missing or malformed.
    """
    return _load(task, options.data_dir, suite.train_size, suite.stratified, suite.sample_seed)


@lru_cache(maxsize=8)
def _load(
    task: Task, data_dir: Path | None, train_size: int | None, stratified: bool, sample_seed: int
) -> tasks.TaskData:
    return tasks.load(task, data_dir, train_size, stratified, sample_seed)
