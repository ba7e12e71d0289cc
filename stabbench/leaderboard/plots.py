"""Draws pictures as SVG: deterministic, for colour-blind readers, on light and on dark ground."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stabbench.leaderboard.boxes import BAD, GOOD, GRID, TEXT, boxes, dots
from stabbench.leaderboard.pictures import FAILED, LEARNED, Picture
from stabbench.text import shown

GREEN, PURPLE = "#007a5a", "#a34a86"
"""Beside blue and vermilion where more than two lines are told apart; darker than Okabe and Ito's."""

DARK = {
    TEXT: "#d6dce2",
    GRID: "#3d444d",
    GOOD: "#56b4e9",
    BAD: "#e69f00",
    GREEN: "#2dbd94",
    PURPLE: "#d992bf",
}
"""What stands for each colour on dark ground."""

LAYERS = (0.22, 0.9)
"""Part of the colour map viridis for layers, from the lowest to the head: readable on both grounds."""

SETTINGS: Any = {  # matplotlib's own type lists every setting by name
    "svg.hashsalt": "stabbench",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titley": 1.0,  # else every tick is measured once more to see whether a title is in its way
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.edgecolor": GRID,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT),
}

WIDTH = 8.0  # inches
LETTER = 0.072  # width of a letter in inches


def draw(picture: Picture) -> str:
    """Return a picture as SVG text; equal pictures give equal text with one version of matplotlib."""
    buffer = io.StringIO()
    with rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a name in a script that the font lacks
        figure = DRAWINGS[picture.kind](picture.data)
        metadata = {
            "Date": None,
            "Creator": None,
            "Title": shown(picture.caption),
            "Description": mark(picture),
        }
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    return buffer.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")


def darkened(svg: str) -> str:
    """Return the same picture for dark ground."""

    def recoloured(tag: re.Match[str]) -> str:
        return re.sub(r"(?<=: )#[0-9a-f]{6}", lambda found: DARK.get(found[0], found[0]), tag[0])

    return re.sub(r"<[^<>]*>", recoloured, svg)  # a name that reads like a colour stays what it is


def mark(picture: Picture) -> str:
    """Return what an SVG file says about its data."""
    return f"data sha256:{picture.fingerprint}"


