"""The tasks of the embedded mini world."""

from stabbench.tasks.base import Metric, MiniSource, Task


def _mini(name: str, summary: str, metric: Metric, labels: tuple[str, str], *columns: str) -> Task:
    return Task(
        name=name,
        summary=summary,
        metric=metric,
        text_columns=columns,
        labels=labels,
        source=MiniSource(name=name),
    )


MINI_COLA = _mini(
    "mini-cola", "acceptability in the mini world", "matthews", ("unacceptable", "acceptable"), "sentence"
)
MINI_RTE = _mini(
    "mini-rte",
    "entailment in the mini world",
    "accuracy",
    ("entailment", "not_entailment"),
    "sentence1",
    "sentence2",
)
MINI_MRPC = _mini(
    "mini-mrpc",
    "paraphrase in the mini world",
    "f1",
    ("different", "same"),
    "sentence1",
    "sentence2",
)
