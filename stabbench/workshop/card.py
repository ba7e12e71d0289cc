"""``stabbench mini card``: the encoder's model card, written from the files that the other commands left."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from stabbench.errors import DataError
from stabbench.leaderboard.board import build
from stabbench.leaderboard.markdown import embedded
from stabbench.leaderboard.pictures import Picture, pictures
from stabbench.mini import checkpoint_path
from stabbench.runs import RunRecord
from stabbench.samples.archive import read_archive
from stabbench.samples.baselines import read_baseline
from stabbench.samples.collection import Collection
from stabbench.workshop.calibration import MODEL, table
from stabbench.workshop.search import TASKS, cells, chosen_rate, edge_line
from stabbench.workshop.search import table as grid_table


def card(
    pretraining: dict[str, Any],
    calibration: list[RunRecord],
    grids: dict[str, list[RunRecord]],
    second: list[RunRecord],
) -> str:
    """Return the card.

    Args:
        pretraining: what ``stabbench mini pretrain`` wrote beside the shipped weights.
        calibration: the runs of ``stabbench mini calibrate``.
        grids: title -> the runs of ``stabbench mini search`` on one encoder, the shipped one first.
        second: runs of whole recipes on the second encoder.
    """
    rate = chosen_rate(cells(next(iter(grids.values()))))
    parts = []
    for title, records in grids.items():
        grid = cells(records)
        lines = [f"- {edge_line(grid, task)}." for task in sorted({cell.task for cell in grid})]
        shown = "\n".join(embedded(picture) for picture in grid_pictures(records))
        parts.append(f"{title}:\n\n{grid_table(grid)}\n\n" + "\n".join(lines) + f"\n\n{shown.rstrip()}")
    recipe = pretraining["recipe"]
    template = (checkpoint_path().parent / "card.md").read_text(encoding="utf-8")
    return template.format(
        **recipe,
        seed=pretraining["seed"],
        steps=pretraining["steps"],
        weights=pretraining["loss_weights"],
        losses=pretraining["losses"][-1],
        machine=pretraining["machine"],
        minutes=round(pretraining["wall_seconds"] / 60),
        sha256=pretraining["sha256"],
        tasks=_tasks(),
        rate=rate or 0,
        grids="\n\n".join(parts),
        second=table(second),
        calibration=table(calibration),
    )


def grid_pictures(records: list[RunRecord]) -> list[Picture]:
    """Return the scores of a grid over its learning rates, with and without bias correction, by task."""
    drawn = pictures(build(Collection.of(records)))
    return [picture for picture in drawn if picture.kind == "learning_rates"]


def _tasks() -> str:
    import numpy as np

    from stabbench import metrics, tasks
    from stabbench.tasks.loading import load

    shapes = {"mini-cola": "CoLA", "mini-rte": "RTE", "mini-mrpc": "MRPC"}
    lines = []
    for name in TASKS:
        task = tasks.get(name)
        data = load(task)
        constant = metrics.for_classifiers(task.metric).constant(np.bincount(data.dev.labels).tolist())
        sizes = f"{len(data.train.labels)} | {len(data.dev.labels)}"
        lines.append(f"| {name} | {shapes[name]} | {sizes} | {task.metric} | {constant:.4f} |")
    return "\n".join(lines)


def read_parts(
    baselines: Path,
) -> tuple[list[RunRecord], dict[str, list[RunRecord]], list[RunRecord]]:
    """Return the runs of the calibration, of the grids, and of whole recipes on the second encoder.

    Raises:
        RecordError: when an archive, or the second encoder's baseline, is missing or damaged.
    """

    def records(name: str) -> list[RunRecord]:
        return list(read_archive(baselines / name).records)

    grids = {
        f"The shipped encoder ({MODEL}, seed 0)": records("mini-grid.runs.jsonl.gz"),
        "A second encoder, pre-trained with `--seed 1`": records("mini-grid-seed1.runs.jsonl.gz"),
    }
    return records("mini.runs.jsonl.gz"), grids, list(read_baseline(baselines / "mini-seed1.jsonl").records)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stabbench mini card``."""
    parser.add_argument("--baselines", type=Path, default=Path("baselines"), help="default: baselines")
    parser.add_argument("--check", action="store_true", help="fail where the card differs; write nothing")


def run(arguments: argparse.Namespace) -> int:
    """Write or check the card."""
    from stabbench.leaderboard.output import picture_differences, svg_files, write_files

    place = checkpoint_path()
    calibration, grids, second = read_parts(arguments.baselines)
    text = card(json.loads((place / "pretraining.json").read_text()), calibration, grids, second)
    drawn = [picture for records in grids.values() for picture in grid_pictures(records)]
    readme = place / "README.md"
    if not arguments.check:
        write_files({readme.name: text} | svg_files(drawn), place)
        print(f"wrote {readme} and its pictures")
    elif not readme.exists() or readme.read_text(encoding="utf-8") != text:
        raise DataError(f"{readme} is not what the runs give.", "run `stabbench mini card`.")
    elif different := picture_differences(drawn, place):
        raise DataError(f"pictures of {readme}: {'; '.join(different)}.", "run `stabbench mini card`.")
    return 0
