"""The model card: written from records, every number of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stabbench.leaderboard.output import picture_differences, svg_files, write_files
from stabbench.mini import checkpoint_path
from stabbench.workshop.card import card, grid_pictures, read_parts

ROOT = Path(__file__).parents[2]
Parts = tuple[Any, Any, Any]


@pytest.fixture(scope="module")
def parts() -> Parts:
    """Return the records that were committed."""
    return read_parts(ROOT / "baselines")


def test_the_committed_card_is_what_the_records_give(parts: Parts) -> None:
    place = checkpoint_path()
    calibration, grids, second = parts
    text = card(json.loads((place / "pretraining.json").read_text()), calibration, grids, second)
    assert (place / "README.md").read_text(encoding="utf-8") == text
    shown = [picture for records in grids.values() for picture in grid_pictures(records)]
    assert {picture.path(dark=False) for picture in shown} == set(re.findall(r'src="(.*?)"', text))
    assert picture_differences(shown, place) == []


def test_a_picture_of_other_runs_is_noticed(parts: Parts, tmp_path: Path) -> None:
    _, grids, _ = parts
    records = next(iter(grids.values()))
    write_files(svg_files(grid_pictures(records)[:1]), tmp_path)
    assert picture_differences(grid_pictures(records)[:1], tmp_path) == []
    fewer = [record for record in records if record.seed]
    assert len(picture_differences(grid_pictures(fewer)[:1], tmp_path)) == 2  # for light and for dark ground


def test_the_shipped_weights_are_those_of_the_card() -> None:
    import hashlib

    place = checkpoint_path()
    found = hashlib.sha256((place / "model.safetensors").read_bytes()).hexdigest()
    assert found == json.loads((place / "pretraining.json").read_text())["sha256"]
    assert found in (place / "README.md").read_text(encoding="utf-8")


def test_a_changed_record_changes_the_card(parts: Parts) -> None:
    place = checkpoint_path()
    report, committed = (
        json.loads((place / "pretraining.json").read_text()),
        (place / "README.md").read_text(),
    )
    calibration, grids, second = parts
    assert card(report, calibration[1:], grids, second) != committed
    assert card({**report, "seed": 7}, calibration, grids, second) != committed
