"""The session's zygote: started by its controller or only process, as early as it is known to be needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stabbench.pytest_plugin.failclosed import NOT_JUDGING
from stabbench.pytest_plugin.options import session_name

STARTED = pytest.StashKey[None]()


def warm_up(config: pytest.Config) -> None:
    """Start the session's zygote, once, unless the session trains nothing with it.

    It imports at once when the store has no run, so that some must be trained, else when it is first asked.
    """
    option = config.option
    trains = option.stab_executor == "process" and not option.stab_replay
    if STARTED in config.stash or not trains or any(getattr(option, name, False) for name in NOT_JUDGING):
        return
    from stabbench import zygote

    config.stash[STARTED] = None
    session = session_name(config)
    if zygote.name_of(session, option.stab_threads) == session:
        runs = Path(option.stab_store or config.rootpath / ".stabbench", "runs")
        started = zygote.Zygote.start(session, option.stab_threads, now=_is_empty(runs))
        if started is not None:
            config.add_cleanup(started.close)


def _is_empty(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True
