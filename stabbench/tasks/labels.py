"""The labels of rows that were read: what is one label, what can be none, and which id each has.

A label is its text: 1, ``"1"`` and a cell with 1 are one label, and so is 1.0, which is how pandas writes a
whole number. What is odd about a label is meant where the task names its labels (``labels=...``), and a
mistake where it does not.
"""

from __future__ import annotations

import datetime
import math
import numbers
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from stabbench.errors import DataError
from stabbench.tasks.base import Task

PLACES = 3
"""How many places of one finding are named."""

MANY = 10
"""More labels than this, and than half of the training rows, are an id or a number rather than classes."""

MISSING = frozenset(
    ("nan", "-nan", "nat", "null", "n/a", "#n/a", "#na", "<na>", "#n/a n/a", "NA", "None")
) | {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
"""What pandas reads as a missing value, and writes for one; those in lower case stand for any case."""

UNLABELLED = frozenset(("unlabeled", "unlabelled"))
"""Words that say that a row has no label, in any case; ``unknown`` or ``other`` may well be a class."""

DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
"""Hyphens, dashes and minus signs: typesetting and spreadsheets write one for the other."""

REGRESSION = "regression is a task type of its own, which stabbench does not fine-tune yet"

_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE)
_LIST = re.compile(r"""\[\s*(["'\d.+-].*)?\]|\(\s*(["'\d.+-].*,.*)?\)|\{.*\}""", re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}.*)?")
_JOINERS = "\u200c\u200d"
"""Invisible, and part of the spelling of some languages and signs."""

LONE_SIGNS = (
    ({*DASHES}, {"+"}, "stands for none, as in SNLI where its annotators did not agree"),
    ({"?"}, {*".!,;:"}, "stands for a missing value in the data sets of UCI"),
)
"""Signs that are no labels, the signs beside which they are, and why."""

Found = list[tuple[str, str]]
"""Where a row stands and the text of its label."""


def refuse(places: Sequence[str], what: str, action: str) -> NoReturn:
    """Raise a ``DataError`` that names the first places of a finding and how many more there are."""
    also = ", ".join(places[1:PLACES])
    rest = f" and {len(places) - PLACES} more" if len(places) > PLACES else ""
    raise DataError(f"{places[0]}: {what}" + (f" (also {also}{rest})." if also else "."), action)


def is_missing(value: Any) -> bool:
    """Return whether a cell holds nothing, in whatever way its file says so."""
    if isinstance(value, str):
        return all(sign.isspace() or _is_invisible(sign) for sign in value)
    return value is None or (isinstance(value, numbers.Real) and value != value)  # NaN alone is not itself


def _is_invisible(sign: str) -> bool:
    return unicodedata.category(sign) == "Cf"


def plain(label: str) -> str:
    """Return a label with a whole number written as such: 1 for 1.0."""
    whole = _WHOLE.fullmatch(label)
    return whole[1] if whole else label


def fault_of(value: Any, meant: set[str]) -> tuple[str, str] | None:
    """Return what is wrong with a cell as a label, and what to do; ``None`` for a sound one.

    Args:
        value: the cell.
        meant: the labels that the task names, each in its ``plain`` form.
    """
    if is_missing(value):
        return "the label is missing", "give every row a label, or leave the row out."
    if not isinstance(value, str | bool | np.bool_ | numbers.Number | datetime.date):
        return f"the label is a {type(value).__name__}", "give every row one label: a text or a whole number."
    text = str(value)
    name = f"if {text!r} is a class, name all classes in labels=(...)."
    if plain(text) in meant:
        return None
    if text != text.strip():
        return f"the label {text!r} has white space around it", f"write {text.strip()!r}; {name}"
    hidden = [sign for sign in text if _is_invisible(sign)]
    if text.strip(_JOINERS) != text or set(hidden) - set(_JOINERS):
        seen = "".join(sign for sign in text if not _is_invisible(sign)).strip()
        return f"the label {text!r} holds invisible characters", f"write {seen!r}; {name}"
    if text in MISSING or text.lower() in MISSING:
        return (
            f"the label {text!r} stands for a missing value",
            f"give the row a label, or leave it out; {name}",
        )
    if text.lower() in UNLABELLED:
        return f"the label {text!r} says that there is none", f"leave such rows out; {name}"
    if isinstance(value, numbers.Real) and math.isinf(value):
        return "the label is an infinite number", f"give every row a text or a whole number; {name}"
    if text[0] in DASHES and plain(text[1:]) == "1":
        return (
            "the label is -1, which hidden test sets have where they have no label",
            f"take a split with labels, or leave such rows out; {name}",
        )
    if _LIST.fullmatch(text):
        return (
            f"the label is a list ({text!r})",
            f"give every row one label: a text or a whole number; {name}",
        )
    if _DATE.fullmatch(text):
        return f"the label is a date ({text})", f"name the column of the classes (label=...); {name}"
    if "\0" in text:
        return "the label holds a NUL character", "take it out."
    return None


