"""The tasks of the embedded mini world; ``stabbench.mini.tasks`` makes their rows."""

from stabbench.tasks.base import MiniSource, Task


def _mini(name: str, summary: str, metric: str, labels: tuple[str, str], yes: int, *columns: str) -> Task:
    return Task(
        name=name,
        summary=summary,
        metric=metric,
        text_columns=columns,
        labels=labels,
        source=MiniSource(generator=name, yes=yes),
    )


MINI_COLA = _mini(
    "mini-cola",
    "acceptability in the mini world, 560 sentences",
    "matthews",
    ("unacceptable", "acceptable"),
    1,
    "sentence",
)
MINI_RTE = _mini(
    "mini-rte",
    "entailment in the mini world, 320 pairs",
    "accuracy",
    ("entailment", "not_entailment"),
    0,
    "sentence1",
    "sentence2",
)
MINI_MRPC = _mini(
    "mini-mrpc",
    "paraphrase in the mini world, 400 pairs",
    "f1",
    ("different", "same"),
    1,
    "sentence1",
    "sentence2",
)
