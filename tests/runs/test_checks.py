"""A record that lies is refused, however right its checksum is, and its run is computed again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench import metrics
from stabbench.errors import RecordError
from stabbench.runs import Store
from stabbench.runs.written import read_record, write_record
from stabbench.samples.archive import read_archive
from stabbench.samples.baselines import read_baseline
from stabbench.stored import canonical_json, digest
from tests.leaderboard.generate import METRICS, run

ROOT = Path(__file__).parents[2]


def sealed(data: dict[str, Any]) -> str:
    """Return the text of a record with its checksum made anew, as a forger would."""
    return canonical_json({"checksum": digest(data), "record": data})


def scored(value: float) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["last"]["value"] = value

    return change


def counted(matrix: list[list[int]]) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["last"]["confusion"] = matrix

    return change


def bare_of_confusion(data: dict[str, Any]) -> None:
    data.update(evaluations=[], dev_counts=[-1, 501])
    for score in ("last", "best"):
        data[score]["confusion"] = None


def seeded(data: dict[str, Any]) -> None:
    data["seed"] += 1


LIES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "value": (scored(0.99), "last: accuracy is 0.99, where its counts give"),
    "evaluation": (lambda data: data["evaluations"][1].update(value=0.99), "evaluation 2: accuracy is 0.99"),
    "constant": (lambda data: data.update(constant=0.01), "constant is 0.01, where the labels' counts give"),
    "direction": (
        lambda data: data.update(better="lower", spec=None, imported_from="x", key="k", group="g"),
        "the lower score is better, of ours the higher",
    ),
    "negative": (counted([[250, -7], [14, 243]]), "a negative count"),
    "labels": (counted([[200, 0], [100, 200]]), "other labels than the dev set's"),
    "shape": (counted([[500]]), "not 2 x 2"),
    "dev_counts": (lambda data: data.update(dev_counts=[1, 2]), "other labels than the dev set's"),
    "dev_counts alone": (bare_of_confusion, "are not those of 500 rows"),
    "group": (lambda data: data.update(group="a" * 64), "the group is not that of the specification"),
    "key": (lambda data: data.update(key="a" * 64), "the key is not that of the specification"),
    "task": (lambda data: data.update(task="mini-mrpc"), "task is 'mini-mrpc', where the specification says"),
    "model": (lambda data: data.update(model="roberta"), "model is 'roberta'"),
    "strategy": (lambda data: data.update(strategy="mine"), "strategy is 'mine'"),
    "metric": (lambda data: data.update(metric="f1"), "metric is 'f1'"),
    "better": (lambda data: data.update(better="lower"), "better is 'lower'"),
    "n_dev": (lambda data: data.update(n_dev=501), "add up to the dev set"),
    "seed": (seeded, "seed is 1, where the specification says 0"),
    "replicate": (lambda data: data.update(replicate=3), "replicate is 3"),
    "format": (lambda data: data.update(format=-5), "format -5, which there never was"),
    "newer": (lambda data: data.update(format=99), "newer"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_under_a_right_checksum_is_refused(lie: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = store.write(*run(kind="success"))
    change, message = LIES[lie]
    data = record.model_dump(mode="json")
    change(data)
    place = store.folder(record.key) / "record.json"
    place.write_text(sealed(data))
    with pytest.raises(RecordError, match=message):
        store.read(record.key)
    assert len(store.problems()) == 1
    assert store.write(*run(kind="success")) == record, "it is computed again"
    assert store.problems() == []


def test_a_specification_of_another_format_is_refused() -> None:
    data = run()[0].model_dump(mode="json")
    data["spec"]["format"] = 7
    data["key"] = digest(data["spec"])
    data["group"] = digest({k: v for k, v in data["spec"].items() if k not in ("seeds", "replicate")})
    with pytest.raises(RecordError, match="specification of format 7"):
        read_record(sealed(data), "here")


def test_a_diverged_run_scores_as_the_constant_classifier() -> None:
    data = run(kind="diverged")[0].model_dump(mode="json")
    data["last"]["value"] = 0.9
    with pytest.raises(RecordError, match=r"a diverged run scores 0\.9"):
        read_record(sealed(data), "here")


@given(
    st.sampled_from(sorted(METRICS)), st.integers(0, 1000), st.sampled_from(["success", "failed", "diverged"])
)
def test_no_honest_record_is_refused(task: str, seed: int, kind: str) -> None:
    record, _ = run("devlin", task, seed, kind=kind)
    assert read_record(write_record(record), "here") == record


@given(
    st.sampled_from(["accuracy", "balanced-accuracy", "f1", "f1-macro", "matthews"]),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60),
    st.sampled_from([2, 3]),
)
def test_what_the_metrics_give_is_no_lie(metric: str, pairs: list[tuple[int, int]], n_labels: int) -> None:
    truth, guess = ([min(pair[i], n_labels - 1) for pair in pairs] for i in (0, 1))
    data = run()[0].model_dump(mode="json")
    counts, measure = metrics.confusion(truth, guess, n_labels), metrics.get(metric)
    assert isinstance(measure, metrics.LabelMetric)
    rows = [truth.count(label) for label in range(n_labels)]
    score = {"value": measure.value(counts), "step": 1, "confusion": counts}
    spec = data["spec"]
    spec["recipe"]["steps"] = 1
    spec["task"] |= {"metric": metric, "n_labels": n_labels, "n_dev": len(truth)}
    data |= {
        "key": digest(spec),
        "group": digest({k: v for k, v in spec.items() if k not in ("seeds", "replicate")}),
        "metric": metric,
        "n_dev": len(truth),
        "last": score,
        "best": score,
        "evaluations": [],
        "status": "completed",
        "reason": None,
        "dev_counts": rows,
        "constant": measure.constant(rows),
    }
    assert read_record(sealed(data), "here").last.value == score["value"]


def test_whatever_is_committed_agrees_with_itself() -> None:
    for place in [*ROOT.glob("baselines/*.gz"), *ROOT.glob("tests/frozen/0.1.0/*.gz")]:
        assert read_archive(place).records
    for place in [*ROOT.glob("baselines/*.jsonl"), *ROOT.glob("tests/frozen/0.1.0/*.jsonl")]:
        assert read_baseline(place).records


def test_a_lie_in_a_baseline_is_refused(tmp_path: Path) -> None:
    import hashlib
    import json

    path = tmp_path / "x.jsonl"
    header, *lines = (ROOT / "baselines" / "mini.jsonl").read_text().splitlines()
    run_line = json.loads(lines[1])
    run_line["last"]["value"] = 0.99
    lines[1] = canonical_json(run_line)
    checksum = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    path.write_text("\n".join([canonical_json({**json.loads(header), "checksum": checksum}), *lines]) + "\n")
    with pytest.raises(RecordError, match=r"line 3.*0.99, where its counts give"):
        read_baseline(path)
