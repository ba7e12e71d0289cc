"""The pytest plugin: hooks only, the work is done elsewhere.

pytest imports it in every session of the environment. What it needs for suites is imported when there
is one: in a project without suites it is inert and costs next to nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import pytest

from stabbench.errors import StabbenchError
from stabbench.pytest_plugin import hookspec, options, strategy_name
from stabbench.pytest_plugin.failclosed import COLLECTED, GROUPS, PLANNED, FailClosed
from stabbench.pytest_plugin.ledger import RAISED, is_run
from stabbench.pytest_plugin.ours import group_of, is_gate, our_items
from stabbench.text import terminal_line

if TYPE_CHECKING:
    from stabbench.pytest_plugin.collection import SuiteCollector
    from stabbench.samples.stability import Stability

FAIL_CLOSED = "stabbench-failclosed"
PROGRESS = "stabbench-progress"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options.add_options(parser.getgroup("stabbench", "fine-tuning stability").addoption)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that users may implement."""
    pluginmanager.add_hookspecs(hookspec)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, object, object]:
    """Read ``--strategy`` as ``--stab-strategy``, unless somebody else has such an option."""
    strategy_name.read_early(early_config, parser, args)
    found = yield
    strategy_name.settle(parser, args)
    return found


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything starts (in a worker the controller has done so)."""
    config.addinivalue_line(
        "markers", "against(strategy): compare with another strategy; its runs come along"
    )
    config.addinivalue_line("markers", "stab_run: a run of a suite (set by stabbench)")
    config.addinivalue_line("markers", "stab_gate: a gate of a suite (set by stabbench)")
    if hasattr(config, "workerinput"):
        return
    try:
        if options.are_given(config.option):
            _warm_up(config)
            options.settings_of(config).check_devices()
    except StabbenchError as error:
        raise pytest.UsageError(str(error)) from error
    if config.pluginmanager.is_blocked(FAIL_CLOSED):
        raise pytest.UsageError(
            f"-p no:{FAIL_CLOSED} would let sessions pass that judged nothing.\n"
            "  -> leave it away; -m stab_run trains without gates, -p no:stabbench has no runs at all."
        )
    config.pluginmanager.register(FailClosed(config), FAIL_CLOSED)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what a share does, and which values of a strategy the session replaces."""
    if not options.are_given(config.option):
        return []
    from stabbench.overrides import replaced
    from stabbench.recipe import Recipe

    settings, share = options.settings_of(config), config.option.stab_shard
    lines = [f"share {share} trains and judges nothing; merge the shares, then judge"] if share else []
    for strategy in settings.strategies:
        lines += replaced(strategy, Recipe(), settings.plan.overrides)
    return [terminal_line(f"stabbench: {line}") for line in lines]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which session it is part of."""
    node.workerinput[options.SESSION_NAME] = options.session_name(node.config)


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> SuiteCollector | None:
    """Make run items of a module's suite."""
    suites = sys.modules.get("stabbench.suite")  # nobody has a suite who did not import it
    if suites is None or not isinstance(obj, suites.Suite) or not isinstance(collector, pytest.Module):
        return None
    from stabbench.pytest_plugin.collection import SuiteCollector

    collector.config.stash.setdefault(GROUPS, {})
    found: SuiteCollector = SuiteCollector.from_parent(collector, name=name, suite=obj)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a gate once per group."""
    if "stability" in metafunc.fixturenames and "stabbench.suite" in sys.modules:
        from stabbench.pytest_plugin.collection import parametrize

        parametrize(metafunc, options.settings_of(metafunc.config))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark gates, early enough for ``-m``."""
    if is_gate(item):
        item.add_marker("stab_gate")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the gates of a share to the session that has all shares."""
    if config.option.stab_shard:
        config.hook.pytest_deselected(items=[item for item in items if is_gate(item)])
        items[:] = [item for item in items if not is_gate(item)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Know every group of the session, so that who waits can help; start the live line."""
    config, ours = session.config, our_items(session)
    if config.option.stab_more_seeds and not hasattr(config, "workerinput"):
        from stabbench.pytest_plugin.collection import FEWEST

        _check_more_seeds(config, config.stash.get(FEWEST, 0))
    if hasattr(config, "workeroutput"):
        config.workeroutput[PLANNED] = [astuple(item) for item in ours]
        config.workeroutput[COLLECTED] = config.stash.get(GROUPS, {})
    if any(not item.is_gate for item in ours):
        from stabbench.pytest_plugin.items import begin

        begin(session)
        if not config.option.collectonly and not hasattr(config, "workerinput"):
            _warm_up(config)
            _show_progress(config, [item.nodeid for item in session.items])


