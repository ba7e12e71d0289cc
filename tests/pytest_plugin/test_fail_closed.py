"""Exit code 0 means: a gate passed on every planned seed of every group that was trained or read.

Each cell is a session in which somebody stands in the way: options that leave gates out, marks, conftests,
plugins, and ways to die. What came of it is read from exit code, output and JUnit file.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import pytest

from stabbench.pytest_plugin.ledger import is_run
from tests.pytest_plugin.conftest import Project

GATE = "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.9)\n\n"
MODULE_XFAIL = "pytestmark = pytest.mark.xfail(run=False)\n\n"
MODULE_SKIP = "pytestmark = pytest.mark.skip(reason='no')\n\n"
NORMAL = "def test_normal():\n    pass\n\n"


def after_unsure(*lines: str) -> str:
    """Return a gate that asks for a verdict, which is INCONCLUSIVE, and goes on."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"def test_few_runs_fail(stability):\n    unsure = stability.few_failures(at_most=0.3)\n{body}\n"


def told_in_a_fixture(*lines: str) -> str:
    """Return a gate that passes, with a fixture that has the sample."""
    body = "".join(f"    {line}\n" for line in lines)
    gate = GATE.replace("(stability)", "(told, stability)")
    return f"@pytest.fixture\ndef told(stability):\n{body}\n{gate}"


STD = "def test_scores(stability):\n    assert stability.std < 9\n\n"
SECOND = GATE.replace("test_few_runs_fail", "test_again")
FAILING = "def test_few_runs_fail(stability):\n    assert stability.good_mean(at_least=0.999)\n\n"
SAID_FAIL = "stability.judge(lambda s, alpha: BAD)"
SURE = f"def test_sure(stability):\n    assert {SAID_FAIL}\n\n"
BAD = (
    "from stabbench.statistics import Evidence, Outcome\n"
    "BAD = Evidence('own', Outcome.FAIL, 'bad', 'share')\n\n"
)
UNSURE = "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.3)\n\n"
AGAINST = (
    "@pytest.mark.against('devlin')\ndef test_steadier(stability, against):\n"
    "    assert against.planned == 3\n    assert stability.few_failures(at_most=0.9)\n\n"
)


def marked(mark: str) -> str:
    return f"@pytest.mark.{mark}\n{GATE}"


def dying(how: str, when: str = "") -> str:
    """Return a gate that ends the session, before or after its verdict."""
    return (
        f"import os, signal\n\ndef test_few_runs_fail(stability{when}):\n    {how}\n"
        "    assert stability.few_failures(at_most=0.9)\n\n"
    )


def swallowing(what: str) -> str:
    return (
        "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item, nextitem):\n"
        f"    return True if {what!r} in item.nodeid else None\n"
    )


def hook(name: str, arguments: str, *lines: str, options: str = "") -> str:
    """Return a conftest with one hook."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"import os\nimport pytest\n\n@pytest.hookimpl({options})\ndef {name}({arguments}):\n{body}"


OUTERMOST = "wrapper=True, tryfirst=True"
BYE = "pytest.exit('bye', 0)"
DROPPING = hook(
    "pytest_collection_modifyitems", "items", "items[:] = [i for i in items if 'run[' in i.nodeid]"
)
PAINTING = hook(
    "pytest_runtest_makereport",
    "item, call",
    "report = yield",
    "report.outcome = 'passed'",
    "return report",
    options="wrapper=True",
)
PAINTING_FIRST = PAINTING.replace("wrapper=True", "wrapper=True, tryfirst=True")
WHITEWASH = hook("pytest_sessionfinish", "session", "session.exitstatus = 0")
WHITEWASH_LAST = hook(
    "pytest_sessionfinish",
    "session",
    "yield",
    "session.exitstatus = 0",
    options="wrapper=True, tryfirst=True",
)
LOGGING = hook("pytest_runtest_logreport", "report", "report.outcome = 'passed'", options="tryfirst=True")
SKIPPING = hook("pytest_runtest_setup", "item", "if 'test_' in item.name: pytest.skip('not today')")
SKIPPING_ALL = hook("pytest_runtest_setup", "", "pytest.skip('no accelerator')")
SKIP_MARKS = hook(
    "pytest_collection_modifyitems", "items", "for i in items: i.add_marker(pytest.mark.skip(reason='no'))"
)
FIXTURE = "@pytest.fixture(autouse=True)\ndef first(request):\n    {}\n\n"
GATES_ALONE = ("-m", "stab_gate")
BOTH = ("--strategy", "ours", "--strategy", "devlin")
XFAILING = hook(
    "pytest_collection_modifyitems", "items", "for i in items: i.add_marker(pytest.mark.xfail(strict=False))"
)
STRANGE = hook(
    "pytest_runtest_makereport",
    "item, call",
    "report = yield",
    "report.user_properties.append(('x', os.sep and __import__('pathlib').Path('x')))",
    "return report",
    options="wrapper=True",
)
FORKED = """
import pytest_forked

