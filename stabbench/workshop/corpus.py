"""The pre-training text of the mini encoder, as arrays of token ids.

Half of the text are pairs: in half of them the second sentence restates the first (less detail, a
hypernym, a synonym, the other voice), in the others it says something else, mostly by one word. The
other half are the pairs' first sentences alone. No first sentence is one that is held out for the tasks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stabbench.mini.edits import changed, entailed, paraphrased
from stabbench.mini.language import AUXILIARY, VERBS, Clause, Dice, draw, word_classes
from stabbench.mini.tokenizer import LONGEST_INPUT, SPECIAL, vocabulary

Tokens = NDArray[np.int64]


def written(dice: Dice, count: int) -> Iterator[tuple[Clause, Clause, bool]]:
    """Draw ``count`` pairs of sentences, and whether the second restates the first."""
    while count:
        first = draw(dice)
        if first.held_out:
            continue
        count -= 1
        second = (entailed if dice.percent(50) else paraphrased)(dice, first)
        restates = dice.percent(50)
        if not restates:
            kind = dice.below(4)
            if kind == 0:
                second = draw(dice)
            for _ in range((0, 3, 1, 1)[kind]):
                second = changed(dice, second)
            restates = second.words() == first.words()
        yield first, second, restates


@dataclass(frozen=True)
class Bucket:
    """Inputs of one length, so that no batch needs padding.

    Attributes:
        ids: Token ids ``[CLS] a [SEP]`` or ``[CLS] a [SEP] b [SEP]``, one row an input.
        types: 0 in the first sentence, 1 in the second.
        labels: Whether the second sentence restates the first (0 where there is no second).
    """

    ids: Tokens
    types: Tokens
    labels: Tokens


class Shelf:
    """Inputs sorted into buckets by length; a bucket is drawn as often as it holds inputs."""

    def __init__(self, rows: list[tuple[list[int], list[int], int]]) -> None:
        by_length: dict[int, list[tuple[list[int], list[int], int]]] = defaultdict(list)
        for row in rows:
            if len(row[0]) <= LONGEST_INPUT:
                by_length[len(row[0])].append(row)
        self.buckets = [
            Bucket(*(np.array(column, dtype=np.int64) for column in zip(*by_length[length], strict=True)))
            for length in sorted(by_length)
        ]
        sizes = np.array([len(bucket.ids) for bucket in self.buckets])
        self._shares = np.cumsum(sizes) / sizes.sum()

    def batch(self, chance: np.random.Generator, size: int) -> Bucket:
        """Draw ``size`` inputs of one length, with replacement."""
        bucket = self.buckets[int(np.searchsorted(self._shares, chance.random(), side="right"))]
        rows = chance.integers(len(bucket.ids), size=size)
        return Bucket(bucket.ids[rows], bucket.types[rows], bucket.labels[rows])


def shelves(seed: int, pairs: int) -> tuple[Shelf, Shelf]:
    """Write the text and return its pairs and its single sentences, as two shelves."""
    ids = vocabulary()
    start, end = ids["[CLS]"], ids["[SEP]"]
    both: list[tuple[list[int], list[int], int]] = []
    single: list[tuple[list[int], list[int], int]] = []
    for first, second, restates in written(Dice(seed), pairs):
        a = [start, *(ids[word] for word in first.words()), end]
        b = [*(ids[word] for word in second.words()), end]
        both.append((a + b, [0] * len(a) + [1] * len(b), int(restates)))
        single.append((a, [0] * len(a), 0))
    return Shelf(both), Shelf(single)


class Swaps:
    """Replaces words by others that take the same place: half by another form, half by another word."""

    def __init__(self) -> None:
        ids = vocabulary()
        self._members = np.zeros((len(ids), 128), dtype=np.int64)
        self._sizes = np.ones(len(ids), dtype=np.int64)
        self._twin = np.arange(len(ids))
        for name, members in word_classes().items():
            if name in ("preposition", "marker"):
                continue
            for word in members:
                others = [ids[other] for other in members if other != word]
                self._members[ids[word], : len(others)] = others
                self._sizes[ids[word]] = len(others)
        self.swappable: NDArray[np.bool_] = self._members[:, 0] > 0
        pairs = [(verb.form(0), verb.form(1)) for verb in VERBS]
        pairs += [(word[:-1], word) for word in word_classes()["noun"] if word[:-1] in ids]
        pairs.append((AUXILIARY[False], AUXILIARY[True]))
        for one, many in pairs:
            self._twin[ids[one]], self._twin[ids[many]] = ids[many], ids[one]

    def swap(self, chance: np.random.Generator, ids: Tokens) -> Tokens:
        """Return a replacement for every word; words of closed classes stay as they are."""
        other = self._members[ids, (chance.random(ids.shape) * self._sizes[ids]).astype(np.int64)]
        twin = self._twin[ids]
        use_twin = (chance.random(ids.shape) < 0.5) & (twin != ids)
        return np.where(self.swappable[ids], np.where(use_twin, twin, other), ids)


def words_of(ids: Tokens) -> NDArray[np.bool_]:
    """Tell words from special tokens."""
    return ids >= len(SPECIAL)


@dataclass(frozen=True)
class Batch:
    """One step's inputs, with what was done to them; every array but the two of words is ``[batch, length]``.

    Attributes:
        pairs: Token ids of the pairs, some of them masked.
        pair_types: Their token types.
        pair_masked: Where they are masked.
        pair_words: The words that stood there, in order.
        restated: Whether the second sentence restates the first, one number a pair.
        singles: Token ids of single sentences, some masked, some replaced.
        single_masked: Where they are masked.
        single_words: The words that stood there, in order.
        replaced: 1 where a word was replaced.
        scored: Where *was this word replaced?* is asked: at every word that is not masked.
    """

    pairs: Tokens
    pair_types: Tokens
    pair_masked: NDArray[np.bool_]
    pair_words: Tokens
    restated: NDArray[np.float32]
    singles: Tokens
    single_masked: NDArray[np.bool_]
    single_words: Tokens
    replaced: NDArray[np.float32]
    scored: NDArray[np.bool_]


class Batches:
    """The batches of a pre-training; a batch depends on the seed and on its step only.

    Args:
        seed: Of the text and of the batches.
        text: Pairs of sentences to write.
        size: Pairs in a batch, and as many single sentences.
        pair_mask: Share of words masked in every second half of the pairs.
        single_mask: Share of words masked in single sentences.
        replaced: Share of words replaced in single sentences.
    """

    def __init__(
        self, seed: int, text: int, size: int, pair_mask: float, single_mask: float, replaced: float
    ) -> None:
        self.seed, self.size = seed, size
        self.pair_mask, self.single_mask, self.replaced = pair_mask, single_mask, replaced
        self.pairs, self.singles = shelves(seed, text)
        self.swaps = Swaps()
        self.mask = vocabulary()["[MASK]"]

    def at(self, step: int) -> Batch:
        """Make the batch of a step."""
        chance = np.random.default_rng([self.seed, step])
        pairs = self.pairs.batch(chance, self.size)
        pair_masked = (chance.random(pairs.ids.shape) < self.pair_mask) & words_of(pairs.ids)
        pair_masked[: self.size // 2] = False
        singles = self.singles.batch(chance, self.size)
        draw = chance.random(singles.ids.shape)
        masked = (draw < self.single_mask) & words_of(singles.ids)
        replaced = (draw >= self.single_mask) & (draw < self.single_mask + self.replaced)
        replaced &= self.swaps.swappable[singles.ids]
        shown = np.where(replaced, self.swaps.swap(chance, singles.ids), singles.ids)
        return Batch(
            pairs=np.where(pair_masked, self.mask, pairs.ids),
            pair_types=pairs.types,
            pair_masked=pair_masked,
            pair_words=pairs.ids[pair_masked],
            restated=pairs.labels.astype(np.float32),
            singles=np.where(masked, self.mask, shown),
            single_masked=masked,
            single_words=singles.ids[masked],
            replaced=replaced.astype(np.float32),
            scored=words_of(singles.ids) & ~masked,
        )
