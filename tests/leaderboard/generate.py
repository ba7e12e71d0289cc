"""Generated runs of the paper's shape: failed ones with flat losses and vanishing gradients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from stabbench.leaderboard.published import Published
from stabbench.metrics import for_classifiers
from stabbench.recipe import Recipe
from stabbench.runs import Evaluation, RunRecord, Score, Store
from stabbench.runs.checks import imported as imported_record
from stabbench.samples.collection import Collection, RunWithTraces, collect
from stabbench.samples.traces import thin
from stabbench.spec import ModelSpec, RunSpec, Seeds, StrategySpec, TaskSpec

N_DEV = 500
COUNTS = {"mini-cola": (158, 342), "mini-rte": (243, 257), "mini-mrpc": (160, 340)}
METRICS = {"mini-cola": "matthews", "mini-rte": "accuracy", "mini-mrpc": "f1"}
LAYERS = ("embeddings", *(f"layer.{i}" for i in range(6)), "pooler", "head")
UPDATES = 120
FAILURES = {"devlin": 0.6, "bias-correction": 0.12, "ours": 0.0, "mixout": 0.4, "reinit": 0.2}

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "a|b`c``d*e_f[g](h)",
    "x\ny\u2028z\u2029{{data}}",
    '$x^2$ & 100 % \\input{/etc/passwd} ~ #1 "q" \'',
    "<!-- <script> -->",
    "=1+1;ü漢字🙂\x07",
)
PUBLISHED = Published(
    source="<u>A paper</u> | 2021",
    model="big",
    task="rte",
    strategy="Ours",
    metric="accuracy",
    n=25,
    std=2.7,
    mean=67.3,
)


@lru_cache
def constant_of(metric: str, counts: tuple[int, int]) -> float:
    return for_classifiers(metric).constant(counts)


def score_of(metric: str, confusion: Sequence[Sequence[int]]) -> float:
    (tn, fp), (fn, tp) = confusion
    if metric == "accuracy":
        return (tp + tn) / (tp + tn + fp + fn)
    if metric == "f1":
        return 2 * tp / (2 * tp + fp + fn)
    root = float(np.sqrt(float((tp + fp) * (tp + fn)) * float((tn + fp) * (tn + fn))))
    return (tp * tn - fp * fn) / root if root else 0.0


def confusion_of(counts: tuple[int, int], error: float) -> tuple[tuple[int, int], tuple[int, int]]:
    wrong = [round(count * error) for count in counts]
    return ((counts[0] - wrong[0], wrong[0]), (wrong[1], counts[1] - wrong[1]))


def run(
    strategy: str = "ours",
    task: str = "mini-rte",
    seed: int = 0,
    *,
    kind: str | None = None,
    model: str = "mini-bert",
    imported: bool = False,
    changes: dict[str, Any] | None = None,
    bare: bool = False,
) -> tuple[RunRecord, dict[str, np.ndarray]]:
    """Return one run; ``kind`` is success, failed or diverged, by chance where it is not given."""
    text = f"{strategy}/{task}/{model}/{seed}/{changes}"
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
    rate = FAILURES.get(strategy.split(":")[0].split("@")[0], 0.1)
    kind = kind or ("failed" if rng.random() < rate else "success")
    metric, counts = METRICS.get(task, "accuracy"), COUNTS.get(task, (200, 300))
    labels = np.repeat([0, 1], counts)
    constant = constant_of(metric, counts)
    entropy = float(-sum(c / N_DEV * np.log(c / N_DEV) for c in counts))
    recipe = Recipe(epochs=4, bias_correction=strategy != "devlin", learning_rate=3e-4).change(
        **(changes or {})
    )
    spec = RunSpec(
        task=TaskSpec(
            name=task, metric=metric, n_train=30 * 16, n_dev=N_DEV, n_labels=2, fingerprint="f" * 64
        ),
        model=ModelSpec(name=model, revision="1" * 40),
        strategy=StrategySpec(name=strategy.split(":")[0].split("@")[0], label=strategy, source="5" * 64),
        recipe=recipe,
        seeds=Seeds.all(seed),
    )
    level = 0.10 if strategy == "ours" else 0.14
    errors = level + rng.normal(0, 0.008 if strategy == "ours" else 0.025) + np.array([0.12, 0.05, 0.02, 0])
    steps = np.linspace(UPDATES / 4, UPDATES, 4).astype(int)
    majority = ((0, counts[0]), (0, counts[1]))
    tables = [
        majority if kind != "success" else confusion_of(counts, float(np.clip(e, 0.01, 0.4))) for e in errors
    ]
    evaluations = tuple(
        Evaluation(value=score_of(metric, t), step=int(s), confusion=t, dev_loss=float(e) + 0.1)
        for t, s, e in zip(tables, steps, errors, strict=True)
    )
    updates = np.arange(UPDATES)
    if kind == "success":
        loss = entropy * np.exp(-updates / 30) + 0.03 + rng.normal(0, 0.01, UPDATES) ** 2
        norms = np.exp(rng.normal(0, 0.3, (60, len(LAYERS)))) * np.linspace(0.4, 1.4, len(LAYERS))
    else:
        loss = entropy + rng.normal(0, 0.02, UPDATES)
        fall = np.linspace(5, 0.2, len(LAYERS)) * np.minimum(1, np.arange(60)[:, None] / 15)
        norms = np.exp(-fall * 2 + rng.normal(0, 0.2, (60, len(LAYERS))))
    if kind == "diverged":
        loss = np.append(loss[:50], np.nan)
        evaluations, norms = evaluations[:1], norms[:25]
    predictions = np.concatenate([[0] * t[0] + [1] * t[1] for t in tables[-1]])
    arrays = {
        "loss": loss,
        "gradient_norm": np.append(np.linalg.norm(np.repeat(norms, 2, axis=0), axis=1), [1.0])[: len(loss)],
        "trace_steps": np.arange(len(norms)) * 2,
        "layer_norms": norms,
        "dev_labels": labels,
    }
    if kind != "diverged":
        arrays["logits"] = np.eye(2)[predictions]
    last = (
        Score(value=constant, step=51)
        if kind == "diverged"
        else Score(**evaluations[-1].model_dump(exclude={"dev_loss"}))
    )
    shared: dict[str, Any] = {
        "task": task,
        "model": model,
        "strategy": strategy,
        "seed": seed,
        "metric": metric,
        "constant": constant,
        "n_dev": N_DEV,
        "dev_counts": counts,
        "last": last,
        "best": last,
        "created": f"2026-01-0{1 + seed % 9}T00:00:00+00:00",
        "status": "diverged" if kind == "diverged" else "completed",
        "reason": "the training loss became NaN or infinite at update 51 of 120"
        if kind == "diverged"
        else None,
    }
    if imported:
        shared |= {"last": Score(value=last.value, step=0), "best": Score(value=last.value, step=0)}
        record = RunRecord(**shared, key="k", group="g", spec=None, imported_from="scores.csv")
        return imported_record(record.model_copy(update={"dev_counts": None})), {}
    record = RunRecord(
        **shared,
        key=spec.key,
        group=spec.group,
        spec=spec,
        evaluations=evaluations,
        train_loss=None if kind == "diverged" else float(loss[-30:].mean()),
        label_entropy=entropy,
        layers=LAYERS,
        seconds=2.5 + seed / 10,
        environment={
            "device": "Test CPU",
            "device_type": "cpu",
            "threads": 1,
            "torch": "2.13.0",
            "transformers": "5.23.0",
        },
    )
    return record, {} if bare else arrays


def runs(
    strategies: Iterable[str], tasks: Iterable[str], seeds: Iterable[int], **options: Any
) -> list[RunWithTraces]:
    tasks, seeds = list(tasks), list(seeds)
    made = [run(s, t, seed, **options) for s in strategies for t in tasks for seed in seeds]
    return [RunWithTraces(record, thin(arrays)) for record, arrays in made]


def collection(
    strategies: Iterable[str] = FAILURES,
    tasks: Iterable[str] = METRICS,
    seeds: Iterable[int] = range(25),
    **options: Any,
) -> Collection:
    return collect([Collection(tuple(runs(strategies, tasks, seeds, **options)))])


def fill(
    store: Store, strategies: Iterable[str], tasks: Iterable[str], seeds: Iterable[int], **options: Any
) -> None:
    tasks, seeds = list(tasks), list(seeds)
    for strategy in strategies:
        for task in tasks:
            for seed in seeds:
                record, arrays = run(strategy, task, seed, **options)
                store.write(record, arrays)