whole = pytest_forked.serialize_report

def plain(report):  # reports of pytest 9.2 hold an object that pytest-forked 1.7.5 cannot marshal
    found = {**whole(report), "nodeid": report.nodeid}
    found.pop("_id", None)
    return found

pytest_forked.serialize_report = plain
"""
X2 = ("-n", "2")


@dataclass
class Cell:
    """A session.

    Attributes:
        gates: the suite's, all of which stand in one file.
        words: of the command line.
        conftest: the project's.
        green: whether it must end with exit code 0; the others must not.
        says: what the output must contain.
        first: a session before it, by its words.
    """

    gates: str = GATE
    words: tuple[str, ...] = ()
    conftest: str = ""
    green: bool = False
    says: str = ""
    first: tuple[str, ...] | None = None
    own_process: bool = False


CELLS = {
    # nothing stands in the way
    "plain": Cell(green=True),
    "two workers": Cell(words=X2, green=True),
    "one worker": Cell(words=("-n", "1"), green=True),
    "no worker": Cell(words=("-n", "0"), green=True),
    "worksteal": Cell(words=(*X2, "--dist", "worksteal"), green=True),
    "without xdist": Cell(words=("-p", "no:xdist"), green=True),
    "without a terminal": Cell(words=("-p", "no:terminal"), green=True),
    "two gates, one deselected": Cell(GATE + SECOND, ("-k", "test_again"), green=True),
    "a gate by its node id": Cell(words=("-m", "stab_gate"), green=True),
    "the other strategy came along": Cell(AGAINST, green=True),
    "collect only": Cell(words=("--collect-only",), green=True),
    "collect only, two workers": Cell(words=("--collect-only", *X2), green=True),
    "fixtures": Cell(words=("--fixtures",), green=True),
    # asked for
    "training alone": Cell(words=("-m", "stab_run"), green=True, says="trained, not judged: ours on toy"),
    "training alone, two workers": Cell(
        words=("-m", "stab_run", *X2), green=True, says="trained, not judged"
    ),
    "inconclusive may pass": Cell(
        UNSURE, ("--stab-inconclusive", "warn"), green=True, says="--stab-inconclusive warn lets pass"
    ),
    "inconclusive may be skipped": Cell(
        UNSURE, ("--stab-inconclusive", "skip"), green=True, says="--stab-inconclusive skip lets pass"
    ),
    "a share": Cell(words=("--stab-shard", "1/2"), green=True, says="share 1/2 is trained, not judged"),
    "a share, two workers": Cell(words=("--stab-shard", "1/2", *X2), green=True, says="`stabbench merge`"),
    # selections
    "an empty share": Cell(words=("--stab-shard", "5/5"), says="share 5/5 is empty"),
    "a share's gate alone": Cell(words=("--stab-shard", "1/2", "-m", "stab_gate"), says="share 1/2"),
    "half a share": Cell(words=("--stab-shard", "1/2", "-k", "bert-0"), says="share 1/2 is not complete"),
    "one strategy of a share": Cell(
        words=("--stab-shard", "1/2", *BOTH, "-k", "ours"), says="devlin on toy with tiny-bert: no run"
    ),
    "one strategy of a share, two workers": Cell(
        words=("--stab-shard", "1/2", *BOTH, "-k", "ours", *X2), says="devlin on toy with tiny-bert: no run"
    ),
    "a normal test of a share": Cell(
        GATE + NORMAL, ("--stab-shard", "1/2", "-k", "test_normal"), says="ours on toy with tiny-bert: no run"
    ),
    "all but the runs of a share": Cell(
        GATE + NORMAL, ("--stab-shard", "1/2", "-m", "not stab_run", *X2), says="share 1/2 is not complete"
    ),
    "runs by keyword": Cell(words=("-k", "run["), says="no gate ran on it"),
    "runs by keyword, two workers": Cell(words=("-k", "run[", *X2), says="no gate ran on it"),
    "not the gates": Cell(words=("-m", "not stab_gate"), says="no gate ran on it"),
    "deselected gate": Cell(
        words=("--deselect", "suites/toy/test_toy.py::test_few_runs_fail"), says="no gate ran on it"
    ),
    "only the other strategy": Cell(
        AGAINST, ("--strategy", "devlin"), says="devlin on toy with tiny-bert (3 runs) is not judged"
    ),
    "the other strategy was asked for": Cell(
        AGAINST, ("--strategy", "ours", "--strategy", "devlin"), says="devlin on toy"
    ),
    "only runs of the other are left": Cell(AGAINST + GATE, ("-k", "run[ or few"), says="devlin on toy"),
    "last failed": Cell(FAILING, ("--lf",), first=()),
    "failed first, stop": Cell(FAILING + SECOND, ("--ff", "-x"), first=()),
    "stepwise": Cell(FAILING + SECOND, ("--sw",), first=("--sw",)),
    "maxfail": Cell(FAILING + SECOND, ("--maxfail", "1")),
    # gates that judge nothing
    "no gate": Cell("import os\n", says="no gate ran on it"),
    "no gate, two workers": Cell("import os\n", X2, says="no gate ran on it"),
    "no verdict": Cell(STD, says="asked for no verdict"),
    "skipped gate": Cell(marked("skip"), says="was skipped"),
    "skipped gate, two workers": Cell(marked("skip"), X2, says="is not judged"),
    "conditionally skipped gate": Cell(marked("skipif(True, reason='today')"), says="was skipped"),
    "xfailed gate": Cell(marked("xfail").replace("0.9", "0.001"), says="is marked xfail"),
    "xpassed gate": Cell(marked("xfail"), says="is marked xfail"),
    "strictly xfailed gate": Cell(marked("xfail(strict=True)").replace("0.9", "0.001"), says="marked xfail"),
    "a gate that skips itself": Cell(GATE.replace("assert", "pytest.skip('no')\n    assert"), says="skipped"),
    "a subset is judged": Cell(
        "@pytest.fixture\ndef stability(stability):\n    from stabbench.samples.stability import Stability\n"
        "    return Stability.from_records(stability.runs[:1])\n\n" + GATE.replace("0.9", "0.999")
    ),
    # nothing reports what was planned
    "skipped gate alone": Cell(marked("skip"), GATES_ALONE, says="was skipped"),
    "skipped gate by keyword": Cell(marked("skip"), ("-k", "test_few"), says="was skipped"),
    "skipped gate alone, two workers": Cell(marked("skip"), (*GATES_ALONE, *X2), says="was skipped"),
    "skipped gate alone, inconclusive may be skipped": Cell(
        marked("skip"), (*GATES_ALONE, "--stab-inconclusive", "skip"), says="was skipped"
    ),
    "gate that is not to run": Cell(marked("xfail(run=False)"), GATES_ALONE, says="is marked xfail"),
    "module that is not to run": Cell(MODULE_XFAIL + GATE, says="ours on toy with tiny-bert is not judged"),
    "skipped module beside a test": Cell(MODULE_SKIP + GATE + NORMAL, says="was skipped"),
    "everything is skipped by a conftest": Cell(conftest=SKIPPING_ALL, says="was skipped"),
    "everything is skipped by a conftest, two workers": Cell(words=X2, conftest=SKIPPING_ALL, says="skipped"),
    "everything is marked skip by a conftest": Cell(conftest=SKIP_MARKS, says="was skipped"),
    "a fixture skips first": Cell(
        FIXTURE.format("pytest.skip('no')") + GATE, GATES_ALONE, says="was skipped"
    ),
    "one strategy's gate is skipped first": Cell(
        FIXTURE.format("'devlin' in request.node.name and pytest.skip('no')") + GATE,
        (*BOTH, *GATES_ALONE),
        says="devlin on toy with tiny-bert is not judged",
    ),
    # assertions that are not about a verdict
    "unsure, then a number": Cell(
        after_unsure("assert stability.std < 0"), ("--stab-inconclusive", "warn"), says="assert stability.std"
    ),
    "unsure, then a number, may be skipped": Cell(
        after_unsure("assert stability.std < 0"), ("--stab-inconclusive", "skip"), says="assert stability.std"
    ),
    "unsure, then a number by default": Cell(
        after_unsure("assert stability.std < 0"), says="stability.std <"
    ),
    "unsure, then an error": Cell(
        after_unsure("raise AssertionError('mine')"), ("--stab-inconclusive", "warn"), says="mine"
    ),
    "unsure, looked at, then an error": Cell(
        after_unsure("if not unsure: raise AssertionError('mine')"),
        ("--stab-inconclusive", "warn"),
        says="mine",
    ),
    "unsure or a number": Cell(
        after_unsure("assert unsure or stability.std < 0"), ("--stab-inconclusive", "warn"), says="assert ("
    ),
    "any of unsure and a number": Cell(
        after_unsure("assert any([unsure, stability.std < 0])"), ("--stab-inconclusive", "warn"), says="any("
    ),
    "unsure, asserted by name": Cell(
        after_unsure("assert unsure, 'who knows'"),
        ("--stab-inconclusive", "warn"),
        green=True,
        says="lets pass",
    ),
    "unsure, asserted over lines": Cell(
        UNSURE.replace("at_most=0.3", "\n        at_most=0.3,\n    "),
        ("--stab-inconclusive", "warn"),
        green=True,
        says="lets pass",
    ),
    # FAIL, told beside the gate's end
    "FAIL, then a skip": Cell(
        BAD + SECOND + SURE.replace("assert ", "").rstrip() + "\n    pytest.skip('known')\n", says="gave FAIL"
    ),
    "FAIL is expected": Cell(BAD + SECOND + "@pytest.mark.xfail\n" + SURE, says="gave FAIL"),
    "FAIL in a fixture, then a skip": Cell(
        BAD + SECOND + told_in_a_fixture(SAID_FAIL, "pytest.skip('known')"),
        says="gave FAIL",
    ),
    "FAIL in a fixture's end": Cell(BAD + told_in_a_fixture("yield", SAID_FAIL), says="gave FAIL"),
    # options that switch off
    "without the guard": Cell(
        STD, ("-p", "no:stabbench-failclosed"), says="-p no:stabbench-failclosed", own_process=True
    ),
    "without the live line": Cell(words=("-p", "no:stabbench-progress"), green=True),
    "set-up only": Cell(words=("--setup-only",), green=True),
    "cache": Cell(words=("--cache-show",), green=True, first=()),
    # what `against` is given
    "against by keyword": Cell(AGAINST.replace("'devlin'", "strategy='devlin'"), green=True),
    "against nothing": Cell(AGAINST.replace("('devlin')", ""), says='write @pytest.mark.against("devlin")'),
    "against a list": Cell(AGAINST.replace("'devlin'", "['devlin']"), says="write @pytest.mark.against("),
    # conftests
    "a conftest that looks at items": Cell(
        conftest=hook(
            "pytest_collection_modifyitems",
            "items",
            "for i in items: assert i.module and i.fixturenames is not None and i.cls is None",
        ),
        green=True,
    ),
    "swallowed gates": Cell(conftest=swallowing("test_few"), says="never reported"),
    "swallowed gates alone": Cell(
        words=("-m", "stab_gate"), conftest=swallowing("test_few"), says="never reported"
    ),
    "swallowed gates alone, two workers": Cell(
        words=("-m", "stab_gate", *X2), conftest=swallowing("test_few"), says="never reported"
    ),
    "swallowed runs": Cell(conftest=swallowing("run["), says="never reported"),
    "swallowed runs, training alone": Cell(
        words=("-m", "stab_run"), conftest=swallowing("bert-1"), says="never reported"
    ),
    "dropped gates": Cell(conftest=DROPPING, says="no gate ran on it"),
    "dropped gates, two workers": Cell(words=X2, conftest=DROPPING, says="no gate ran on it"),
    "painted reports": Cell(FAILING, conftest=PAINTING),
    "painted reports, outermost": Cell(FAILING, conftest=PAINTING_FIRST, says="reported as passed"),
    "painted reports, two workers": Cell(FAILING, X2, conftest=PAINTING_FIRST),
    "painted reports of an assertion": Cell(STD.replace("9", "-1"), conftest=PAINTING_FIRST),
    "painted late": Cell(FAILING, conftest=LOGGING),
    "painted late, two workers": Cell(FAILING, X2, conftest=LOGGING),
    "whitewashed failure": Cell(FAILING, conftest=WHITEWASH),
    "whitewashed failure, outermost": Cell(FAILING, conftest=WHITEWASH_LAST),
    "whitewashed failure, two workers": Cell(FAILING, X2, conftest=WHITEWASH_LAST),
    "skipping conftest": Cell(conftest=SKIPPING, says="was skipped"),
    "skipped runs, training alone": Cell(
        words=("-m", "stab_run"), conftest=SKIPPING.replace("'test_'", "'bert-1'"), says="not all was trained"
    ),
    "xfailing conftest": Cell(conftest=XFAILING),
    # ways to die
    "exit in a gate": Cell(dying(BYE), says="never reported"),
    "exit in a gate, two workers": Cell(dying(BYE), X2),
    "exit in a gate without a terminal": Cell(dying(BYE), ("-p", "no:terminal"), says="never reported"),
    "exit in a fixture": Cell(
        f"@pytest.fixture\ndef bye():\n    {BYE}\n\n" + dying("pass", ", bye"), says="never reported"
    ),
    "exit in a fixture's end": Cell(
        f"@pytest.fixture\ndef bye():\n    yield\n    {BYE}\n\n" + dying("pass", ", bye"), says="never"
    ),
    "exit in a run's set-up": Cell(conftest=hook("pytest_runtest_setup", "item", BYE), says="never reported"),
    "exit at a run's report": Cell(
        conftest=hook("pytest_runtest_logreport", "report", BYE, options="trylast=True"), says="never"
    ),
    "exit at the start": Cell(conftest=hook("pytest_sessionstart", "", BYE), says="ended before"),
    "exit in the collection": Cell(conftest=hook("pytest_itemcollected", "item", BYE), says="ended before"),
    "exit after the collection": Cell(
        conftest=hook("pytest_collection_finish", "", BYE), says="never reported"
    ),
    "exit in the loop": Cell(
        conftest=hook("pytest_runtestloop", "", BYE, options="tryfirst=True"), says="never"
    ),
    "no loop": Cell(
        conftest=hook("pytest_runtestloop", "", "return True", options="tryfirst=True"), says="never reported"
    ),
    "exit at the finish": Cell(FAILING, conftest=hook("pytest_sessionfinish", "", BYE)),
    "exit at the outermost finish": Cell(
        STD, conftest=hook("pytest_sessionfinish", "", BYE, options="tryfirst=True"), says="no verdict"
    ),
    "exit in the summary": Cell(STD, conftest=hook("pytest_terminal_summary", "", BYE), says="no verdict"),
    "exit when all is over": Cell(FAILING, conftest=hook("pytest_unconfigure", "", BYE), own_process=True),
    "a worker ends in a gate": Cell(dying("os._exit(0)"), X2),
    "a worker ends, none follows": Cell(dying("os._exit(0)"), (*X2, "--max-worker-restart=0")),
    "the workers cannot start": Cell(
        words=X2,
        conftest=hook(
            "pytest_configure",
            "config",
            "if hasattr(config, 'workerinput'): raise pytest.UsageError('no')",
        ),
        says="ended before",
    ),
    "an internal error of xdist": Cell(words=X2, conftest=STRANGE),
    "an internal error": Cell(conftest=hook("pytest_runtest_logfinish", "", "raise ValueError"), words=()),
    # plugins
    "random order": Cell(words=("-p", "randomly", "-p", "no:xdist"), green=True, own_process=True),
    "random order, two workers": Cell(words=("-p", "randomly", *X2), green=True, own_process=True),
    "random order, no gate": Cell("import os\n", ("-p", "randomly"), says="no gate", own_process=True),
    "reruns": Cell(words=("--reruns", "2"), green=True),
    "reruns of a failing gate": Cell(FAILING, ("--reruns", "2")),
    "a gate that passes on its second try": Cell(
        "tries = []\n\ndef test_few_runs_fail(stability):\n    tries.append(1)\n    assert len(tries) > 1\n"
        "    assert stability.few_failures(at_most=0.9)\n",
        ("--reruns", "2"),
        green=True,
    ),
    "a verdict only on the first try": Cell(
        "tries = []\n\ndef test_few_runs_fail(stability):\n    tries.append(1)\n    if len(tries) == 1:\n"
        "        assert stability.few_failures(at_most=0.9)\n        assert False\n",
        ("--reruns", "2"),
        says="asked for no verdict",
    ),
    "time-out": Cell(dying("__import__('time').sleep(9)"), ("--timeout", "0.4"), own_process=True),
    "time-out, thread": Cell(
        dying("__import__('time').sleep(9)"),
        ("--timeout", "0.4", "--timeout-method", "thread"),
        own_process=True,
    ),
    "time-out, thread, two workers": Cell(
        dying("__import__('time').sleep(9)"), ("--timeout", "0.4", "--timeout-method", "thread", *X2)
    ),
    "forked": Cell(words=("--forked",), conftest=FORKED, green=True, own_process=True),
    "forked, a gate ends": Cell(dying("os._exit(0)"), ("--forked",), FORKED, own_process=True),
    "forked, no verdict": Cell(STD, ("--forked",), FORKED, says="asked for no verdict", own_process=True),
}


def session(instant: Project, cell: Cell) -> tuple[int, str]:
    """Run a cell's session; return its exit code and what it said."""
    instant.write_suite(gates=cell.gates)
    if cell.conftest:
        (instant.folder / "conftest.py").write_text(cell.conftest)
    cache = cell.first is not None
    if cell.first is not None:
        instant.run("suites/toy", *cell.first, cache=cache)
    words = ("suites/toy", "--junitxml=out.xml", *cell.words)
    found = instant.run(*words, own_process=cell.own_process, cache=cache)
    return found.code, found.output


