"""Metrics by name: aliases, near names, a user's own, and names that nobody registered."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from stabbench import metrics, tasks
from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.metrics import LabelMetric, Metric
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.suite import Suite

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
(KAPPA,) = [block for block in re.findall(r"(?:^(?:    .*)?\n)+", PAGE, re.M) if "def kappa" in block]


def test_the_page_names_every_metric_with_direction_and_aliases() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (higher|lower) \|.*\| (.*?) ?\|$", PAGE, re.M)
    printed = {name: (better, tuple(re.findall(r"`(.*?)`", others))) for name, better, others in rows}
    ours = map(metrics.get, filter(metrics.REGISTRY.is_announced, metrics.REGISTRY.names()))
    assert printed == {metric.name: (metric.better, metric.aliases) for metric in ours}


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("mcc", "matthews"),
        ("matthews_correlation", "matthews"),
        ("eval_matthews_correlation", "matthews"),
        ("acc", "accuracy"),
        ("eval_accuracy", "accuracy"),
        ("eval/accuracy", "accuracy"),
        ("val_loss", "loss"),
        ("Macro_F1", "f1-macro"),
        ("pearsonr", "pearson"),
        ("ppl", "perplexity"),
        ("steps_to_target", "steps-to-target"),
    ],
)
def test_a_metric_is_found_by_the_names_that_people_use(written: str, name: str) -> None:
    assert metrics.get(written).name == name
    assert metrics.named(written).name == name


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metric 'mathews'.*\n.*did you mean 'matthews'"):
        metrics.get("mathews")


def test_directions_ranges_and_units() -> None:
    ours = filter(metrics.REGISTRY.is_announced, metrics.REGISTRY.names())
    better = {name: metrics.get(name).better for name in ours}
    lower = {name for name, direction in better.items() if direction == "lower"}
    assert lower == {"mse", "loss", "perplexity", "steps-to-target"}
    assert {name for name in better if metrics.get(name).scale == 100} == better.keys() - lower
    assert metrics.get("accuracy").text(0.7038) == "70.4"
    assert metrics.get("loss").text(0.7038) == "0.704"


def test_a_name_that_nobody_registered_has_the_direction_of_its_record() -> None:
    assert metrics.named("chrf") == Metric("chrf")
    assert metrics.named("ter", "lower") == Metric("ter", better="lower")
    assert metrics.named("loss", "higher").better == "lower"  # 0.1.0 knew no direction


def test_a_record_cannot_make_us_import_a_file(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('imported')")
    assert metrics.named(f"{trap}:NAME").name.endswith("trap.py:NAME")


def test_ones_own_metric_is_registered_once() -> None:
    own = LabelMetric("hits", aliases=("n-hits",), compute=lambda counts: float(counts[1][1]))
    assert metrics.register(own) is own
    assert metrics.register(own) is own
    assert metrics.get("n_hits") is metrics.get("hits") is own
    with pytest.raises(StabbenchError, match="'n-hits' is already a name of the metric 'hits'"):
        metrics.register(Metric("n-hits"))
    with pytest.raises(StabbenchError, match="'mcc' is already a name of the metric 'matthews'"):
        metrics.register(Metric("correlation", aliases=("mcc",)))
    with pytest.raises(StabbenchError, match="in this process only"):
        metrics.reference("hits")


def test_an_object_of_a_file_is_a_metric_of_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        "from stabbench.metrics import LabelMetric\n"
        "def kappa(counts):\n    return 0.0\n"
        "ACC = LabelMetric('acc', compute=kappa)\n"
    )
    with pytest.raises(StabbenchError, match="'acc' is already a name of the metric 'accuracy'"):
        metrics.get(f"{tmp_path}/wrong.py:ACC")
    with pytest.raises(StabbenchError, match=r"wrong\.py:kappa is no metric"):
        metrics.get(f"{tmp_path}/wrong.py:kappa")


def rows(folder: Path) -> dict[str, str]:
    """Write a small task's files and return what `local_task` takes of them."""
    for name in ("train", "dev"):
        lines = [f"{name} words {number},{'yes' if number % 3 else 'no'}" for number in range(40)]
        (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    return {"train": str(folder / "train.csv"), "dev": str(folder / "dev.csv"), "text": "text"}


def planned(task: str) -> Request:
    """Return the first run of a task."""
    suite = Suite(task=task, models=["mini-bert"], seeds=1)
    return plan_group(suite, task, "mini-bert", "ours", PlanOptions()).requests[0]


def test_a_task_takes_an_alias_and_keeps_the_name(tmp_path: Path) -> None:
    assert tasks.local_task("by-alias", metric="mcc", **rows(tmp_path)).metric == "matthews"
    with pytest.raises(UnknownNameError, match="unknown metric 'acuracy'"):
        tasks.local_task("misspelt", metric="acuracy", **rows(tmp_path))


@pytest.mark.parametrize(
    ("metric", "name", "better"), [("f1_macro", "f1-macro", "higher"), ("eval_loss", "loss", "lower")]
)
def test_a_plan_names_metric_and_direction(tmp_path: Path, metric: str, name: str, better: str) -> None:
    task = tasks.local_task(f"plan-{name}", metric=metric, **rows(tmp_path)).name
    group = plan_group(
        Suite(task=task, models=["mini-bert"]), task, "mini-bert", "ours", PlanOptions(seeds=1)
    )
    spec = group.requests[0].spec
    assert (spec.work.names.metric, spec.work.names.better) == (name, better)
    stored = spec.model_dump(mode="json")["task"]
    assert stored.get("better", "left out") == ("lower" if better == "lower" else "left out")


@pytest.mark.parametrize(
    ("metric", "why"),
    [("pearson", "it needs numbers"), ("steps-to-target", "it needs what a script reports")],
)
def test_a_metric_that_no_classifier_can_be_scored_by_is_refused_at_planning(
    tmp_path: Path, metric: str, why: str
) -> None:
    task = tasks.local_task(f"cannot-{metric}", metric=metric, **rows(tmp_path)).name
    with pytest.raises(StabbenchError, match=rf"scored by {metric}: {why}.*\n.*f1-macro"):
        planned(task)


def test_a_metric_in_a_file_of_ones_own_is_planned_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(textwrap.dedent(KAPPA))
    task = tasks.local_task("by-file", metric=f"{tmp_path}/own.py:KAPPA", **rows(tmp_path)).name
    group = plan_group(
        Suite(task=task, models=["mini-bert"]), task, "mini-bert", "ours", PlanOptions(seeds=1)
    )
    assert group.requests[0].spec.work.names.metric == "kappa"
    found = metrics.for_classifiers(group.requests[0].task.metric)
    assert found.value(((20, 5), (10, 15))) == pytest.approx(0.4)


def test_an_edited_metric_scores_its_runs_anew_and_a_comment_does_not(tmp_path: Path) -> None:
    file = tmp_path / "edited.py"

    def key(source: str) -> str:
        file.write_text(source)
        return (
            plan_group(
                Suite(task=task, models=["mini-bert"]), task, "mini-bert", "ours", PlanOptions(seeds=1)
            )
            .requests[0]
            .spec.key
        )

    source = textwrap.dedent(KAPPA)
    file.write_text(source)
    task = tasks.local_task("edited", metric=f"{file}:KAPPA", **rows(tmp_path)).name
    assert key(source) == key(f"{source}\n# a word\n")
    assert key(source) != key(f"{source}\nUNUSED = 1\n")
