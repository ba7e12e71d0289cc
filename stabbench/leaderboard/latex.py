"""The leaderboard in LaTeX, in the shape of the paper's Table 1, to paste into one's own paper."""

from __future__ import annotations

from stabbench.leaderboard.board import Board
from stabbench.leaderboard.column import Cell
from stabbench.text import latex


def render(board: Board) -> str:
    """Return one table per model; needs the packages booktabs and textcomp."""
    return "\n".join(["% Made by `stabbench leaderboard`. Needs \\usepackage{booktabs,textcomp}."] + [
        _table(board, model) for model in board.models
    ])  # fmt: skip


def _table(board: Board, model: str) -> str:
    tasks, columns = board.tasks(model), board.layout.latex
    width = len(columns)
    groups = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{latex(task)}}}" for task in tasks)
    rules = " ".join(rf"\cmidrule(lr){{{2 + width * i}-{1 + width * (i + 1)}}}" for i in range(len(tasks)))
    sides = "".join(column.align[0] for column in columns)
    heads = [latex(column.title) for column in columns]
    lines = [
        r"\begin{table}",
        r"\centering\small\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{l{sides * len(tasks)}}}",
        r"\toprule",
        rf" & {groups} \\",
        rules,
        rf"Approach & {' & '.join(heads * len(tasks))} \\",
        r"\midrule",
        *(_line(board, model, strategy, tasks) for strategy in board.strategies(model)),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{_caption(board, model)}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(board: Board, model: str, strategy: str, tasks: list[str]) -> str:
    cells = [latex(strategy)]
    for task in tasks:
        row = board.row(model, task, strategy)
        cells += ["--" if row is None else _cell(column.cell(row)) for column in board.layout.latex]
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    before = latex(cell.before) + r"\," if cell.before else ""
    return before + latex(cell.text) + (latex(cell.after) if cell.after else "")


def _caption(board: Board, model: str) -> str:
    metrics = {row.scored_by for row in board.rows if row.model == model}
    measured = ", ".join(sorted(metric.name for metric in metrics if metric.scale == 1))
    lower = ", ".join(sorted(metric.name for metric in metrics if metric.better == "lower"))
    mixed = any(row.environment for row in board.rows if row.model == model)
    unit = f"in points ({measured}: as measured)." if measured else "in points."
    if lower:
        unit += f" Of {lower}, best is the lowest score."
    return (
        rf"Scores on the development set after fine-tuning {latex(model)}, {latex(unit)} "
        r"at chance: runs not significantly better than the best constant classifier, of all runs. "
        r"std: ddof = 1, all runs, those at chance included. "
        r"$\approx$: the steadiest (runs at chance, then spread) or not separable from it. "
        r"$\ast$ ($\star$): smallest std of the runs that learned, differs from the next larger one with "
        r"$p \le .05$ ($.001$), Brown--Forsythe, Holm-adjusted over the tasks. "
        r"$\dagger$: fewer than 20 seeds, $\ddagger$: incomplete, \S{}: stopped early, "
        r"=: the final scores of another row; these are not ranked."
        + (r" \P{}: runs of mixed environments." if mixed else "")
    )
