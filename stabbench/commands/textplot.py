"""Distributions of scores as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stabbench.metrics import Metric

BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH = 56


def strips(
    samples: Mapping[str, Sequence[float]], constant: float, metric: Metric, width: int = WIDTH
) -> str:
    """Return a histogram line for each sample on one common axis, and the axis.

    Args:
        samples: name -> scores, at least one score in all.
        constant: the score of the best constant predictor, marked on the axis.
        metric: what the scores are.
        width: columns of the axis.

    Returns:
        Lines of text; the fullest bin of each sample is a full block, an empty one is blank.
    """
    values = [score for scores in samples.values() for score in scores] + [constant]
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def column(score: float) -> int:
        return min(width - 1, int((score - low) / span * width))

    margin = max(map(len, samples))
    lines = []
    for name, scores in samples.items():
        counts = [0] * width
        for score in scores:
            counts[column(score)] += 1
        fullest = max(counts) or 1
        blocks = "".join(BLOCKS[-(-count * (len(BLOCKS) - 1) // fullest)] for count in counts)
        lines.append(f"{name:<{margin}}  {blocks}".rstrip())
    axis = ["-"] * width
    axis[column(constant)] = "^"
    lines.append(f"{'':<{margin}}  {''.join(axis)}")
    left = metric.text(low)
    ends = f"{left}{metric.text(high):>{width - len(left)}}"
    lines.append(f"{'':<{margin}}  {ends}   (^ constant classifier, {metric.text(constant)})")
    return "\n".join(lines)
