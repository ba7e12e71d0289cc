"""A store as a data frame, one row a run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import stabbench
from stabbench.runs import Store
from tests.samples.records import STEADY, N, record, records


def test_one_row_a_run_with_recipe_and_environment(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run in [
        *records(STEADY[:3]),
        *records([146, None], strategy="devlin", recipe={"bias_correction": False}),
    ]:
        store.write(run)
    frame = stabbench.load(tmp_path).to_pandas()
    assert len(frame) == 5
    assert list(frame["strategy"]) == ["devlin", "devlin", "ours", "ours", "ours"]
    assert list(frame["seed"]) == [0, 1, 0, 1, 2]
    assert list(frame["failed"]) == [True, True, False, False, False]
    assert list(frame["status"]) == ["completed", "diverged", "completed", "completed", "completed"]
    assert list(frame["recipe.bias_correction"]) == [False, False, True, True, True]
    assert list(frame["last"])[2:] == [correct / N for correct in STEADY[:3]]
    assert set(frame["environment.device"]) == {"cpu"}
    assert frame["key"].is_unique


def test_groups_leave_replicates_out_and_problems_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run in records(STEADY[:3]):
        store.write(run)
    store.write(record(0, 188, replicate=1))
    broken = store.write(record(7, 188))
    (store.folder(broken.key) / "record.json").write_text("{")
    found = stabbench.load(store)
    assert len(found.records) == 4
    assert len(found.problems) == 1
    (group,) = found.groups()
    assert [run.seed for run in group.runs] == [0, 1, 2]


def test_load_is_imported_only_when_asked_for() -> None:
    code = "import sys, stabbench; assert not {'pandas', 'torch', 'scipy'} & set(sys.modules); stabbench.load"
    subprocess.run([sys.executable, "-c", code], check=True)
