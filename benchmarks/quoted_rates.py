"""The rates that prose quotes: pages say what the benchmark measures, each from a row of its tables.

In a quote `{0}`, `{1}` and `{2}` stand for percent with so many digits, `{.}` for a fraction such as .95 and
`{3}` for one with three digits. Which pages quote what: `quotes.py`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

Tables = dict[str, dict[str, float]]
"""Rates by bar and case."""


class Of(NamedTuple):
    """A row, by its case; or the least or the largest of the rows that a pattern names."""

    bar: str
    case: str
    pick: Callable[[Iterable[float]], float] | None = None

    def rate(self, tables: Tables) -> float:
        """The rate; raises `KeyError` where there is no such row."""
        rows = tables[self.bar]
        if self.pick is None:
            return rows[self.case]
        found = [rate for case, rate in rows.items() if fnmatchcase(case, self.case)]
        if not found:
            raise KeyError(self.case)
        return self.pick(found)


@dataclass(frozen=True)
class Quote:
    """Words of a page around numbers, and the rows that these come from."""

    text: str
    rates: tuple[Of, ...]

    @property
    def pattern(self) -> re.Pattern[str]:
        """What finds it, however its lines are broken."""
        words = [re.escape(word) for word in re.split(r"\{[0123.]\}", self.text)]
        return re.compile(r"([\d.]+)".join(re.sub(r"(\\ )+", r"\\s+", word) for word in words))

    def filled(self, tables: Tables) -> list[str]:
        """Its numbers as the tables have them."""
        forms = re.findall(r"\{([0123.])\}", self.text)
        return [_text(rate.rate(tables), form) for rate, form in zip(self.rates, forms, strict=True)]


def _text(rate: float, form: str) -> str:
    if form == ".":
        shown = f"{rate:.2f}".removeprefix("0") if rate < 0.995 else "1"
        return shown if rate else "0"
    return f"{rate:.3f}".removeprefix("0") if form == "3" else f"{100 * rate:.{form}f}"


RATE = re.compile(r"(?<![\w.,-])(?:\d+(?:\.\d+)?(?= %)|\.\d+(?!\d|\.\d))")


def written(text: str, tables: Tables, quotes: Sequence[Quote]) -> str:
    """The text of a page with its quoted rates as the tables have them.

    Raises `LookupError` where a quote or its row is not there, or a quote is there twice.
    """
    for quote in quotes:
        found = list(quote.pattern.finditer(text))
        if len(found) != 1:
            raise LookupError(f"{quote.text!r} is in the page {len(found)} times")
        match, numbers = found[0], quote.filled(tables)
        for group in reversed(range(1, 1 + len(numbers))):
            start, end = match.span(group)
            text = text[:start] + numbers[group - 1] + text[end:]
    return text


def unquoted(text: str, quotes: Sequence[Quote], others: Sequence[str]) -> list[str]:
    """The rates of a page that come from no row and are not among others, with the words around them."""
    known = [quote.pattern for quote in quotes]
    known += [re.compile(re.sub(r"(\\ )+", r"\\s+", re.escape(words))) for words in others]
    spans = [match.span() for pattern in known for match in pattern.finditer(text)]
    return [
        " ".join(text[max(0, rate.start() - 60) : rate.end() + 20].split())
        for rate in RATE.finditer(text)
        if not any(start <= rate.start() < end for start, end in spans)
    ]
