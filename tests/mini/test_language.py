"""The mini language: what is drawn follows its grammar, what is edited means what its name says."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench.mini.edits import broken, changed, entailed, follows, paraphrased
from stabbench.mini.language import (
    ADJECTIVES,
    CATEGORIES,
    CATEGORY,
    DETERMINERS,
    FRAMES,
    LONGEST,
    PREPOSITIONS,
    VERBS,
    Clause,
    Dice,
    Phrase,
    Verb,
    draw,
    word_classes,
)
from stabbench.mini.tasks import GENERATORS

TEXT_DIGEST = "9a5ce77734dc4d137246dc69f90ac6be61e47441e0a5f221a381648793c208f8"
SEEDS = st.integers(0, 2**32)


def parse(text: str) -> list[Clause]:
    """Return every reading of a sentence as acceptable, by a reading of the grammar of the test's own."""
    words = text.split()
    readings = []
    for surface, rest in _phrases(words, attach=True):
        for verb in VERBS:
            if rest[:1] == [verb.form(surface.plural)]:
                readings += [
                    Clause(surface, verb, target)
                    for target, end in _phrases(rest[1:], attach=True)
                    if not end
                ]
            if rest[:3] == ["are" if surface.plural else "is", verb.form(2), "by"]:
                readings += [
                    Clause(agent, verb, surface, passive=True)
                    for agent, end in _phrases(rest[3:], attach=True)
                    if not end
                ]
    return [
        clause
        for clause in readings
        if clause.subject.category in clause.verb.selects.subjects
        and clause.object.category in clause.verb.selects.objects
    ]


def _phrases(words: list[str], attach: bool) -> list[tuple[Phrase, list[str]]]:
    found: list[tuple[Phrase, list[str]]] = []
    for plural in (False, True):
        if words[:1] and words[0] in DETERMINERS[plural]:
            determiner = DETERMINERS[plural].index(words[0])
            for count in (0, 1):
                adjective = words[1] if count and len(words) > 1 else None
                rest = words[1 + count :]
                noun = rest[0].removesuffix("s") if rest and plural else rest[0] if rest else ""
                if noun not in CATEGORY or (rest[0] == noun) == plural:
                    continue
                if count and adjective not in ADJECTIVES[CATEGORY[noun]]:
                    continue
                phrase = Phrase(determiner, noun, plural, adjective)
                found.append((phrase, rest[1:]))
                if attach:
                    found += _attached(phrase, rest[1:])
    return found


def _attached(phrase: Phrase, words: list[str]) -> list[tuple[Phrase, list[str]]]:
    links: list[tuple[str | Verb, list[str]]] = []
    if words[:1] and words[0] in PREPOSITIONS:
        links.append((words[0], words[1:]))
    for verb in VERBS:
        if words[:2] == ["that", verb.form(phrase.plural)] and phrase.category in verb.selects.subjects:
            links.append((verb, words[2:]))
    found = []
    for link, rest in links:
        for inner, end in _phrases(rest, attach=False):
            if inner.adjective is None and (isinstance(link, str) or inner.category in link.selects.objects):
                whole = Phrase(phrase.determiner, phrase.noun, phrase.plural, phrase.adjective, link, inner)
                found.append((whole, end))
    return found


def test_the_vocabulary_has_no_word_twice():
    words = [word for members in word_classes().values() for word in members]
    assert len(words) == len(set(words))
    assert 200 < len(words) < 260
    assert len(CATEGORIES) == 6
    assert {len(nouns) for nouns in CATEGORIES.values()} == {8}
    for category in CATEGORIES:
        assert sum(category in frame.subjects for frame in FRAMES) == 2
        assert sum(category in frame.objects for frame in FRAMES) == 2


def test_the_language_is_the_same_on_every_machine():
    dice = Dice(7)
    text = "\n".join(draw(dice).text for _ in range(500))
    assert hashlib.sha256(text.encode()).hexdigest() == TEXT_DIGEST


@given(SEEDS)
def test_the_same_seed_draws_the_same_sentences_whatever_happened_before(seed):
    first = draw(Dice(seed))
    random.random()
    assert draw(Dice(seed)) == first


@given(SEEDS)
def test_a_drawn_sentence_is_acceptable_and_short(seed):
    clause = draw(Dice(seed))
    assert clause in parse(clause.text)
    assert 5 <= len(clause.words()) <= LONGEST


@given(SEEDS)
def test_a_broken_sentence_has_no_acceptable_reading_and_as_many_words(seed):
    dice = Dice(seed)
    clause = draw(dice)
    text = broken(dice, clause)
    assert parse(text) == []
    assert len(text.split()) == len(clause.words())


@given(SEEDS)
def test_a_changed_sentence_is_acceptable_as_long_and_says_something_else(seed):
    dice = Dice(seed)
    clause = draw(dice)
    other = changed(dice, clause)
    assert other in parse(other.text)
    assert len(other.words()) == len(clause.words())
    assert not follows(clause, other)
    assert not follows(other, clause)


@given(SEEDS)
def test_what_is_entailed_is_another_sentence_that_follows(seed):
    dice = Dice(seed)
    clause = draw(dice)
    second = entailed(dice, clause)
    assert second in parse(second.text)
    assert second.text != clause.text
    assert follows(clause, second)


@given(SEEDS)
def test_what_is_paraphrased_follows_and_drops_one_detail_at_most(seed):
    dice = Dice(seed)
    clause = draw(dice)
    second = paraphrased(dice, clause)
    assert second in parse(second.text)
    assert second.text != clause.text
    assert follows(clause, second)
    dropped = sum(
        (a.adjective is not None) - (b.adjective is not None) + (a.link is not None) - (b.link is not None)
        for a, b in ((clause.subject, second.subject), (clause.object, second.object))
    )
    assert 0 <= dropped <= 1


@given(SEEDS, st.sampled_from(["mini-rte", "mini-mrpc"]), st.booleans())
def test_the_label_of_a_pair_says_whether_the_second_sentence_follows(seed, name, yes):
    dice = Dice(seed)
    clause = draw(dice)
    first, second = GENERATORS[name].texts(dice, clause, yes)
    assert first == clause.text
    readings = parse(second)
    assert any(follows(clause, reading) for reading in readings) == yes


@pytest.mark.parametrize(
    ("second", "yes"),
    [
        ("the animals chase one farmer", True),
        ("one person is pursued by the brave dogs near this train", True),
        ("one farmer is chased by the dogs", True),
        ("the clever dogs chase one farmer", False),  # another adjective
        ("the dogs chase the farmer", False),  # another determiner
        ("the dogs help one farmer", False),
        ("one farmer chases the dogs", False),
        ("the dogs behind this train chase one farmer", False),
    ],
)
def test_follows_by_example(second, yes):
    first = parse("the brave dogs near this train chase one farmer")
    assert len(first) == 1
    assert [follows(first[0], reading) for reading in parse(second)] == [yes]
