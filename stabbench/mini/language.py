"""A small artificial language: its words, its grammar, and sentences drawn from it.

The words are English to look at, the grammar is not English: nouns come in six categories, every verb
selects two of them as its subject and two as its object, every adjective fits two. A sentence is

    phrase verb phrase                        the brave dogs near this train chase one farmer
    phrase is/are participle by phrase        one farmer is chased by the brave dogs

and a phrase is a determiner, perhaps an adjective, a noun, and perhaps an attachment (a preposition or a
relative clause with a short phrase) that stands between the subject and its verb.

Every sentence is a :class:`Clause`, its meaning and form; :meth:`Clause.words` spells it out.
Nothing here depends on the machine or on Python's version: a :class:`Dice` reads only
``random.Random(seed).random()``, which Python promises to keep.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

Item = TypeVar("Item")

CATEGORIES: dict[str, tuple[str, ...]] = {
    "person": ("teacher", "farmer", "doctor", "singer", "baker", "pilot", "nurse", "king"),
    "animal": ("dog", "cat", "horse", "goat", "lion", "crow", "duck", "bear"),
    "plant": ("oak", "rose", "fern", "tulip", "pine", "palm", "willow", "thistle"),
    "food": ("apple", "cake", "pie", "melon", "carrot", "onion", "biscuit", "plum"),
    "tool": ("hammer", "saw", "drill", "spade", "rake", "broom", "ladder", "chisel"),
    "vehicle": ("car", "truck", "boat", "train", "bike", "plane", "wagon", "tram"),
}
"""Category (itself the hypernym of its nouns) -> nouns."""

CATEGORY: dict[str, str] = {noun: name for name, nouns in CATEGORIES.items() for noun in (name, *nouns)}
"""Noun or hypernym -> its category."""


@dataclass(frozen=True)
class Frame:
    """What the verbs of a frame select, and the verbs: two senses of two synonyms each.

    Attributes:
        subjects: The two categories a subject may come from.
        objects: The two categories an object may come from.
        senses: Per sense its synonyms; a verb is written "singular plural participle".
    """

    subjects: tuple[str, str]
    objects: tuple[str, str]
    senses: tuple[tuple[str, str], tuple[str, str]]


FRAMES: tuple[Frame, ...] = (
    Frame(
        ("person", "animal"),
        ("person", "animal"),
        (("chases chase chased", "pursues pursue pursued"), ("helps help helped", "assists assist assisted")),
    ),
    Frame(
        ("plant", "food"),
        ("plant", "food"),
        (("covers cover covered", "hides hide hidden"), ("touches touch touched", "brushes brush brushed")),
    ),
    Frame(
        ("tool", "vehicle"),
        ("tool", "vehicle"),
        (("dents dent dented", "scratches scratch scratched"), ("pulls pull pulled", "tows tow towed")),
    ),
    Frame(
        ("person", "vehicle"),
        ("tool", "food"),
        (("carries carry carried", "brings bring brought"), ("drops drop dropped", "loses lose lost")),
    ),
    Frame(
        ("animal", "food"),
        ("plant", "person"),
        (
            ("poisons poison poisoned", "sickens sicken sickened"),
            ("feeds feed fed", "nourishes nourish nourished"),
        ),
    ),
    Frame(
        ("plant", "tool"),
        ("animal", "vehicle"),
        (("stops stop stopped", "blocks block blocked"), ("shields shield shielded", "guards guard guarded")),
    ),
)
"""Every category is subject in two frames and object in two; the first three frames are reciprocal."""

FITTING: tuple[tuple[tuple[str, str], tuple[str, str, str]], ...] = (
    (("person", "animal"), ("brave", "clever", "hungry")),
    (("animal", "vehicle"), ("fast", "loud", "strong")),
    (("vehicle", "tool"), ("rusty", "broken", "shiny")),
    (("tool", "plant"), ("wooden", "dry", "sharp")),
    (("plant", "food"), ("fresh", "green", "sweet")),
    (("food", "person"), ("warm", "pale", "sticky")),
)
"""Two categories and the adjectives that fit them."""

ADJECTIVES: dict[str, tuple[str, ...]] = {
    category: tuple(word for pair, words in FITTING if category in pair for word in words)
    for category in CATEGORIES
}
"""Category -> the adjectives that fit it."""

DETERMINERS: dict[bool, tuple[str, ...]] = {False: ("the", "this", "one"), True: ("the", "these", "two")}
"""Plural? -> determiners."""

PREPOSITIONS: tuple[str, ...] = ("near", "behind", "under", "beside")
AUXILIARY: dict[bool, str] = {False: "is", True: "are"}
RELATIVE, BY = "that", "by"
LONGEST = 11
"""The longest sentence that :func:`draw` returns, in words."""


class Dice:
    """Reproducible chance: the same seed gives the same throws on every machine and Python version."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, count: int) -> int:
        """Throw an integer from 0 to ``count`` - 1."""
        return int(self._random() * count)

    def percent(self, chance: int) -> bool:
        """Tell whether an event of ``chance`` in a hundred happens."""
        return self.below(100) < chance

    def pick(self, items: Sequence[Item]) -> Item:
        """Pick one of the items, all equally likely."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return the items in a random order (Fisher and Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result


@dataclass(frozen=True)
class Verb:
    """A verb: its frame, its sense in the frame, and which of the sense's two synonyms it is."""

    frame: int
    sense: int
    synonym: int

    @property
    def selects(self) -> Frame:
        """What the verb selects."""
        return FRAMES[self.frame]

    def form(self, kind: int) -> str:
        """Spell the verb: ``kind`` 0 is the singular, 1 the plural, 2 the participle."""
        return self.selects.senses[self.sense][self.synonym].split()[kind]


