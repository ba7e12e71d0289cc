"""The rows of the mini tasks, generated: CoLA's, RTE's and MRPC's shape.

Rows open with sentences that are held out of the pre-training text, none of them twice, so train and dev
have no row in common. What sets the label apart keeps the number of words (see ``edits``), and how many
rows have which label is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stabbench.mini.edits import broken, changed, entailed, follows, paraphrased
from stabbench.mini.language import Clause, Dice, draw

Texts = tuple[str, ...]


@dataclass(frozen=True)
class Generator:
    """How one task's rows are made.

    Attributes:
        seed: of its sentences.
        train: training rows.
        dev: dev rows.
        positive: rows in a hundred of which the label says yes.
        texts: makes the texts of a row from its first sentence and from whether the label says yes.
    """

    seed: int
    train: int
    dev: int
    positive: int
    texts: Callable[[Dice, Clause, bool], Texts]

    def rows(self) -> tuple[list[tuple[Texts, bool]], list[tuple[Texts, bool]]]:
        """Return the training rows and the dev rows, each as its texts and whether the label says yes."""
        dice, used = Dice(self.seed), set[str]()
        splits = []
        for count in (self.train, self.dev):
            yes = round(count * self.positive / 100)
            labels = dice.shuffled([True] * yes + [False] * (count - yes))
            splits.append([(self.texts(dice, _unused(dice, used), label), label) for label in labels])
        return splits[0], splits[1]


def _unused(dice: Dice, used: set[str]) -> Clause:
    """Draw a held-out sentence that has not been drawn before."""
    while True:
        clause = draw(dice)
        if clause.held_out and clause.text not in used:
            used.add(clause.text)
            return clause


def _acceptability(dice: Dice, clause: Clause, acceptable: bool) -> Texts:
    return (clause.text if acceptable else broken(dice, clause),)


def _entailment(dice: Dice, clause: Clause, yes: bool) -> Texts:
    return _pair(dice, clause, entailed(dice, clause), yes, changes=1)


def _paraphrase(dice: Dice, clause: Clause, yes: bool) -> Texts:
    return _pair(dice, clause, paraphrased(dice, clause), yes, changes=2)


def _pair(dice: Dice, first: Clause, restated: Clause, yes: bool, changes: int) -> Texts:
    """Return a sentence and its restatement, with something changed in it where the label says no."""
    second = restated
    while not yes and follows(first, second):  # again where changes undid each other
        second = restated
        for _ in range(changes):
            second = changed(dice, second)
    return (first.text, second.text)


GENERATORS = {
    "mini-cola": Generator(seed=1, train=560, dev=300, positive=68, texts=_acceptability),
    "mini-rte": Generator(seed=2, train=320, dev=300, positive=52, texts=_entailment),
    "mini-mrpc": Generator(seed=3, train=400, dev=300, positive=55, texts=_paraphrase),
}
"""Name of a task -> how its rows are made."""
