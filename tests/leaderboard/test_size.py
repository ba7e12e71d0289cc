from __future__ import annotations

import json
from collections.abc import Callable
from time import monotonic

import pytest

from stabbench.leaderboard import page
from stabbench.leaderboard.board import build
from stabbench.samples.collection import Collection, RunWithTraces, collect
from stabbench.spec import Seeds
from tests.leaderboard.generate import runs

RUNS = 10_000


def ten_thousand() -> Collection:
    """Return 10,000 runs: 100 strategies x 4 models x 25 seeds, made of copies of a few generated ones."""
    patterns = [runs([strategy], ["mini-rte"], range(25)) for strategy in ("ours", "devlin")]
    made = [
        renamed(pattern, f"strategy-{number:02}", f"model-{model}")
        for number in range(100)
        for model in range(4)
        for pattern in patterns[number % 2]
    ]
    return collect([Collection(tuple(made))])


def renamed(run: RunWithTraces, strategy: str, model: str) -> RunWithTraces:
    spec = run.record.spec
    assert spec is not None
    spec = spec.change(
        strategy=spec.work.strategy.model_copy(update={"name": strategy, "label": strategy}),
        model=spec.work.model.model_copy(update={"name": model}),
        seeds=Seeds.all(run.record.seed),
    )
    change = {"spec": spec, "key": spec.key, "group": spec.group, "strategy": strategy, "model": model}
    return RunWithTraces(run.record.model_copy(update=change), run.traces)


@pytest.mark.slow
def test_ten_thousand_runs_make_a_page_under_eight_megabytes(
    record_property: Callable[[str, object], None],
) -> None:
    collection = ten_thousand()
    assert len(collection.runs) == RUNS
    start = monotonic()
    board = build(collection)
    text = page.render(board)
    record_property("seconds", monotonic() - start)
    record_property("bytes", len(text.encode()))
    assert len(text.encode()) < 8_000_000
    found = json.loads(text.split('type="application/json">')[1].split("</script>")[0])
    assert sum(len(group["runs"]) for group in found["groups"].values()) == RUNS
    failed = [run[0] for group in found["groups"].values() for run in group["runs"] if run[3]]
    assert 0 < len(failed) < RUNS
    assert f"for {len(found['curves'])} of {RUNS} runs" in found["curves_note"]