def _warm_up(config: pytest.Config) -> None:
    from stabbench.pytest_plugin.warm import warm_up

    warm_up(config)


def _check_more_seeds(config: pytest.Config, planned: int) -> None:
    """Refuse a second look that would be the first again; only suites tell how many seeds are planned."""
    try:
        options.check_more_seeds(config.option.stab_more_seeds, planned)
    except StabbenchError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: list[str]) -> None:
    """Hand out runs one at a time, since they are long, and start the live line."""
    if any(map(is_run, ids)):
        _warm_up(node.config)
        if node.config.option.stab_more_seeds:
            groups = Counter(
                name.rpartition("-")[0] for name in ids if is_run(name) and ".replicate" not in name
            )
            _check_more_seeds(node.config, min(groups.values(), default=0))
        scheduler: Any = getattr(node.config.pluginmanager.get_plugin("dsession"), "sched", None)
        if getattr(scheduler, "maxschedchunk", 0) is None:
            scheduler.maxschedchunk = 1
        _show_progress(node.config, ids)


def _show_progress(config: pytest.Config, ids: list[str]) -> None:
    from stabbench.pytest_plugin.progress import Progress

    if config.pluginmanager.is_blocked(PROGRESS):
        return
    progress = config.pluginmanager.get_plugin(PROGRESS)
    if progress is None:
        progress = Progress(config, options.settings_of(config))
        config.pluginmanager.register(progress, PROGRESS)
    progress.plan(ids)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Tell the user's hook what is planned, before anything runs (an xdist controller has no items)."""
    if our_items(session) and not session.config.option.collectonly and not session.testsfailed:
        from stabbench.pytest_plugin.items import tell_planned

        tell_planned(session)


@pytest.fixture
def stability(request: pytest.FixtureRequest) -> Stability:
    """The sample that a gate judges; what it lacks is computed first."""
    from stabbench.pytest_plugin.gates import judged_sample

    return judged_sample(request)


@pytest.fixture
def against(request: pytest.FixtureRequest) -> Stability:
    """The sample of the strategy that ``@pytest.mark.against`` names, on the same task and model."""
    from stabbench.pytest_plugin.gates import compared_sample

    return compared_sample(request)


@pytest.fixture
def baseline(request: pytest.FixtureRequest, stability: Stability) -> Stability:
    """The stored sample of ``--stab-baseline`` for the gate's task, model and strategy."""
    from stabbench.pytest_plugin.gates import baseline_sample

    return baseline_sample(request, stability)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold a gate to its verdicts: none but PASS may stay unasserted; INCONCLUSIVE is as the session says."""
    if not is_gate(pyfuncitem):
        return (yield)
    from stabbench.pytest_plugin.gates import hold

    return (yield from hold(pyfuncitem))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show an incomplete group as its message; note what raised, whoever changes reports."""
    gates = sys.modules.get("stabbench.pytest_plugin.gates")
    if gates is not None:
        gates.tell_verdicts(item)
    report = yield
    error = getattr(item, "_stabbench_error", None)
    if getattr(report, "longrepr", None) is not None and error is not None:
        report.longrepr = str(error)
    raised = call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception)
    if raised and group_of(item) is not None:
        report.user_properties.append((RAISED, True))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Remember an error of ours in a gate's fixtures."""
    try:
        return (yield)
    except StabbenchError as error:
        if fixturedef.argname in ("stability", "against", "baseline"):
            request.node._stabbench_error = error
        raise


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Leave passed runs to the live line: no dot each."""
    if report.when == "call" and report.passed and is_run(report.nodeid):
        return "passed", "", "PASSED"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write the table of the groups."""
    fail_closed = config.pluginmanager.get_plugin(FAIL_CLOSED)
    if fail_closed is not None and (stories := fail_closed.ledger.ours):
        from stabbench.pytest_plugin.summary import Summary

        summary = Summary(config, options.settings_of(config))
        for story in stories:
            if "call" in story.outcomes:
                summary.add(story.properties)
        summary.write(terminalreporter)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no trainer behind."""
    _close(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no trainer behind, also when the session broke."""
    _close(config)


def _close(config: pytest.Config) -> None:
    pulling = sys.modules.get("stabbench.pytest_plugin.session")
    if pulling is not None and pulling.SESSION in config.stash:
        config.stash[pulling.SESSION].close()
