"""The benchmark of the training step: its contestants train the same, its tables say what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
STEPS = 12


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import trainer_table

    return trainer_table


def rows(table, times):
    place = {"device": "a CPU", "threads": 1, "torch": "2", "transformers": "5"}
    return [
        {"case": "small", "name": name, "round": number, "ms": ms, "environment": place}
        for name, own in times.items()
        for number, ms in enumerate(own)
    ]


def test_a_ratio_keeps_together_what_was_measured_in_one_round(table):
    slow_and_fast_minutes = np.array([10.0, 30.0, 10.0, 30.0, 20.0])
    assert table.ratio(2 * slow_and_fast_minutes, slow_and_fast_minutes) == pytest.approx((2, 2, 2))
    apart, low, high = table.ratio(2 * slow_and_fast_minutes[::-1], slow_and_fast_minutes[[1, 0, 3, 2, 4]])
    assert apart == pytest.approx(2)
    assert low < 1.5
    assert high > 3


def test_the_table_is_made_from_what_was_kept(table, tmp_path):
    kept = rows(table, {"ours": [20.0, 10.0, 30.0], "Trainer": [40.0, 20.0, 60.0]})
    table.save(tmp_path / "a.json", kept[::-1])
    found = table.load([tmp_path / "a.json"])
    cells = [line.split("|")[2:8] for line in table.table(found, "ours").splitlines()[2:]]
    values = {name.strip(): [cell.strip() for cell in cells] for name, *cells in cells}
    assert values == {
        "ours": ["3", "20.00", "", "", ""],
        "Trainer": ["3", "40.00", "+20.00", "2.00", "2.00 to 2.00"],
    }
    assert table.machine(found) == "a CPU, 1 threads, torch 2, transformers 5"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_all_contestants_train_the_same(table, tmp_path):
    import torch
    from trainer_cases import request_of, sentences
    from trainer_contestants import CONTESTANTS, Clock

    case = sentences(tmp_path, STEPS)
    values = {
        f"{kind}_dropout": 0.0 for kind in ("hidden", "attention", "classifier")
    }  # no two draw the same
    values |= {
        "epsilon_placement": "after_correction",
        "steps": STEPS,
        "learning_rate": 1e-3,
    }  # torch's AdamW
    request = request_of(case, "bias-correction", **values)
    ids = torch.randint(4, 204, (8, 10), generator=torch.Generator().manual_seed(0))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    logits = {}
    for name, contestant in CONTESTANTS.items():
        clock = Clock(STEPS + 1, 1, torch.device("cpu"))  # never stops it
        model = contestant(request, clock).eval()
        with torch.no_grad():
            logits[name] = model(**batch).logits
    for name, found in logits.items():
        assert torch.allclose(found, logits["ours"], atol=1e-4), name


@pytest.mark.slow
def test_the_quick_mode_measures_every_contestant(tmp_path):
    place = tmp_path / "measured.json"
    command = [sys.executable, BENCHMARKS / "trainer.py", "--quick", "--cases", "sentences", "--json", place]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(place.read_text())
    assert {row["name"] for row in found} == {"ours", "Trainer", "plain loop", "accelerate"}
    assert all(row["ms"] > 0 for row in found)
    again = subprocess.run([*command[:2], "--from", place], check=True, capture_output=True, text=True)
    assert "| plain loop" in again.stdout
