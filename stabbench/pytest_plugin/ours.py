"""Which of a session's items are runs and gates: those that have a group.

Keywords do not tell: somebody else's folder, file, class or test may be called ``stab_gate``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from stabbench.pytest_plugin.ledger import Selected

if TYPE_CHECKING:
    from stabbench.pytest_plugin.refs import GroupRef


def group_of(item: pytest.Item) -> GroupRef | None:
    """Return the group that a run or a gate is about; ``None`` for anybody else's test."""
    refs = sys.modules.get("stabbench.pytest_plugin.refs")  # a session without suites has no groups
    if refs is None:
        return None
    run = getattr(item, "ref", None)
    found: GroupRef | None = run if isinstance(run, refs.GroupRef) else refs.judged_by(item)
    return found


def is_gate(item: pytest.Item) -> bool:
    """Return whether an item is a gate."""
    refs = sys.modules.get("stabbench.pytest_plugin.refs")
    return refs is not None and refs.judged_by(item) is not None


def our_items(session: pytest.Session) -> list[Selected]:
    """Return a session's runs and gates."""
    return [
        Selected(item.nodeid, ref.key, ref.name, is_gate(item))
        for item in session.items
        if (ref := group_of(item)) is not None
    ]
