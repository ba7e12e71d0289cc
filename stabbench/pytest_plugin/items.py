"""Run items: one run each, taken from the store or computed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from stabbench.errors import RunError, StabbenchError
from stabbench.pytest_plugin.ledger import RUN
from stabbench.pytest_plugin.refs import GroupRef, judged_by
from stabbench.pytest_plugin.session import SESSION, PullSession, session_of
from stabbench.requests import RunId
from stabbench.stored import digest
from stabbench.text import shown


class RunItem(pytest.Item):
    """One run. It passes when the run has a record: a failed run is data, an errored one an error."""

    def __init__(self, *, ref: GroupRef, run: RunId, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ref = ref
        self.run = run
        self.add_marker("stab_run")
        module = self.getparent(pytest.Module)
        self.module = module.obj if module else None  # what conftests ask of every item; it has no function
        self.cls = None
        self.fixturenames: list[str] = []

    def runtest(self) -> None:
        """Take the run from the store or compute it; what hinders many runs alike is told by the first."""
        try:
            run_item(self)
        except RunError:
            raise
        except StabbenchError as error:
            if session_of(self.config).planned.is_first_to_tell(error, self.nodeid):
                raise
            # the first has failed: to repeat it for each of thousands would hide it
            pytest.skip(shown(f"as another run says: {error.cause}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show an error of ours as its message, without a traceback."""
        if isinstance(excinfo.value, StabbenchError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the item comes from, for reports (those of a skip mark want a line)."""
        return self.path, 0, self.name


def run_item(item: RunItem) -> None:
    """Settle the run of an item and note what came of it for the summary.

    Raises:
        RunError: when the run errored.
        StabbenchError: when it is not in the store and nothing may be trained.
    """
    session = session_of(item.config)
    item.user_properties[:] = [p for p in item.user_properties if p[0] != RUN]  # of an earlier attempt
    group = session.planned.group(item.ref)
    request, (seed, replicate) = group.runs[item.run], item.run
    was_there = session.record(request) is not None
    session.pull(item.ref, [request])
    record, key = session.record(request), request.spec.key
    note = session.error(request) if record is None else None
    stopped = record is None and note is None and session.is_stopped(item.ref)
    naming = session.planned.naming(item.ref)
    if not session.planned.is_first_to_tell(item.ref.key, item.nodeid):
        del naming["planned_seeds"]  # once is enough: in every report they would be the square of the runs
    summary = {
        **naming,
        "strategy": group.strategy,
        "task": item.ref.task,
        "model": request.work.model.name,
        "model_reference": item.ref.model,
        "metric": request.spec.work.names.metric,
        "better": request.spec.work.names.better,
        "seed": seed,
        "replicate": replicate,
        "computed": not was_there,
        "problem": session.problems.get(key),
        "stopped": stopped,
    }
    if record is not None:
        from stabbench.samples.environment import environment_of
        from stabbench.samples.failed import is_failed

        score = record.last if session.settings.checkpoint == "last" else record.best
        summary |= {"score": score.value, "failed": is_failed(record, session.settings.checkpoint)}
        summary["environment"] = dict(environment_of(record))
        summary["result"] = digest([record.last.value, record.best.value, record.arrays])
    item.user_properties.append((RUN, json.dumps(summary)))
    if record is not None:
        return
    if stopped:
        # asked for by --stab-early-stop: what is left out is neither an error nor a failed run
        why = f"not run: {group.strategy} on {item.ref.task} is certain to have too many failures"
        pytest.skip(shown(why))
    if note is None:
        missing = [
            str(s) for s, r in group.sample.items() if session.record(r) is None and not session.error(r)
        ]
        seeds = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise StabbenchError(
            f"{len(missing)} of {len(group.seeds)} runs of {group.strategy} on {item.ref.task} with "
            f"{item.ref.model_id} are not in the store (seed {seeds}), and --stab-replay trains nothing.",
            "leave --stab-replay away, or name the store that has them with --stab-store.",
        )
    cause, _, action = note.message.partition("\n  -> ")
    tail = "".join(f"\n  | {line}" for line in note.log.splitlines()[-12:])
    raise RunError(
        f"seed {seed} errored ({note.kind}): {cause}{tail}",
        (action or "mend the cause and run the same command again: finished runs are kept.")
        + f"\n     full log: stabbench show {key} --store {shlex.quote(str(session.store.root))}",
    )


def begin(session: pytest.Session) -> None:
    """Know every group that the session has runs of."""
    refs = [item.ref for item in session.items if isinstance(item, RunItem)]
    session.config.stash[SESSION] = PullSession(session.config, refs)


def tell_planned(session: pytest.Session) -> None:
    """Tell the user's hook what is planned."""
    found = [item.ref if isinstance(item, RunItem) else judged_by(item) for item in session.items]
    refs = dict.fromkeys(ref for ref in found if ref is not None)
    groups = session_of(session.config).planned.plannable(refs)
    session.config.hook.pytest_stab_planned(config=session.config, groups=groups)
