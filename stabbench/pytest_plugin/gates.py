"""What a gate gets, and how it is held to its verdicts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from stabbench.errors import StabbenchError
from stabbench.pytest_plugin.ledger import BASELINE, READ
from stabbench.pytest_plugin.options import settings_of
from stabbench.pytest_plugin.refs import GroupRef, named_by
from stabbench.pytest_plugin.session import session_of
from stabbench.pytest_plugin.summary import gate_properties

if TYPE_CHECKING:
    from stabbench.samples.stability import Stability


@dataclass
class Judged:
    """What a gate's reports tell of its verdicts, until its last fixture has ended.

    Attributes:
        stability: what it judges.
        model_reference: the model as the suite or the command line names it.
        held: whether its function ended well; ``None`` before it did anything.
        told: the properties that the last report had.
    """

    stability: Stability
    model_reference: str
    held: bool | None = None
    told: list[tuple[str, object]] = field(default_factory=list)


JUDGED = pytest.StashKey[Judged]()


def tell_verdicts(item: pytest.Item) -> None:
    """Let a gate's next report carry all verdicts so far, those that a fixture asked for included."""
    judged = item.stash.get(JUDGED, None)
    if judged is None or (judged.held is None and not judged.stability.verdicts):
        return
    before = judged.told
    judged.told = gate_properties(judged.stability, judged.model_reference, bool(judged.held))
    item.user_properties[:] = [p for p in item.user_properties if p not in before] + judged.told


def judged_sample(request: pytest.FixtureRequest) -> Stability:
    """Return the sample that a gate judges."""
    ref = getattr(request, "param", None)
    if not isinstance(ref, GroupRef):
        raise StabbenchError(
            f"{request.path} has no Suite.", 'put suite = Suite(task="rte", models=[...]) at its top.'
        )
    item: pytest.Item = request.node
    earlier = item.stash.get(JUDGED, None)  # an attempt before this one
    told = earlier.told if earlier else []
    item.user_properties[:] = [
        p for p in item.user_properties if p not in told and p[0] not in (READ, BASELINE)
    ]
    found = _read(request, ref, "subject")
    item.stash[JUDGED] = Judged(found, ref.model)
    return found


def compared_sample(request: pytest.FixtureRequest) -> Stability:
    """Return the sample of the strategy that ``@pytest.mark.against`` names."""
    mark = request.node.get_closest_marker("against")
    if mark is None:
        raise StabbenchError(
            f"{request.node.name} takes `against` but does not say which.",
            'put @pytest.mark.against("devlin") above it.',
        )
    ref: GroupRef = request.node.callspec.params["stability"]
    return _read(request, ref.against(named_by(mark)), "comparator")


def baseline_sample(request: pytest.FixtureRequest, stability: Stability) -> Stability:
    """Return the stored sample of ``--stab-baseline`` for the gate's task, model and strategy."""
    place = settings_of(request.config).baseline
    runs = session_of(request.config).baseline
    if place is None or runs is None:
        # a suite may have such a gate for CI alone; what no other gate judges is red all the same
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
    from stabbench.pytest_plugin.asserted import asserted
    from stabbench.statistics.evidence import Outcome  # with SciPy: not before a gate runs

    stability = cast("Stability", gate.funcargs["stability"])
    ref = cast("GroupRef", gate.callspec.params["stability"])
    judged = gate.stash.setdefault(JUDGED, Judged(stability, ref.model))
    judged.stability, judged.held = stability, False  # a fixture of the user's may have replaced the sample
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
        about = asserted(failure) if failure is not None else None
        if failure is not None and not any(about is verdict for verdict in stability.verdicts):
            raise failure
        fails = [v for v in stability.verdicts if v.outcome is Outcome.FAIL]
        unsure = [v for v in stability.verdicts if v.outcome is Outcome.INCONCLUSIVE]
        if fails:
            pytest.fail(fails[0].summary, pytrace=False)
        if unsure:
            how = settings_of(gate.config).inconclusive
            if how == "skip":  # asked for by --stab-inconclusive: neither passed nor failed
                pytest.skip(unsure[0].summary)
            if how == "warn":
                with warnings.catch_warnings():
                    warnings.simplefilter("always")  # `filterwarnings = error` is not about verdicts
                    gate.warn(pytest.PytestWarning(unsure[0].summary))
                judged.held = True
                return result
            pytest.fail(unsure[0].summary, pytrace=False)
        judged.held = True
        return result
    finally:
        tell_verdicts(gate)
