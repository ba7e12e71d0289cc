"""Draws the power of gates against the number of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib import rc_context
from matplotlib.figure import Figure

from stabbench.commands.seeds_questions import Question, grid
from stabbench.leaderboard.boxes import TEXT
from stabbench.leaderboard.plots import LAYERS, SETTINGS

MOST_LINES = 6
STYLES = ("-", "--", "-.", ":")


def write(path: Path, questions: Sequence[Question], wanted: float) -> None:
    """Write a picture with a panel for each gate, in the format that the file's name ends with.

    Args:
        path: ``.svg`` or ``.png``.
        questions: a line each; of a gate with many, those with the second truth alone.
        wanted: the power at which a line is drawn.
    """
    gates = {
        gate: [q for q in questions if q.gate == gate] for gate in dict.fromkeys(q.gate for q in questions)
    }
    with rc_context(SETTINGS):
        rows = -(-len(gates) // 2)
        figure = Figure(figsize=(9.0 if len(gates) > 1 else 5.5, 3.1 * rows), layout="constrained")
        panels = figure.subplots(rows, min(2, len(gates)), squeeze=False).flatten()
        for axes, (gate, asked) in zip(panels, gates.items(), strict=False):
            truths = list(dict.fromkeys(q.truth for q in asked))
            shown = asked if len(asked) <= MOST_LINES else [q for q in asked if q.truth == truths[1]]
            one_truth = len({q.truth for q in shown}) == 1
            most = max((q.least or 250 for q in shown), default=100) * 5 // 4
            for number, question in enumerate(shown):
                name = question.verdict if one_truth else f"if {question.truth}"
                place = number / max(1, len(shown) - 1)
                seeds = grid(question, most)
                axes.plot(
                    seeds,
                    [question.power_at(n) for n in seeds],
                    color=matplotlib.colormaps["viridis"](LAYERS[0] + (LAYERS[1] - LAYERS[0]) * place),
                    linestyle=STYLES[number % len(STYLES)],
                    label=f"{name}, {question.runs}" if question.runs else name,
                )
            axes.axhline(wanted, color=TEXT, linewidth=0.8, linestyle=":")
            verdicts = ", ".join(dict.fromkeys(q.verdict for q in shown))
            axes.set_title(f"{gate}, if {shown[0].truth}" if one_truth else f"{gate}: {verdicts}")
            axes.set_ylim(0, 1.02)
            axes.set_xlabel("seeds")
            axes.set_ylabel("power")
            axes.legend(fontsize=7, loc="lower right", frameon=True, framealpha=0.85, edgecolor="none")
        for unused in panels[len(gates) :]:
            unused.set_axis_off()
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata=metadata, facecolor="white")
