"""What a gate gets, and how it is held to its verdicts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, cast

import pytest

from stabbench.errors import StabbenchError
from stabbench.pytest_plugin.ledger import BASELINE, GATE, READ
from stabbench.pytest_plugin.options import settings_of
from stabbench.pytest_plugin.refs import GroupRef
from stabbench.pytest_plugin.session import session_of
from stabbench.pytest_plugin.summary import gate_properties

if TYPE_CHECKING:
    from stabbench.samples.stability import Stability


def judged_sample(request: pytest.FixtureRequest) -> Stability:
    """Return the sample that a gate judges."""
    ref = getattr(request, "param", None)
    if not isinstance(ref, GroupRef):
        raise StabbenchError(
            f"{request.path} has no Suite.", 'put suite = Suite(task="rte", models=[...]) at its top.'
        )
    item: pytest.Item = request.node
    item.user_properties[:] = [p for p in item.user_properties if p[0] not in (GATE, READ, BASELINE)]
    return _read(request, ref, "subject")


def compared_sample(request: pytest.FixtureRequest) -> Stability:
    """Return the sample of the strategy that ``@pytest.mark.against`` names."""
    mark = request.node.get_closest_marker("against")
    if mark is None:
        raise StabbenchError(
            f"{request.node.name} takes `against` but does not say which.",
            'put @pytest.mark.against("devlin") above it.',
        )
    ref: GroupRef = request.node.callspec.params["stability"]
    return _read(request, ref.against(mark.args[0]), "comparator")


def baseline_sample(request: pytest.FixtureRequest, stability: Stability) -> Stability:
    """Return the stored sample of ``--stab-baseline`` for the gate's task, model and strategy."""
    place = settings_of(request.config).baseline
    runs = session_of(request.config).baseline
    if place is None or runs is None:
        pytest.skip("no baseline to judge against: name one with --stab-baseline")
    from stabbench.samples.baselines import counterpart

    found = counterpart(runs, stability, place.stem)
    request.node.user_properties.append((BASELINE, found.runs[0].group))
    return found


def _read(request: pytest.FixtureRequest, ref: GroupRef, role: str) -> Stability:
    """Pull a group for a gate; its report tells so whatever becomes of the gate."""
    session = session_of(request.config)
    summary = {**session.planned.naming(ref), "as": role}
    request.node.user_properties.append((READ, json.dumps(summary)))
    return session.stability(ref)


def hold(gate: pytest.Function) -> Generator[None, object, object]:
    """Run a gate's function and hold it to its verdicts."""
    from stabbench.statistics.evidence import Outcome  # with SciPy: not before a gate runs

    stability = cast("Stability", gate.funcargs["stability"])
    held = False
    try:
        failure: AssertionError | None = None
        result: object = None
        try:
            result = yield
        except AssertionError as error:
            failure = error
        except StabbenchError as error:  # stopped early, or not comparable: the message says it all
            gate._stabbench_error = error  # type: ignore[attr-defined]  # read by makereport
            raise
        for verdict in stability.verdicts:
            gate.config.hook.pytest_stab_verdict(config=gate.config, stability=stability, verdict=verdict)
        last = stability.verdicts[-1] if stability.verdicts else None
        fails = [v for v in stability.verdicts if v.outcome is Outcome.FAIL]
        unsure = [v for v in stability.verdicts if v.outcome is Outcome.INCONCLUSIVE]
        if fails and failure is None:
            pytest.fail(fails[0].summary, pytrace=False)
        if not fails and unsure and (failure is None or last is unsure[-1]):
            how = settings_of(gate.config).inconclusive
            if how == "skip":
                pytest.skip(unsure[0].summary)
            if how == "warn":
                with warnings.catch_warnings():
                    warnings.simplefilter("always")  # `filterwarnings = error` is not about verdicts
                    gate.warn(pytest.PytestWarning(unsure[0].summary))
                held = True
                return result
            pytest.fail(unsure[0].summary, pytrace=False)
        if failure is not None:
            if last is not None and not last:
                pytest.fail(last.summary, pytrace=False)
            raise failure
        held = True
        return result
    finally:
        ref = cast("GroupRef", gate.callspec.params["stability"])
        gate.user_properties.extend(gate_properties(stability, ref.model, held))
