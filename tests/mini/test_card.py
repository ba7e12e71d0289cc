"""The model card: written from records, every number of it."""

from __future__ import annotations

import json
from pathlib import Path

from stabbench.mini import checkpoint_path
from stabbench.mini.card import card, read_parts
from stabbench.spec import digest

ROOT = Path(__file__).parents[2]


def test_the_committed_card_is_what_the_records_give() -> None:
    place = checkpoint_path()
    text = card(json.loads((place / "pretraining.json").read_text()), *read_parts(ROOT / "baselines"))
    assert (place / "README.md").read_text(encoding="utf-8") == text


def test_the_shipped_weights_are_those_of_the_card() -> None:
    import hashlib

    place = checkpoint_path()
    found = hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()
    assert found == json.loads((place / "pretraining.json").read_text())["sha256"]
    assert found in (place / "README.md").read_text(encoding="utf-8")


def test_a_changed_record_changes_the_card() -> None:
    place = checkpoint_path()
    report = json.loads((place / "pretraining.json").read_text())
    calibration, grids = read_parts(ROOT / "baselines")
    assert digest(card(report, calibration, grids)) != digest(card(report, calibration[1:], grids))
    assert digest(card(report, calibration, grids)) != digest(card({**report, "seed": 7}, calibration, grids))
