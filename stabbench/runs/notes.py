"""The store's notes on runs that have no record: which errored, which are not to come.

errors/<key>.json      the last time a run errored
stopped/<group>.json   planned seeds of a grid stopped early
eager/<digest>.txt     why steps of a strategy cannot be captured on a GPU
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from stabbench.errors import RecordError
from stabbench.foreign import read_file, read_json
from stabbench.runs.files import write_atomic, writing
from stabbench.runs.record import LARGEST_SEED
from stabbench.spec import RunSpec
from stabbench.stored import Stored

SEEDS = TypeAdapter(frozenset[Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]])


class ErrorNote(Stored):
    """Why a run ended without a record, and the end of what it printed.

    Attributes:
        key: the run's key.
        kind: ``crash``, ``out of memory``, ``time-out``, ``error``, ...
        message: what went wrong and what to do.
        log: the end of what the run printed.
        spec: what was to be computed, so that the run's group is known; ``None`` in notes of 0.1.0.
        session: the session that asked for the run; empty when none did, or in notes of 0.1.0.
    """

    key: str
    kind: str
    message: str
    log: str
    spec: RunSpec | None = None
    session: str = ""

    @property
    def headline(self) -> str:
        """The first line of the message; empty in a note that has none."""
        return next(iter(self.message.splitlines()), "")


class Notes:
    """The notes in a store's folder.

    Args:
        root: the store's folder; it is made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def note_error(self, note: ErrorNote) -> None:
        """Remember why a run errored, for reports; the run is computed again in the next session.

        Raises:
            StoreError: when the disk is full or not writable; the message tells the error itself.
        """
        place = self.root / "errors" / f"{note.key}.json"
        with writing(self.root, f"that the run {note.key[:12]} errored ({note.headline})"):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, note.model_dump_json().encode())

    def error(self, key: str) -> ErrorNote | None:
        """Return why a run errored the last time, if it did and has no record since.

        A note that cannot be read says at least that it did.
        """
        place = self.root / "errors" / f"{key}.json"
        if not os.path.lexists(place):
            return None
        try:
            note = ErrorNote.model_validate_json(read_file(place))
            if note.key != key or (note.spec is not None and note.spec.key != key):
                raise ValueError("the note of another run")  # a key makes paths: never somebody else's
        except ValueError as error:
            message = f"the note of its error cannot be read: {str(error).splitlines()[0]}"
            return ErrorNote(key=key, kind="unknown", message=message, log="")
        return note

    def errors(self) -> list[str]:
        """Return the keys of all runs that errored the last time, sorted."""
        return sorted(path.stem for path in (self.root / "errors").glob("*.json"))

    def clear_error(self, key: str) -> None:
        """Forget an error, since the run has a record now."""
        (self.root / "errors" / f"{key}.json").unlink(missing_ok=True)

    def note_stopped(self, group: str, seeds: Sequence[int]) -> None:
        """Remember the planned seeds of a group that was stopped early, so that nobody ranks what it has.

        Raises:
            StoreError: when the disk is full or not writable.
        """
        place = self.root / "stopped" / f"{group}.json"
        with writing(self.root, f"that the group {group[:12]} was stopped early"):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, json.dumps(sorted(seeds)).encode())

    def note_eager(self, name: str, reason: str) -> None:
        """Remember that a strategy's steps cannot be captured; deleting the note has it tried again.

        Args:
            name: digest of the strategy and all else that it may depend on.
            reason: which strategy, and why.

        Raises:
            StoreError: when the disk is full or not writable.
        """
        place = self.root / "eager" / f"{name}.txt"
        with writing(self.root, "that steps cannot be captured"):
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, reason.encode())

    def is_eager(self, name: str) -> bool:
        """Return whether there is such a note."""
        return (self.root / "eager" / f"{name}.txt").exists()

    def eager(self) -> list[str]:
        """Return the reasons of all such notes."""
        places = sorted((self.root / "eager").glob("*.txt"))
        return [read_file(place).decode(errors="replace") for place in places]

    def stopped(self) -> dict[str, tuple[int, ...]]:
        """Return the planned seeds of every group stopped early; later runs may have completed it.

        Raises:
            RecordError: when a note cannot be read: its group would be taken for a whole one.
        """
        found = {}
        for place in sorted((self.root / "stopped").glob("*.json")):
            try:
                found[place.stem] = tuple(sorted(SEEDS.validate_python(read_json(read_file(place)))))
            except ValueError as error:
                raise RecordError(
                    f"{place}, which says what a group was to have, cannot be read: {error}.",
                    "delete it, and run that group's session again.",
                ) from error
        return found