def passed_gates(instant: Project) -> list[str]:
    """Return the gates that passed, as the JUnit file has them."""
    cases = ET.parse(instant.folder / "out.xml").iter("testcase")
    bad = ("failure", "error", "skipped")
    return [name for c in cases if "test_" in (name := c.get("name", "")) and not any(map(c.findall, bad))]


NOT_JUDGING = {
    "--collect-only",
    "--fixtures",
    "--setup-only",
    "--cache-show",
    "stab_run",
    "--stab-shard",
    "--stab-inconclusive",
}


QUICK = {  # of the sessions that need processes of their own
    "two workers",
    "no gate, two workers",
    "skipped gate alone, two workers",
    "without the guard",
    "swallowed gates alone, two workers",
    "exit in a gate, two workers",
    "painted reports, two workers",
    "forked, no verdict",
}


def cells() -> list[object]:
    """Return the names of the cells; most of those that start processes take their time."""
    slow = {name for name, cell in CELLS.items() if cell.own_process or "-n" in cell.words} - QUICK
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in CELLS]


@pytest.mark.parametrize("name", cells())
def test_exit_code_0_means_that_all_was_judged(instant: Project, name: str) -> None:
    cell = CELLS[name]
    code, output = session(instant, cell)
    assert (code == 0) == cell.green, output
    assert cell.says in " ".join(output.split()), output
    if code == 0 and not NOT_JUDGING & set(cell.words):
        assert [gate for gate in passed_gates(instant) if "[ours-toy-tiny-bert]" in gate], output


@pytest.mark.parametrize(
    "words",
    [
        ("--strategy", "ours", "--strategy", "mixout:p=0.5"),
        ("--stab-replicates", "2"),
        ("--stab-seed-streams", "order,dropout", "--stab-replicates", "2"),
        ("--stab-model", "some-owner/a.model[1]"),
    ],
)
def test_a_run_is_known_by_its_node_id(instant: Project, words: tuple[str, ...]) -> None:
    """A worker that dies at once tells nothing else of what it was to do."""
    found = instant.run("--collect-only", "-q", *words, "suites/toy")
    ids = [line for line in found.output.splitlines() if "::" in line]
    assert found.code == 0, found.output
    assert len(ids) > 3
    assert [name for name in ids if is_run(name)] == [name for name in ids if "::test_" not in name]
