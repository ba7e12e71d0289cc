"""The rates that prose quotes: which row each comes from, so that the pages say what the benchmark measures.

In a quote `{0}`, `{1}` and `{2}` stand for percent with so many digits, `{.}` for a fraction such as .95.
Every other percentage and fraction of the pages is a promise, a threshold or a worked number: `OTHERS`.
"""

import re
from collections.abc import Callable, Iterable
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
        words = [re.escape(word) for word in re.split(r"\{[012.]\}", self.text)]
        return re.compile(r"([\d.]+)".join(re.sub(r"(\\ )+", r"\\s+", word) for word in words))

    def filled(self, tables: Tables) -> list[str]:
        """Its numbers as the tables have them."""
        forms = re.findall(r"\{([012.])\}", self.text)
        return [_text(rate.rate(tables), form) for rate, form in zip(self.rates, forms, strict=True)]


def _text(rate: float, form: str) -> str:
    if form == ".":
        return f"{rate:.2f}".removeprefix("0") if rate < 0.995 else "1"
    return f"{100 * rate:.{form}f}"


def plain(of: str, n: int, ratio: str = "1") -> Of:
    """A row of the spread gate's table."""
    return Of("B6", f"{of}, true std {ratio} tau, n = {n}")


HOLDS = "plain `std < tau` holds"
QUOTES = (
    Quote(
        "the assertion holds in {0} % of experiments with 25 seeds ({0} % with 5)",
        (plain(HOLDS, 25), plain(HOLDS, 5)),
    ),
    Quote(
        "the assertion still holds in {0} % of 5-seed experiments and in {0} % of 25-seed ones",
        (plain(HOLDS, 5, "1.5"), plain(HOLDS, 25, "1.5")),
    ),
    Quote(
        "says PASS in one repeat and FAIL in the next in at most {1} % of cases",
        (Of("B6", "PASS in one repeat and FAIL in the next (most of all cases)"),),
    ),
    Quote(
        "at most 0.7 of the threshold holds it in {1} % of 25-seed experiments", (plain(HOLDS, 25, "0.7"),)
    ),
    Quote(
        "PASS in {1} % and FAIL in {1} % of experiments with 25 seeds", (plain("PASS", 25), plain("FAIL", 25))
    ),
    Quote(
        "For two identical strategies it said PASS in at most {1} % of experiments",
        (Of("G3", "false PASS, A = B = *", max),),
    ),
    Quote(
        "if nothing changed, in {1} to {1} % of comparisons",
        (Of("B2", "false FAIL, *", min), Of("B2", "false FAIL, *", max)),
    ),
    Quote(
        "passes in {0} % of comparisons of 25 with 25 runs if nothing fails, "
        "in {0} % and more if 10 to 24 % of the baseline's runs do, in {0} % if half of them do",
        (
            Of("B2", "PASS, stable baselines (least of 3), 25 against 25"),
            Of("B2", "PASS, baselines with failures (least of 3), 25 against 25"),
            Of("H1", "PASS, nothing changed, RTE, 50% failed, 25 against 25"),
        ),
    ),
    Quote(
        "comes in at most {1} % of cases where the margin of the mean is given (`drop=`)",
        (Of("B3", "false PASS, *", max),),
    ),
    Quote(
        "passes the question about the mean in {1} % of cases if scores are normal, "
        "in {0} % if they are skewed like an exponential, in {0} % if one run in ten collapses partly",
        tuple(
            Of("H1", f"mean called not worse, one true std lower, default margin, {shape}, 25 against 25")
            for shape in ("normal", "exponential, skewed to the left", "one run in ten partly collapsed")
        ),
    ),
    Quote(
        "errs in up to {1} % of cases by itself (25 against 50)",
        (Of("H1", "rate called not worse, 20 points higher, 25 against 50 (most of all rates)"),),
    ),
    Quote(
        "with a probability of {.} to {.}, whatever the size",
        (Of("B2b", "a false FAIL in 20 nights, *", min), Of("B2b", "a false FAIL in 20 nights, *", max)),
    ),
    Quote(
        "in at most {1} % of cases with a baseline of 25 runs, in at most {1} % with 50",
        (
            Of("B2b", "two false FAILs on fresh seeds, 25 against 25 (most of 6)"),
            Of("B2b", "two false FAILs on fresh seeds, 25 against 50 (most of 6)"),
        ),
    ),
    Quote("half of tau | 15 ({.}); 10 has {.} |", (plain("PASS", 15, "0.5"), plain("PASS", 10, "0.5"))),
    Quote("twice tau | 10 ({.}), 15 ({.}) |", (plain("FAIL", 10, "2"), plain("FAIL", 15, "2"))),
    Quote(
        "twice the std | 25 against 25 ({.}), 25 against 50 ({.}) |",
        (
            Of("B3", "FAIL, twice the std, stable (least of 3)"),
            Of("B3", "FAIL, twice the std, RTE, 25 against 50"),
        ),
    ),
    Quote("| 15 against 25 ({.}) |", (Of("B3", "FAIL, mean 3 points lower, RTE, 15 against 25"),)),
    Quote(
        "| 40 against 40 ({.}); 25 against 25 has {.} |",
        (
            Of("B3", "FAIL, 20 points more failures, RTE, 40 against 40"),
            Of("B3", "FAIL, 20 points more failures, stable (least of 3)"),
        ),
    ),
    Quote(
        "| 10 against 25 ({.}), 25 against 25 ({.}) |",
        (
            Of("B3", "FAIL, 40 points more failures, RTE, 10 against 25"),
            Of("B3", "FAIL, 40 points more failures, stable (least of 3)"),
        ),
    ),
    Quote(
        "the other's std twice as large | 25 against 25 ({.}) |",
        (Of("B10", "star at 0.05 when the other's std is 2 times as large"),),
    ),
    Quote(
        "the other's std three times as large | 25 against 25 ({.}) |",
        (Of("B10", "star at 0.001 when the other's std is 3 times as large"),),
    ),
    Quote(
        "at .05 in {0} % of comparisons, and at .001 in {0} %",
        (
            Of("B5", "paper's mean, at .05, CoLA, 14% failed"),
            Of("B5", "paper's mean, at .001, CoLA, 14% failed"),
        ),
    ),
    Quote(
        "deviations from the median, stays at {0} % and {2} %",
        (Of("B5", "median, at .05, CoLA, 14% failed"), Of("B5", "median, at .001, CoLA, 14% failed")),
    ),
    Quote(
        "gets a `*` in at most {1} % of boards, of three in at most {1} %",
        (
            Of("B10", "star at 0.05 among 2 identical strategies (most of 7 mixtures)"),
            Of("B10", "star at 0.05 among 3 identical strategies (most of 7 mixtures)"),
        ),
    ),
    Quote("{0} % of the seeds are saved", (Of("B8", "seeds saved, 24 % failures, at most 0 allowed"),)),
    Quote(
        "PASS at the threshold comes in {0} % of experiments with 25 runs if scores are skewed like an "
        "exponential, in {0} % if their tails are those of t with 3 degrees of freedom, "
        "in {0} % of experiments with 10 runs if one in ten collapses partly",
        tuple(
            Of("H2", f"spread: false PASS, true std = tau, {shape}, n = {n}")
            for shape, n in (
                ("exponential, skewed to the left", 25),
                ("heavy-tailed, t with 3 degrees of freedom", 25),
                ("one run in ten partly collapsed", 10),
            )
        ),
    ),
    Quote(
        "in {0} % of experiments with 5 runs and in {0} % with 25 if scores are skewed like an exponential, "
        "in {0} % with 10 runs if one in ten collapses partly",
        tuple(
            Of("H2", f"mean: false PASS, true mean = wanted, {shape}, n = {n}")
            for shape, n in (
                ("exponential, skewed to the left", 5),
                ("exponential, skewed to the left", 25),
                ("one run in ten partly collapsed", 10),
            )
        ),
    ),
    Quote(
        "FAIL in {0} % of experiments although an allowance of 90 % is kept",
        (Of("H2", "failures: false FAIL, three runs, 90 % allowed and true"),),
    ),
    Quote(
        "with 2 to 8 % at chance and the true spread at the threshold, in {0} to {0} %",
        (
            Of("B13", "false PASS by bounds that know of no mixture, *", min),
            Of("B13", "false PASS by bounds that know of no mixture, *", max),
        ),
    ),
)