VERBS: tuple[Verb, ...] = tuple(
    Verb(frame, sense, synonym) for frame in range(len(FRAMES)) for sense in (0, 1) for synonym in (0, 1)
)


@dataclass(frozen=True)
class Phrase:
    """A noun with what goes with it.

    Attributes:
        determiner: Index into the determiners of the phrase's number.
        adjective: An adjective that fits the noun's category, or none.
        noun: A noun or a hypernym, in the singular.
        plural: Whether the phrase is plural.
        link: A preposition, a verb (then a relative clause), or nothing attached.
        attached: The phrase that the link governs: without adjective and attachment of its own.
    """

    determiner: int
    noun: str
    plural: bool
    adjective: str | None = None
    link: str | Verb | None = None
    attached: Phrase | None = None

    @property
    def category(self) -> str:
        """The noun's category."""
        return CATEGORY[self.noun]

    def words(self) -> list[str]:
        """Spell the phrase."""
        words = [DETERMINERS[self.plural][self.determiner]]
        if self.adjective:
            words.append(self.adjective)
        words.append(self.noun + "s" if self.plural else self.noun)
        if self.attached:
            if isinstance(self.link, Verb):
                words += [RELATIVE, self.link.form(self.plural)]
            elif self.link:
                words.append(self.link)
            words += self.attached.words()
        return words

    def bare(self) -> Phrase:
        """Return the phrase without its attachment."""
        return replace(self, link=None, attached=None)


@dataclass(frozen=True)
class Clause:
    """A sentence: who does what to whom, and the voice it is said in."""

    subject: Phrase
    verb: Verb
    object: Phrase
    passive: bool = False

    def words(self) -> list[str]:
        """Spell the sentence."""
        if self.passive:
            predicate = [AUXILIARY[self.object.plural], self.verb.form(2), BY]
            return self.object.words() + predicate + self.subject.words()
        return [*self.subject.words(), self.verb.form(self.subject.plural), *self.object.words()]

    @cached_property
    def text(self) -> str:
        """The sentence as text."""
        return " ".join(self.words())

    @property
    def held_out(self) -> bool:
        """Whether the sentence is kept for the tasks: one in eight, which pre-training never opens with."""
        return zlib.crc32(self.text.encode()) % 8 == 0


def _draw_phrase(dice: Dice, category: str, adjective: int, hypernym: int) -> Phrase:
    plural = dice.percent(50)
    noun = category if dice.percent(hypernym) else dice.pick(CATEGORIES[category])
    word = dice.pick(ADJECTIVES[category]) if dice.percent(adjective) else None
    return Phrase(dice.below(len(DETERMINERS[plural])), noun, plural, word)


def _draw_attachment(dice: Dice, phrase: Phrase) -> Phrase:
    if dice.percent(70):
        link: str | Verb = dice.pick(PREPOSITIONS)
        category = dice.pick(tuple(CATEGORIES))
    else:
        link = dice.pick([verb for verb in VERBS if phrase.category in verb.selects.subjects])
        category = dice.pick(link.selects.objects)
    return replace(phrase, link=link, attached=_draw_phrase(dice, category, 0, 8))


def draw(dice: Dice) -> Clause:
    """Draw an acceptable sentence of at most ``LONGEST`` words, about eight on average."""
    while True:
        verb = dice.pick(VERBS)
        passive = dice.percent(25)
        subject = _draw_phrase(dice, dice.pick(verb.selects.subjects), 40, 8)
        target = _draw_phrase(dice, dice.pick(verb.selects.objects), 40, 8)
        if dice.percent(60):
            if passive:
                target = _draw_attachment(dice, target)
            else:
                subject = _draw_attachment(dice, subject)
        clause = Clause(subject, verb, target, passive)
        if len(clause.words()) <= LONGEST:
            return clause


def word_classes() -> dict[str, tuple[str, ...]]:
    """Return the whole vocabulary, every word once, by the class whose place in a sentence it takes."""
    nouns = tuple(CATEGORY)
    return {
        "determiner": tuple(dict.fromkeys(DETERMINERS[False] + DETERMINERS[True])),
        "adjective": tuple(word for _, words in FITTING for word in words),
        "noun": nouns + tuple(noun + "s" for noun in nouns),
        "verb": tuple(verb.form(0) for verb in VERBS) + tuple(verb.form(1) for verb in VERBS),
        "participle": tuple(verb.form(2) for verb in VERBS),
        "auxiliary": tuple(AUXILIARY.values()),
        "preposition": PREPOSITIONS,
        "marker": (RELATIVE, BY),
    }
