"""What the board and the report say of other dev data, and per-point stability by the rows' own labels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from stabbench.leaderboard import data
from stabbench.leaderboard.board import build
from stabbench.leaderboard.measures import per_point
from stabbench.leaderboard.report import group_report
from stabbench.leaderboard.table import Row
from stabbench.samples.collection import Collection, RunWithTraces, collect
from stabbench.samples.groups import group_runs
from stabbench.samples.other_data import other_data
from tests.leaderboard.generate import runs


def test_the_data_and_the_report_have_it() -> None:
    some = runs(["devlin"], ["mini-rte"], range(25))
    found = other_data(some)
    assert found is not None
    collection = collect([Collection(tuple(some))])
    (entry,) = json.loads(data.to_json(build(collection)))["rows"]
    ends = [entry[f"other_data{end}"] for end in ("", "_low", "_high")]
    assert ends == pytest.approx(list(found.mean), rel=1e-5)
    assert entry["seeds_share"] == pytest.approx(found.seeds_share, rel=1e-5)
    said = group_report(group_runs(collection)[0])
    assert f"mean {100 * found.mean.low:.1f} to {100 * found.mean.high:.1f}, std" in said
    assert f"{found.seeds_share:.0%} is the seed's" in said


def test_without_predictions_it_is_left_out() -> None:
    collection = collect([Collection(tuple(runs(["devlin"], ["mini-rte"], range(25), bare=True)))])
    (entry,) = json.loads(data.to_json(build(collection)))["rows"]
    assert (entry["other_data"], entry["other_data_low"], entry["seeds_share"]) == (None, None, None)
    assert "other dev data" not in group_report(group_runs(collection)[0])


@pytest.mark.parametrize("labels", [(), (2, 0, 1, 0)])
def test_per_point_stability_goes_by_the_rows_own_labels(labels: tuple[int, ...]) -> None:
    answers = [(2, 0, 1, 0), (1, 0, 1, 2), (0, 1, 1, 1)]

    def made(run: RunWithTraces, given: tuple[int, ...]) -> RunWithTraces:
        record = run.record.model_copy(update={"dev_counts": (2, 1, 1), "n_dev": 4})
        traces = run.traces.model_copy(update={"predictions": given, "labels": labels})
        return RunWithTraces(record, traces)

    (group,) = group_runs(Collection(tuple(runs(["ours"], ["mini-rte"], range(3)))))
    pairs = zip(group.runs, answers, strict=True)
    row = Row(replace(group, runs=tuple(made(run, given) for run, given in pairs)))
    if not labels:
        assert per_point(row) is None, "counts do not tell which row has which of three labels"
    else:
        right = np.equal(answers, labels).mean(axis=0)
        assert per_point(row) == pytest.approx((right * (1 - right)).mean())