def label_names(labels: list[str]) -> tuple[str, ...]:
    """Return each label once, sorted (whole numbers by value); of 1 and 1.0 the shorter."""
    spelt: dict[str, str] = {}
    for label in labels:
        spelt[plain(label)] = min(spelt.get(plain(label), label), label, key=len)
    names = spelt.values()
    return tuple(sorted(names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name)))


def label_ids(found: Found, named: Sequence[str]) -> dict[str, int]:
    """Return the id of each label as the rows give it: by name, or all rows by id, as on the hub."""
    ids = {plain(name): number for number, name in enumerate(named)}
    labels = {plain(label) for _, label in found}
    if not labels <= ids.keys() and all(_WHOLE.fullmatch(label) for label in labels):
        return {str(number): number for number in range(len(named))}
    return ids


def check_vocabulary(task: Task, train: Found, dev: Found) -> None:
    """Refuse labels that nobody named and that can hardly be meant."""
    first: dict[str, str] = {}
    for place, label in train + dev:
        first.setdefault(plain(label), place)
    name = "if they are classes, name all of them in labels=(...)."
    if all(_NUMBER.fullmatch(label) for label in first):
        broken = [label for label in first if not _WHOLE.fullmatch(label)]
        if broken:
            refuse(
                [first[label] for label in broken],
                f"the label {broken[0]} is a number with a fraction",
                f"{REGRESSION}; {name}",
            )
    for signs, others, why in LONE_SIGNS:
        lone = next((label for label in first if label in signs), None)
        if lone is not None and not first.keys() & others:
            refuse(
                [place for place, label in train + dev if label == lone],
                f"the label is {lone!r}, which {why}",
                f"leave such rows out; {name}",
            )
    truth = [label for label in first if label.lower() in ("true", "false")]
    number = [label for label in first if _NUMBER.fullmatch(label)]
    if truth and number:
        refuse(
            [first[truth[0]], first[number[0]]],
            f"the labels mix truth values and numbers ({truth[0]}, {number[0]})",
            "write them in one way; " + name,
        )
    twins: dict[str, str] = {}
    for label, place in first.items():
        other = twins.setdefault(_twin(label), label)
        if other != label:
            refuse(
                [place, first[other]],
                f"the labels {label!r} and {other!r} differ by case, white space or form only",
                "write them in one way; " + name,
            )
    labels = {plain(label) for _, label in train}
    if len(labels) > max(MANY, len(train) / 2):
        raise DataError(
            f"{train[0][0]}: the column {task.label_column!r} has {len(labels)} labels in {len(train)} "
            "training rows: an id or a number, not a class.",
            f"name the column of the classes (label=...); for numbers, {REGRESSION}; {name}",
        )


def _twin(label: str) -> str:
    if re.fullmatch("-?[0-9]{1,18}", label):
        return str(int(label))
    seen = "".join(sign for sign in label if not _is_invisible(sign))
    return " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
