"""Other dev data: from kept predictions to intervals, and what is said where they are not kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stabbench import metrics
from stabbench.cli import main
from stabbench.runs import Store
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.other_data import judge, other_data, two_on_other_data, unknown, unknown_together
from stabbench.samples.traces import Traces, check_traces
from tests.leaderboard.generate import fill, runs
from tests.samples.records import SHAKY, records


def made(
    strategy: str = "ours", task: str = "mini-rte", seeds: int = 6, **options: object
) -> list[RunWithTraces]:
    return runs([strategy], [task], range(seeds), **options)


@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_counts_in_arrays_are_judged_as_the_metric_judges_each(name: str, n_labels: int) -> None:
    generator = np.random.default_rng(n_labels)
    counts = generator.integers(0, 6, (400, 1, n_labels, n_labels))
    counts[:60, :, 0] = 0  # draws that lack a label
    counts[40:120, ..., 1] = 0  # answers that nobody gives
    counts[..., 0, 0] += counts.sum(axis=(-2, -1)) == 0
    metric = metrics.get(name)
    assert isinstance(metric, metrics.LabelMetric)
    scores, failed = judge(metric, counts)
    tables = [tuple(map(tuple, table.tolist())) for (table,) in counts]
    assert scores[:, 0] == pytest.approx([metric.value(table) for table in tables], abs=1e-12)
    assert failed[:, 0].tolist() == [metric.fails(table) for table in tables]


def test_any_metric_of_labels_is_resampled() -> None:
    own = replace(metrics.get("balanced-accuracy"), name="mine")
    assert isinstance(own, metrics.LabelMetric)
    counts = np.array([[[[8, 2], [0, 5]]], [[[5, 0], [10, 0]]]])
    scores, failed = judge(own, counts)
    assert scores.tolist() == [[0.9], [0.5]]
    assert failed.tolist() == [[False], [True]]


@pytest.mark.parametrize("task", ["mini-rte", "mini-mrpc", "mini-cola"])
def test_what_was_seen_is_what_the_records_say(task: str) -> None:
    some = made("devlin", task, 12)
    found = other_data(some)
    assert found is not None
    scores = [run.record.last.value for run in some]
    assert found.mean.value == pytest.approx(np.mean(scores))
    assert found.std.value == pytest.approx(np.std(scores, ddof=1))
    assert found.mean.low < found.mean.value < found.mean.high
    assert other_data(some) == found, "the draws differ from call to call"


def test_the_order_of_the_labels_matters_and_is_the_rows_own() -> None:
    some = made()
    order = np.random.default_rng(0).permutation(len(some[0].traces.labels))

    def moved(run: RunWithTraces) -> RunWithTraces:
        change = {
            name: tuple(np.array(getattr(run.traces, name))[order]) for name in ("predictions", "labels")
        }
        return replace(run, traces=run.traces.model_copy(update=change))

    shuffled = [moved(run) for run in some]
    one, other = other_data(some), other_data(shuffled)
    assert one is not None
    assert other is not None
    assert one.mean.value == other.mean.value
    assert unknown_together(some, shuffled) == "the two have the dev rows in different orders"
    assert two_on_other_data(some, shuffled) is None


def test_a_diverged_run_is_the_constant_predictor_everywhere() -> None:
    bad = runs(["devlin"], ["mini-rte"], range(6, 12), kind="diverged")
    found = other_data([*made("devlin", seeds=6, kind="success"), *bad])
    assert found is not None
    assert found.failure_rate.value == 0.5
    alone = other_data(bad)
    assert alone is not None
    assert alone.mean.value == pytest.approx(bad[0].record.constant)
    assert alone.failure_rate[0] == 1
    assert alone.failure_rate[2] == 1


def turned(run: RunWithTraces) -> tuple[int, ...]:
    """Return the predictions with three rows turned over, the same in every run."""
    return (*(1 - label for label in run.traces.predictions[:3]), *run.traces.predictions[3:])


def test_equal_seeds_are_drawn_together() -> None:
    some = made("devlin", seeds=12)
    same = two_on_other_data(some, some)
    assert same is not None
    assert same[2].mean == (0, 0, 0)
    shifted = [
        replace(run, traces=run.traces.model_copy(update={"predictions": turned(run)})) for run in some
    ]
    near = two_on_other_data(some, shifted)
    assert near is not None
    width = near[2].mean.high - near[2].mean.low
    assert width < (near[0].mean.high - near[0].mean.low) / 4, "what both sides share was not taken off"
    other = two_on_other_data(some, some[:11])
    assert other is not None
    assert other[2].mean.low < 0 < other[2].mean.high


def test_it_says_what_is_not_known() -> None:
    bare = made(bare=True)
    assert unknown(bare) == "no predictions"
    assert other_data(bare) is None
    some = made()
    assert unknown([*some, *bare[:1]]) == "1 of 7 runs: no predictions"
    old = [replace(run, traces=run.traces.model_copy(update={"labels": ()})) for run in some]
    assert unknown(old) == "no labels of the dev rows"
    loss = [
        replace(run, record=run.record.model_copy(update={"metric": "loss", "better": "lower"}))
        for run in some
    ]
    assert unknown(loss) == "loss is no score of predicted labels"


@pytest.mark.parametrize("labels", [(0,), (1, 0), "swapped", "sorted wrongly"])
def test_labels_that_do_not_give_the_counts_are_refused(labels: object) -> None:
    run = made(kind="success")[0]
    kept = np.array(run.traces.labels)
    if labels == "swapped":
        kept = 1 - kept
    elif labels == "sorted wrongly":  # as many of each, but other rows
        kept = kept[::-1]
    else:
        kept = np.array(labels)
    check_traces(run.record, run.traces)
    with pytest.raises(ValueError, match="labels"):
        check_traces(run.record, run.traces.model_copy(update={"labels": tuple(kept.tolist())}))


def test_traces_without_labels_are_written_as_before() -> None:
    assert "labels" not in Traces(predictions=(1,)).model_dump(mode="json")
    assert Traces(labels=(1,)).model_dump(mode="json")["labels"] == [1]


def test_compare_has_a_section_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Store(tmp_path / "store"), ["ours", "devlin"], ["mini-rte"], range(12))
    main(["compare", "store:devlin", "store:ours"])
    said = capsys.readouterr().out
    assert "On other dev data: 95 % intervals for other seeds and 500 other dev rows" in said
    line = next(line for line in said.splitlines() if line.startswith("mean  "))
    assert line.count(" to ") == 3
    assert "+" in line.split("  ")[-1], "ours is better than devlin"
    main(["compare", "store:devlin", "store:ours", "--checkpoint", "best"])
    assert "not known: predictions are those of the last checkpoint" in capsys.readouterr().out
    bare = Store(tmp_path / "bare")
    for record in records(SHAKY):
        bare.write(record)
    main(["compare", "bare", "bare"])
    assert "not known: no predictions of A; no predictions of B" in capsys.readouterr().out
