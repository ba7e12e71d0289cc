"""The GLUE tasks of Mosbach et al. (2021), section 3.1, with the metrics of its Table 1, and MNLI.

MNLI is what intermediate training starts from (Phang et al., 2018). Labels are numbered as in
`nyu-mll/glue`. The sizes printed in the paper's Table 2 count header lines.
"""

from stabbench.tasks.base import FolderSource, Task


def _glue(name: str, columns: tuple[int, ...], width: int, *, header: bool = True) -> FolderSource:
    folder = {"cola": "CoLA"}.get(name, name.upper())
    return FolderSource(
        hub="nyu-mll/glue", config=name, folder=folder, columns=columns, width=width, header=header
    )


RTE = Task(
    name="rte",
    summary="textual entailment, 2,490 pairs",
    metric="accuracy",
    text_columns=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    source=_glue("rte", (1, 2, 3), 4),
)
MRPC = Task(
    name="mrpc",
    summary="paraphrase, 3,668 pairs",
    metric="f1",
    text_columns=("sentence1", "sentence2"),
    labels=("0", "1"),
    source=_glue("mrpc", (3, 4, 0), 5),
)
COLA = Task(
    name="cola",
    summary="linguistic acceptability, 8,551 sentences",
    metric="matthews",
    text_columns=("sentence",),
    labels=("0", "1"),
    source=_glue("cola", (3, 1), 4, header=False),
)
QNLI = Task(
    name="qnli",
    summary="does the sentence answer the question, 104,743 pairs",
    metric="accuracy",
    text_columns=("question", "sentence"),
    labels=("entailment", "not_entailment"),
    source=_glue("qnli", (1, 2, 3), 4),
)
MNLI = Task(
    name="mnli",
    summary="textual entailment in three classes, 392,702 pairs, matched dev set",
    metric="accuracy",
    text_columns=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    source=FolderSource(
        hub="nyu-mll/glue",
        config="mnli",
        splits=("train", "validation_matched"),
        folder="MNLI",
        files=("train.tsv", "dev_matched.tsv"),
        columns=(8, 9, -1),  # gold_label is last; the dev file has the other annotators' labels before it
        width=(12, 16),
    ),
)
