"""SciTail (Khot et al., 2018). Its `snli_format` has the 23,596 training rows; `tsv_format` has fewer.

A local folder holds the release's own `tsv_format` layout in `SciTail/train.tsv` and `SciTail/dev.tsv`:
premise, hypothesis, label, without a header.
"""

from stabbench.tasks.base import FolderSource, Task

SCITAIL = Task(
    name="scitail",
    summary="science entailment, 23,596 pairs",
    metric="accuracy",
    text_columns=("sentence1", "sentence2"),
    label_column="gold_label",
    labels=("entails", "neutral"),
    source=FolderSource(
        hub="allenai/scitail",
        config="snli_format",
        folder="SciTail",
        columns=(0, 1, 2),
        width=3,
        header=False,
        hub_labels=("entailment", "neutral"),
    ),
)