OTHERS = (
    # levels, allowances and thresholds
    "is meant at 5 % on either side",
    "a PASS in at most 5 % of experiments and a FAIL in at most 5 %",
    "an exact one-sided test at 5 %",
    "Never wrong in more than 5 % on a side",
    "a strategy that fails in 90 % of runs",
    *(f"\n| {allowed} % | -/" for allowed in (5, 10, 15, 20, 30)),
    "allow 15 or 20 % if a PASS is to be reachable",
    "at most 20 %, 10 %, 5 % failures",
    "| star at .05,",
    "| star at .001,",
    "`*` for p <= .05, `★` for p <= .001",
    "A star at .001",
    "a gate that allows 10 % can never pass",
    "one-sided at 95 % each",
    "are two-sided 95 % intervals",
    "is wrong in at most 6 % on a side instead of 5 % (B16)",
    # the worlds that are simulated
    "on CoLA, 4 % failed runs lift",
    "fail on CoLA in 14 % of runs",
    "with no failure allowed and 24 % of runs failing",
    "(Matthews .10 to .50, say)",
    "With the truth at the threshold and 2 to 8 % of runs at chance they passed in none",
    # worked by hand: see the test
    "at their thresholds, up to 40 %",
    "If 4 % of runs fail, 25 seeds show no failure at all in 36 % of experiments",
    "With 4 % at chance 25 seeds show none in 36 % of experiments",
    "with 25 seeds and none at chance up to 15 % of all might be",
    "at most 11.3 % (10 seeds: 25.9 %, 5 seeds: 45.1 %)",
    "a failure rate of at most 11.3 %",
    "smaller by 2 % at 25 seeds and by 11 % at 5",
    "A rate of 5 % from 20,000 experiments",
)

RATE = re.compile(r"(?<![\w.,-])(?:\d+(?:\.\d+)?(?= %)|\.\d+(?!\d|\.\d))")


def written(text: str, tables: Tables) -> str:
    """The page with its quoted rates as the tables have them.

    Raises `LookupError` where a quote or its row is not there, or a quote is there twice.
    """
    for quote in QUOTES:
        found = list(quote.pattern.finditer(text))
        if len(found) != 1:
            raise LookupError(f"{quote.text!r} is in the page {len(found)} times")
        match, numbers = found[0], quote.filled(tables)
        for group in reversed(range(1, 1 + len(numbers))):
            start, end = match.span(group)
            text = text[:start] + numbers[group - 1] + text[end:]
    return text


def unquoted(text: str) -> list[str]:
    """The rates of a page that come from no row and are not among `OTHERS`, with the words around them."""
    known = [quote.pattern for quote in QUOTES]
    known += [re.compile(re.sub(r"(\\ )+", r"\\s+", re.escape(words))) for words in OTHERS]
    spans = [match.span() for pattern in known for match in pattern.finditer(text)]
    return [
        " ".join(text[max(0, rate.start() - 60) : rate.end() + 20].split())
        for rate in RATE.finditer(text)
        if not any(start <= rate.start() < end for start, end in spans)
    ]
