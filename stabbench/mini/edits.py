"""What can be done to a sentence: say it again, change what it says, or break it.

The edits are where the labels of the mini tasks come from: a sentence that was only *restated* follows
from the first, one whose content was *changed* does not, and one that was *broken* is no sentence of the
language. A change or a break keeps the number of words, so that length tells nothing about a label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from stabbench.mini.language import ADJECTIVES, CATEGORIES, VERBS, Clause, Dice, Phrase, Verb


def entailed(dice: Dice, clause: Clause) -> Clause:
    """Draw a sentence that follows from ``clause``: less detail, a hypernym, a synonym, the other voice.

    Returns:
        A sentence that differs from ``clause`` in its words.
    """
    while True:
        subject, target = clause.subject, clause.object
        if dice.percent(50):
            subject = replace(subject, adjective=None)
        if dice.percent(50):
            target = replace(target, adjective=None)
        if dice.percent(60):
            subject, target = subject.bare(), target.bare()
        if dice.percent(40):
            if dice.percent(50):
                subject = replace(subject, noun=subject.category)
            else:
                target = replace(target, noun=target.category)
        restated = Clause(subject, _synonym(dice, clause.verb, 35), target, clause.passive ^ dice.percent(40))
        if restated.words() != clause.words():
            return restated


def paraphrased(dice: Dice, clause: Clause) -> Clause:
    """Draw a sentence that says the same of the same: a synonym, the other voice, one detail less at most.

    Returns:
        A sentence that differs from ``clause`` in its words.
    """
    while True:
        subject, target = clause.subject, clause.object
        if dice.percent(40):
            detail = dice.below(3)
            if detail == 0:
                subject = replace(subject, adjective=None)
            elif detail == 1:
                target = replace(target, adjective=None)
            else:
                subject, target = subject.bare(), target.bare()
        said = Clause(subject, _synonym(dice, clause.verb, 50), target, clause.passive ^ dice.percent(50))
        if said.words() != clause.words():
            return said


def _synonym(dice: Dice, verb: Verb, chance: int) -> Verb:
    return replace(verb, synonym=1 - verb.synonym) if dice.percent(chance) else verb


def changed(dice: Dice, clause: Clause) -> Clause:
    """Change one thing that ``clause`` says; the result is acceptable, as long, and says something else.

    The thing is the sense of the verb, one noun, one adjective, or who does it to whom (in a reciprocal
    frame); one of those that the sentence allows, all equally likely.
    """
    frame = clause.verb.selects
    changes: list[Callable[[], Clause]] = [
        lambda: replace(clause, verb=Verb(clause.verb.frame, 1 - clause.verb.sense, dice.below(2)))
    ]
    if _noun_can_change(clause.subject):
        changes.append(lambda: replace(clause, subject=_other_noun(dice, clause.subject, frame.subjects)))
    if _noun_can_change(clause.object):
        changes.append(lambda: replace(clause, object=_other_noun(dice, clause.object, frame.objects)))
    if clause.subject.adjective:
        changes.append(lambda: replace(clause, subject=_other_adjective(dice, clause.subject)))
    if clause.object.adjective:
        changes.append(lambda: replace(clause, object=_other_adjective(dice, clause.object)))
    if frame.subjects == frame.objects and clause.subject.noun != clause.object.noun:
        changes.append(lambda: replace(clause, subject=clause.object, object=clause.subject))
    return dice.pick(changes)()


def _noun_can_change(phrase: Phrase) -> bool:
    """A hypernym gives way to that of the slot's other category; an adjective or a clause may not fit it."""
    hypernym = phrase.noun == phrase.category
    return not hypernym or (phrase.adjective is None and not isinstance(phrase.link, Verb))


def _other_noun(dice: Dice, phrase: Phrase, allowed: tuple[str, str]) -> Phrase:
    if phrase.noun == phrase.category:
        return replace(phrase, noun=allowed[1 - allowed.index(phrase.noun)])
    return replace(phrase, noun=_another(dice, CATEGORIES[phrase.category], phrase.noun))


def _other_adjective(dice: Dice, phrase: Phrase) -> Phrase:
    return replace(phrase, adjective=_another(dice, ADJECTIVES[phrase.category], phrase.adjective))


def _another(dice: Dice, words: tuple[str, ...], word: str | None) -> str:
    return dice.pick([other for other in words if other != word])


def broken(dice: Dice, clause: Clause) -> str:
    """Break one rule of the grammar; the number of words stays.

    Half of the breaks are of agreement (the finite verb takes the other number, whatever stands between
    it and its subject), half of selection (a verb that does not take this subject, or not this object).
    """
    if dice.percent(50):
        return " ".join(_disagreeing(clause))
    subjects, objects = clause.subject.category, clause.object.category
    wrong = [
        verb for verb in VERBS if (subjects in verb.selects.subjects) + (objects in verb.selects.objects) < 2
    ]
    return replace(clause, verb=dice.pick(wrong)).text


def _disagreeing(clause: Clause) -> list[str]:
    """Spell the clause with its finite verb in the other number."""
    surface = clause.object if clause.passive else clause.subject
    words = clause.words()
    place = len(surface.words())
    if clause.passive:
        words[place] = "is" if surface.plural else "are"
    else:
        words[place] = clause.verb.form(not surface.plural)
    return words


def follows(first: Clause, second: Clause) -> bool:
    """Tell whether the second sentence follows from the first.

    It does when it tells of the same event, and of each participant the same or less.
    """
    same = (first.verb.frame, first.verb.sense) == (second.verb.frame, second.verb.sense)
    return same and _covers(second.subject, first.subject) and _covers(second.object, first.object)


def _covers(general: Phrase, special: Phrase) -> bool:
    """Tell whether a phrase says nothing that the other, more special one does not say."""
    return (
        general.noun in (special.noun, special.category)
        and (general.determiner, general.plural) == (special.determiner, special.plural)
        and general.adjective in (None, special.adjective)
        and (general.link is None or (general.link, general.attached) == (special.link, special.attached))
    )
