"""The pytest plugin: hooks only, the work is done elsewhere. It is inert in a project without suites."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

import pytest

from stabbench.errors import StabbenchError
from stabbench.executors.devices import check_devices
from stabbench.planning import replaced
from stabbench.pytest_plugin import hookspec, options
from stabbench.pytest_plugin.collection import SuiteCollector, parametrize
from stabbench.pytest_plugin.failclosed import FailClosed
from stabbench.pytest_plugin.items import RunItem
from stabbench.pytest_plugin.progress import Progress
from stabbench.pytest_plugin.refs import RUN_MARK, SETTINGS, GroupRef
from stabbench.pytest_plugin.session import SESSION, PullSession, session_of
from stabbench.pytest_plugin.summary import Summary, gate_properties
from stabbench.recipe import Recipe
from stabbench.suite import Suite

if TYPE_CHECKING:
    from stabbench.samples.stability import Stability


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that users may implement."""
    pluginmanager.add_hookspecs(hookspec)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options before anything starts (in a worker the controller has done so)."""
    config.addinivalue_line(
        "markers", "against(strategy): compare with another strategy; its runs come along"
    )
    config.addinivalue_line("markers", "stab_run: a run of a suite (set by stabbench)")
    config.addinivalue_line("markers", "stab_gate: a gate of a suite (set by stabbench)")
    try:
        settings = options.Settings.of(config)
        if not settings.replay and not hasattr(config, "workerinput"):
            check_devices(settings.executor_options.devices)
    except StabbenchError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[SETTINGS] = settings
    if hasattr(config, "workerinput"):
        return
    if getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1  # runs are long: a worker takes one at a time
    config.pluginmanager.register(FailClosed(config), "stabbench-failclosed")
    config.pluginmanager.register(Progress(config, settings), "stabbench-progress")
    config.pluginmanager.register(Summary(config, settings), "stabbench-summary")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which values of a strategy the session replaces."""
    settings = config.stash[SETTINGS]
    return [
        f"stabbench: {line}"
        for strategy in settings.strategies
        for line in replaced(strategy, Recipe(), settings.plan.overrides)
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker which session it is part of."""
    node.workerinput["stabbench_session"] = node.config.stash[SETTINGS].session


def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> SuiteCollector | None:
    """Make run items of a module's suite."""
    if isinstance(obj, Suite) and isinstance(collector, pytest.Module):
        suite: SuiteCollector = SuiteCollector.from_parent(collector, name=name, suite=obj)
        return suite
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a gate once per group."""
    parametrize(metafunc, metafunc.config.stash[SETTINGS])


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark gates, early enough for ``-m``."""
    if _judged(item) is not None:
        item.add_marker("stab_gate")


def _judged(item: pytest.Item) -> GroupRef | None:
    """Return the group that a gate judges; ``None`` for any other item."""
    ref = getattr(getattr(item, "callspec", None), "params", {}).get("stability")
    return ref if isinstance(ref, GroupRef) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Know every group of the session, so that who waits can help."""
    refs = [item.ref for item in session.items if isinstance(item, RunItem)]
    if refs:
        session.config.stash[SESSION] = PullSession(session.config, refs)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Tell the user's hook what is planned, before anything runs (an xdist controller has no items)."""
    found = [item.ref if isinstance(item, RunItem) else _judged(item) for item in session.items]
    refs = dict.fromkeys(ref for ref in found if ref is not None)
    if refs and not session.config.option.collectonly and not session.testsfailed:
        groups = session_of(session.config).plannable(refs)
        session.config.hook.pytest_stab_planned(config=session.config, groups=groups)


@pytest.fixture
def stability(request: pytest.FixtureRequest) -> Stability:
    """The sample that a gate judges; what it lacks is computed first."""
    ref = getattr(request, "param", None)
    if not isinstance(ref, GroupRef):
        raise StabbenchError(
            f"{request.path} has no Suite.", 'put suite = Suite(task="rte", models=[...]) at its top.'
        )
    return session_of(request.config).stability(ref)


@pytest.fixture
def against(request: pytest.FixtureRequest) -> Stability:
    """The sample of the strategy that ``@pytest.mark.against`` names, on the same task and model."""
    mark = request.node.get_closest_marker("against")
    if mark is None:
        raise StabbenchError(
            f"{request.node.name} takes `against` but does not say which.",
            'put @pytest.mark.against("devlin") above it.',
        )
    ref: GroupRef = request.node.callspec.params["stability"]
    return session_of(request.config).stability(ref.against(mark.args[0]))


@pytest.fixture
def baseline(request: pytest.FixtureRequest, stability: Stability) -> Stability:
    """The stored sample of ``--stab-baseline`` for the gate's task, model and strategy."""
    place = request.config.stash[SETTINGS].baseline
    runs = session_of(request.config).baseline
    if place is None or runs is None:
        pytest.skip("no baseline to judge against: name one with --stab-baseline")
    from stabbench.samples.baselines import counterpart

    found = counterpart(runs, stability, place.stem)
    request.node.user_properties.append(("stabbench_baseline", found.runs[0].group))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Hold a gate to its verdicts: none but PASS may stay unasserted; INCONCLUSIVE is as the session says."""
    if "stab_gate" not in pyfuncitem.keywords:
        return (yield)
    from stabbench.statistics.evidence import Outcome  # with SciPy: not before a gate runs

    stability = cast("Stability", pyfuncitem.funcargs["stability"])
    try:
        failure: AssertionError | None = None
        result: object = None
        try:
            result = yield
        except AssertionError as error:
            failure = error
        except StabbenchError as error:  # stopped early, or not comparable: the message says it all
            pyfuncitem._stabbench_error = error  # type: ignore[attr-defined]  # read by makereport
            raise
        for verdict in stability.verdicts:
            pyfuncitem.config.hook.pytest_stab_verdict(
                config=pyfuncitem.config, stability=stability, verdict=verdict
            )
        last = stability.verdicts[-1] if stability.verdicts else None
        fails = [v for v in stability.verdicts if v.outcome is Outcome.FAIL]
        unsure = [v for v in stability.verdicts if v.outcome is Outcome.INCONCLUSIVE]
        if fails and failure is None:
            pytest.fail(fails[0].summary, pytrace=False)
        if not fails and unsure and (failure is None or last is unsure[-1]):
            how = pyfuncitem.config.stash[SETTINGS].inconclusive
            if how == "skip":
                pytest.skip(unsure[0].summary)
            if how == "warn":
                with warnings.catch_warnings():
                    warnings.simplefilter("always")  # `filterwarnings = error` is not about verdicts
                    pyfuncitem.warn(pytest.PytestWarning(unsure[0].summary))
                return result
            pytest.fail(unsure[0].summary, pytrace=False)
        if failure is not None:
            if last is not None and not last:
                pytest.fail(last.summary, pytrace=False)
            raise failure
        return result
    finally:
        ref = cast("GroupRef", pyfuncitem.callspec.params["stability"])
        pyfuncitem.user_properties.extend(gate_properties(stability, ref.model))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show an incomplete group as its message, without a traceback."""
    report = yield
    info = getattr(report, "longrepr", None)
    error = getattr(item, "_stabbench_error", None)
    if info is not None and error is not None:
        report.longrepr = str(error)
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
    if report.when == "call" and report.passed and RUN_MARK in report.nodeid:
        return "passed", "", "PASSED"
    return None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no trainer behind."""
    if SESSION in session.config.stash:
        session.config.stash[SESSION].close()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no trainer behind, also when the session broke."""
    if SESSION in config.stash:
        config.stash[SESSION].close()
