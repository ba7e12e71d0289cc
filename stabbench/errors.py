"""Errors that a user can act on: every message names the cause and the next step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from stabbench.text import terminal


class StabbenchError(Exception):
    """Something the user can mend.

    Args:
        cause: what is wrong, with the value, file or name that is at fault.
        action: what to do next.
    """

    def __init__(self, cause: str, action: str) -> None:
        super().__init__(cause, action)
        self.cause = cause
        self.action = action

    def __str__(self) -> str:
        """Return the message as terminals and reports show it, whatever names it holds."""
        return terminal(f"{self.cause}\n  -> {self.action}")


class UnknownNameError(StabbenchError):
    """A strategy, task, model or option value that nobody registered."""


class DataError(StabbenchError):
    """Task data that is missing or malformed."""


class RecordError(StabbenchError):
    """A record that is truncated, tampered with, or of an unreadable format."""


class StoreError(StabbenchError):
    """A store that cannot be read or written."""


class RunError(StabbenchError):
    """A run that ended without a result: crash, out of memory, time-out, faulty hook."""


@contextlib.contextmanager
def code_of_others(what: str, action: str) -> Iterator[None]:
    """Turn whatever others' code inside raises, an exit too, into an error of ours; not Ctrl-C.

    Args:
        what: whose code it is: the message goes on with ``raised KeyError: ...``.
        action: what to do next.

    Raises:
        StabbenchError: in place of what was raised.
    """
    try:
        yield
    except (StabbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise StabbenchError(f"{what} raised {type(error).__name__}: {error}", action) from error
