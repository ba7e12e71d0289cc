"""Figures that papers published: reference rows beside the measured ones, never samples."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from stabbench.errors import StabbenchError
from stabbench.stored import Frozen


class Published(Frozen):
    """One published row, in points as printed.

    Attributes:
        source: authors, year, table.
        model: name of the model.
        task: name of the task.
        strategy: name in the paper.
        metric: the paper's metric.
        n: number of seeds.
        std: standard deviation; most papers do not say which ddof.
        mean: mean.
        max: maximum.
    """

    source: str
    model: str
    task: str
    strategy: str
    metric: str
    n: int
    std: float | None = None
    mean: float | None = None
    max: float | None = None


def read_published(path: Path) -> tuple[Published, ...]:
    """Return the published figures of a file; none when there is no such file.

    Raises:
        StabbenchError: when the file is malformed.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
        found = [Published.model_validate(row) for row in rows]
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise StabbenchError(
            f"{path} is no file of published figures ({error}).", "take it from version control."
        ) from error
    return tuple(sorted(found, key=lambda row: (row.model, row.source, row.task, row.strategy)))
