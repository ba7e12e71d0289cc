"""What the pages quote from the tables of `error_rates.py`, and their rates that come from elsewhere.

Every other percentage and fraction of the pages is a promise, a threshold or a worked number: `OTHERS`.
"""

from collections.abc import Callable, Iterable

from quoted_rates import Of, Quote


def plain(of: str, n: int, ratio: str = "1") -> Of:
    """A row of the spread gate's table."""
    return Of("B6", f"{of}, true std {ratio} tau, n = {n}")


HOLDS = "plain `std < tau` holds"
STATISTICS = (
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
        "errs in up to {1} % of cases by itself with 20 runs against 25, in {1} % with 5 against 25, "
        "{1} % with 5 against 50, and at the worst, with 11 against 25 or 50, in {1} %",
        tuple(
            Of("H1", f"rate called not worse, 20 points higher, {sizes} (most of all rates)")
            for sizes in ("20 against 25", "5 against 25", "5 against 50", "11 against 50")
        ),
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
        "twice the std | 25 pairs ({.}); unpaired 25 against 25 ({.}), 25 against 50 ({.}) |",
        (
            Of("B14", "regression, FAIL, twice the std, 25 pairs, correlation 0"),
            Of("B3", "FAIL, twice the std, stable (least of 3)"),
            Of("B3", "FAIL, twice the std, RTE, 25 against 50"),
        ),
    ),
    Quote(
        "| 15 pairs ({.}); unpaired 15 against 25 ({.}) |",
        (
            Of("B14", "regression, FAIL, mean 3 points lower, 15 pairs, correlation 0"),
            Of("B3", "FAIL, mean 3 points lower, RTE, 15 against 25"),
        ),
    ),
    Quote(
        "| 40 pairs ({.}), 25 have {.}; unpaired 40 against 40 ({.}), 25 against 25 ({.}) |",
        (
            *(
                Of("B14", f"regression, FAIL, 20 points more failures than none, {n} pairs, correlation 0")
                for n in (40, 25)
            ),
            Of("B3", "FAIL, 20 points more failures, RTE, 40 against 40"),
            Of("B3", "FAIL, 20 points more failures, stable (least of 3)"),
        ),
    ),
    Quote(
        "| 25 pairs ({.}), 10 have {.}; unpaired 10 against 25 ({.}), 25 against 25 ({.}) |",
        (
            *(
                Of("B14", f"regression, FAIL, 40 points more failures than none, {n} pairs, correlation 0")
                for n in (25, 10)
            ),
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


def in_pairs(what: str) -> tuple[Of, ...]:
    """FAIL of the regression gate: paired and unpaired, at a correlation of 0 and at .9."""
    case = "regression, FAIL, {}, " + what if what else "regression, false FAIL, {}, A = B, normal"
    return tuple(
        Of("B14", f"{case.format(how)}, correlation {correlation}")
        for correlation in ("0", "0.9")
        for how in ("paired", "unpaired")
    )


PAIRED = (
    *(
        Quote(f"| {words} | {{.}} | {{.}} | {{.}} | {{.}} |", in_pairs(what))
        for words, what in (
            ("nothing changed", ""),
            ("mean 1 point lower", "mean 1 point lower"),
            ("mean 2 points lower", "mean 2 points lower"),
            ("half again the std", "half again the std"),
            ("30 % at chance instead of 10 %", "20 points more failures"),
        )
    ),
    Quote(
        "A was called steadier than an identical B (PASS) in at most {1} % of experiments",
        (Of("B14", "steadier, false PASS, paired, *", max),),
    ),
    Quote(
        "in {1}, {1} and {1} % of experiments at those correlations",
        tuple(
            Of("B14", f"regression, false FAIL, unpaired, A = B, 10 % failed, correlation {correlation}")
            for correlation in ("0", "0.5", "0.9")
        ),
    ),
    Quote(
        "errs in up to {1} % of cases with 25 pairs, and in up to {1} % with 17",
        tuple(
            Of("B14", f"rate called not worse, 20 points higher, {n} pairs (most of all rates, exact)")
            for n in (25, 17)
        ),
    ),
)


def equal(group: str, ratio: str) -> tuple[Of, ...]:
    """PASS of "as steady as" for two equal strategies, by the number of seeds."""
    return tuple(Of("EQ", f"PASS, equal, ratio {ratio}, {group}, {n} each") for n in (25, 50, 100))


def at_margin(outcome: str, case: str) -> tuple[Of, ...]:
    """Errors of "as steady as" at a margin, by the numbers of runs."""
    sizes = ("25 against 25", "25 against 50", "50 against 50", "100 against 100")
    return tuple(Of("EQ", f"{outcome}, {case}, {size} *", max) for size in sizes)


SHAPES = ("t with 3 degrees of freedom", "exponential", "10 % partial collapse")
EQUIVALENCE = (
    *(
        Quote(f"| {words} | {ratio} | {{.}} | {{.}} | {{.}} |", equal(group, ratio))
        for ratio in ("1.5", "2")
        for words, group in (
            ("nothing at chance (RTE)", "RTE"),
            ("10 % at chance (RTE)", "RTE, 10% failed"),
            ("24 % at chance (CoLA)", "CoLA, 24% failed"),
        )
    ),
    Quote(
        "in {0} % of comparisons of 25 with 25 runs ({0} % at 50), with three times the spread in {0} % "
        "({0} %), with half of the runs at chance against none in {0} % ({0} %)",
        tuple(
            Of("EQ", f"FAIL, {what}, {n} each")
            for what in (
                "twice the spread",
                "three times the spread",
                "half of the runs at chance against none",
            )
            for n in (25, 50)
        ),
    ),
    *(
        Quote(f"| {words} | {{3}} | {{3}} | {{3}} | {{3}} |", at_margin(outcome, case))
        for words, outcome, case in (
            ("spreads exactly 1.5 times apart: false PASS", "false PASS", "spreads 1.5 times apart"),
            ("the same spreads: false FAIL", "false FAIL", "spreads 1.5 times apart"),
            ("rates exactly 20 % apart: false PASS", "false PASS", "rates 0.2 apart"),
            ("the same rates: false FAIL", "false FAIL", "rates 0.2 apart"),
        )
    ),
    Quote(
        "a false PASS came in at most {1} % of experiments with 50 or 100 runs a side, "
        "and two equal strategies of 100 runs PASS in {.}, {.} and {.} of them",
        (
            Of("EQ", "false PASS, spreads 1.5 times apart, *each", max),
            *(Of("EQ", f"PASS, equal, ratio 1.5, {shape}, 100 each") for shape in SHAPES),
        ),
    ),
    Quote(
        "Two equal strategies FAIL in at most {1} % of comparisons of 25 with 25 runs",
        (Of("EQ", "FAIL, equal, 25 each (most of 7 mixtures)"),),
    ),
    Quote(
        "the false PASS is at most {3}, {3} and {3} at 25, 50 and 100 runs a side, but {3} at 20; "
        "and the false FAIL of 11 runs against 50 reaches {.} by the rates alone",
        (
            *(
                Of("EQ", f"false PASS of the rates alone, 0.2 apart, {n} each (exact)")
                for n in (25, 50, 100, 20)
            ),
            Of("EQ", "false FAIL of the rates alone, 0.2 apart, 11 against 50 (exact)"),
        ),
    ),
)


def holds(what: str, pick: Callable[[Iterable[float]], float]) -> Of:
    """How often an interval of 25 seeds holds the truth, the least or the most of four worlds."""
    return Of("B15", f"coverage, {what}, [!5]*", pick)


OF_WHAT = ("difference of means", "mean", "difference of standard deviations", "standard deviation")
OTHER_DEV_DATA = (
    Quote(
        "{.} to {.} for the difference of means, {.} to {.} for a mean, {.} to {.} for the difference of "
        "standard deviations, {.} to {.} for a standard deviation. With 5 seeds {.}, {.}, {.} and **{.}**",
        (
            *(holds(what, pick) for what in OF_WHAT for pick in (min, max)),
            *(Of("B15", f"coverage, {what}, 5 seeds, which count for more than rows") for what in OF_WHAT),
        ),
    ),
)

PAGES = {
    "statistics.md": STATISTICS,
    "paired.md": PAIRED,
    "equivalence.md": EQUIVALENCE,
    "other-dev-data.md": OTHER_DEV_DATA,
}
"""The pages that quote rates; those of the README are among `OTHERS`."""

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
    # paired.md: levels, worlds, and correlations that a test repeats
    "Holm's correction asks for .025 or .017",
    "correlations of 0, .5 and .9",
    "paired, .9 | unpaired, .9",
    "an unchanged strategy, 10 % of whose runs fail",
    "at rates of .4 that go together",
    "is .24 in the median pair of strategies, with a half of them between .02 and .45",
    ".17 and between -.01 and .38",
    # equivalence.md: margins, levels and a world
    "by less than 20 % of all runs",
    "finds nothing on either side at 5 %",
    "from one-sided bounds at 5 %",
    "of which 10 % are far below",
    # other-dev-data.md: levels, and what a command prints
    "95 % intervals for other seeds",
    "48 % (28 to 91) 0 % (0 to 7) -48 % (-91 to -29)",
    "variance that is the seeds' 4 % 18 %",
    "277 rows, 95 % intervals",
)