def _panels(
    columns: int,
    height: float,
    rows: int = 1,
    left: float = 0.6,
    right: float = 0.1,
    top: float = 0.3,
    bottom: float = 0.5,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """Return a figure of some panels; height and margins in inches."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    figure.subplots_adjust(
        left=left / WIDTH,
        right=1 - right / WIDTH,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=0.08,
        hspace=0.12,
    )
    return figure, list(axes.flat)


def _distributions(data: dict[str, Any]) -> Figure:
    names = data["strategies"]
    labels = [_short(name) for name in names]
    left = 0.2 + LETTER * max(map(len, labels))
    figure, panels = _panels(len(data["panels"]), 0.9 + 0.3 * len(names), left=left, sharey=True)
    for axes, panel in zip(panels, data["panels"], strict=True):
        axes.axvline(panel["constant"], color=TEXT, linestyle=":", linewidth=1)
        cells = [(place, panel["scores"].get(name, [])) for place, name in enumerate(names)]
        boxes(axes, cells, vertical=False)
        axes.set_title(_short(panel["task"]))
        axes.set_xlabel(f"dev score{panel['unit']}")
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(names)), labels)
    panels[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def _short(name: str, most: int = 40) -> str:
    text = shown(name)
    return text if len(text) <= most else text[: most - 1] + "…"


def _scores(data: dict[str, Any]) -> str:
    return f"dev {_short(data['metric'])}{data['unit']}"


def _plain_numbers(axis: Axis) -> None:
    """Label a logarithmic axis without mathematical markup; a short one at 2 and 5 times tens too."""
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _learning_rates(data: dict[str, Any]) -> Figure:
    panels = data["panels"]
    figure, axes_list = _panels(2 * len(panels), 3.5, top=0.5, bottom=0.8, sharey=True)
    kinds = [(panel, kind) for panel in panels for kind in ("without", "with")]
    for axes, (panel, kind) in zip(axes_list, kinds, strict=True):
        rates = sorted({rate for rate, _ in panel["without"] + panel["with"]})
        boxes(axes, [(rates.index(rate), runs) for rate, runs in panel[kind]], vertical=True)
        axes.axhline(data["constant"], color=TEXT, linestyle=":", linewidth=1)
        axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], rotation=45, ha="right")
        axes.set_xlim(-0.6, len(rates) - 0.4)
        axes.set_xlabel("learning rate")
        axes.set_title(f"{kind} bias correction\n{panel['epochs']} epochs")
        axes.grid(axis="x", visible=False)
    axes_list[0].set_ylabel(_scores(data))
    return figure


def _curves(data: dict[str, Any]) -> Figure:
    figure, axes = _panels(2, 4.6, rows=2, sharex="col", sharey="row")
    for column, side in enumerate(data["sides"]):
        colour = BAD if side["kind"] == FAILED else GOOD
        top, bottom = axes[column], axes[2 + column]
        for run in side["runs"]:
            loss = [np.nan if value is None else value for value in run["loss"]]
            top.plot(run["updates"], loss, color=colour, linewidth=1, alpha=0.6)
            steps = [step for step, _ in run["scores"]]
            scores = [score for _, score in run["scores"]]
            bottom.plot(steps, scores, color=colour, linewidth=1, alpha=0.6, marker=".", markersize=3)
        if side["entropy"] is not None:
            top.axhline(side["entropy"], color=TEXT, linestyle="--", linewidth=1)
        bottom.axhline(data["constant"], color=TEXT, linestyle=":", linewidth=1)
        top.set_title(f"{len(side['runs'])} runs of {_short(side['strategy'])} that {side['kind']}")
        bottom.set_xlabel("update")
    axes[0].set_ylabel("training loss")
    axes[2].set_ylabel(_scores(data))
    return figure


def _gradients(data: dict[str, Any]) -> Figure:
    figure, panels = _panels(2, 3.5, left=0.8, right=1.2, top=0.5, sharey=True)
    _layer_norms(figure, panels, data["panels"], 0.5)
    return figure


def _layer_norms(
    figure: Figure, axes_list: Sequence[Axes], panels: Sequence[dict[str, Any]], legend: float
) -> None:
    """Draw gradient norms by layer, a panel a run; ``legend`` is the legend's height in the figure."""
    ramp = matplotlib.colormaps["viridis"]
    for axes, panel in zip(axes_list, panels, strict=False):
        for number in range(len(panel["layers"])):
            place = number / max(1, len(panel["layers"]) - 1)
            norms = [row[number] for row in panel["norms"]]
            values = [np.nan if value is None or value <= 0 else value for value in norms]
            colour = ramp(LAYERS[0] + (LAYERS[1] - LAYERS[0]) * place)
            axes.plot(panel["updates"], values, color=colour, linewidth=1.2)
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)
        axes.set_title(f"{panel['kind']}, seed {panel['seed']}\n{_short(panel['strategy'])}")
        axes.set_xlabel("update")
    axes_list[0].set_ylabel("gradient norm")
    handles, labels = axes_list[0].get_lines(), [_short(layer, 16) for layer in panels[0]["layers"]]
    step = max(1, -(-len(labels) // 14))
    corner = (1 - 0.05 / WIDTH, legend)
    figure.legend(handles[::-step], labels[::-step], loc="center right", bbox_to_anchor=corner, fontsize=8)


def _report(data: dict[str, Any]) -> Figure:
    figure, axes = _panels(2, 6.4, rows=2, left=0.8, right=1.2, top=0.2)
    figure.subplots_adjust(hspace=0.42, wspace=0.22)
    for run in sorted(data["runs"], key=lambda run: (bool(run["bold"]), run["kind"] != LEARNED)):
        look: dict[str, Any] = {
            "color": GOOD if run["kind"] == LEARNED else BAD,
            "linewidth": 2.4 if run["bold"] else 0.9,
            "alpha": 0.75,
        }
        axes[0].plot(run["updates"], [np.nan if v is None else v for v in run["loss"]], **look)
        steps, scores = [step for step, _ in run["scores"]], [score for _, score in run["scores"]]
        axes[1].plot(steps, scores, marker=".", markersize=3, **look)
    if data["entropy"] is not None:
        axes[0].axhline(data["entropy"], color=TEXT, linestyle="--", linewidth=1)
    axes[0].set_ylim(bottom=0)
    axes[1].axhline(data["constant"], color=TEXT, linestyle=":", linewidth=1)
    for number, label in enumerate(("training loss", _scores(data))):
        axes[number].set_title(label)
        axes[number].set_xlabel("update")
    for unused in axes[2 + len(data["panels"]) :]:
        unused.set_axis_off()
    if data["panels"]:
        _layer_norms(figure, axes[2:], data["panels"], 0.27)
    if len(data["panels"]) == 2:
        low, high = (f(axes[2].get_ylim() + axes[3].get_ylim()) for f in (min, max))
        axes[2].set_ylim(low, high)
        axes[3].set_ylim(low, high)
    return figure


def _losses(data: dict[str, Any]) -> Figure:
    figure, (axes,) = _panels(1, 3.2, top=0.15)
    loss, score, kinds = zip(*data["points"], strict=True)
    dots(axes, loss, score, kinds)
    if min(loss) > 0:
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
    if data["entropy"] is not None:
        axes.axvline(data["entropy"], color=TEXT, linestyle="--", linewidth=1)
    axes.set_xlabel("training loss, last epoch")
    axes.set_ylabel(_scores(data))
    return figure


LINES = [(colour, dash) for dash in ("-", "--") for colour in (GOOD, BAD, GREEN, PURPLE)]
"""Looks of eight lines: every second four are dashed, so that no reader depends on colours alone."""


def _profiles(data: dict[str, Any]) -> Figure:
    names = [_short(one["strategy"]) for one in data["strategies"]]
    figure, (axes,) = _panels(1, 3.6, right=0.6 + LETTER * max(map(len, names)), top=0.15)
    for name, one, (colour, dash) in zip(names, data["strategies"], LINES, strict=False):
        axes.fill_between(data["grid"], one["low"], one["high"], color=colour, alpha=0.13, linewidth=0)
        axes.plot(data["grid"], one["share"], color=colour, linestyle=dash, linewidth=1.6, label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("normalised score: 0 = constant predictor, 1 = perfect")
    axes.set_ylabel("share of runs above it")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return figure


DRAWINGS: dict[str, Callable[[dict[str, Any]], Figure]] = {
    "distributions": _distributions,
    "learning_rates": _learning_rates,
    "curves": _curves,
    "gradients": _gradients,
    "losses": _losses,
    "profiles": _profiles,
    "report": _report,
}
