"""The store: one folder per run, named by the run's key, written atomically.

runs/<key>/record.json, arrays.npz [, model.safetensors ...]   what came of a run
errors/<key>.json, <key>.log                                   the last time a run errored
leases/<key>.lock                                              who computes it now
progress/<pid>.json                                            what each trainer is doing
stopped/<group>.json                                           planned seeds of a grid stopped early
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stabbench.errors import RecordError, StoreError
from stabbench.runs.leases import Lease
from stabbench.runs.record import Arrays, RunRecord, pack_arrays, read_record, unpack_arrays, write_record
from stabbench.spec import Frozen


class ErrorNote(Frozen):
    """Why a run ended without a record, and the end of what it printed."""

    key: str
    kind: str
    message: str
    log: str


class Store:
    """Records on disk.

    Args:
        root: the store's folder; it is made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def folder(self, key: str) -> Path:
        """Return the folder of a run, which may not exist."""
        return self.root / "runs" / key

    def check_writable(self) -> None:
        """Raise a ``StoreError`` unless the store can be written, before anything expensive starts."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root) as probe:
                probe.write(b"\0" * 4096)
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be written: {error.strerror}.",
                "free the disk or its permissions, or choose another place with --stab-store.",
            ) from error

    def keys(self) -> list[str]:
        """Return the keys of all runs in the store, sorted; a record may yet prove unreadable."""
        runs = self.root / "runs"
        return sorted(entry.name for entry in runs.iterdir()) if runs.is_dir() else []

    def read(self, key: str) -> RunRecord | None:
        """Return the record of a run, or ``None`` when there is none.

        Raises:
            RecordError: when it is truncated, tampered with, or not the record of this key.
        """
        place = self.folder(key) / "record.json"
        try:
            text = place.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            if self.folder(key).is_dir():
                raise RecordError(f"{place} is missing.", "it is computed again when needed.") from None
            return None
        except UnicodeDecodeError as error:
            raise RecordError(f"{place} is not text.", "it is computed again when needed.") from error
        record = read_record(text, str(place))
        if record.key != key:
            raise RecordError(f"{place} is the record of {record.key}.", "it is computed again when needed.")
        if record.arrays is not None:
            self._array_bytes(record)
        return record

    def records(self) -> Iterator[RunRecord]:
        """Yield every readable record, by key; unreadable ones are in ``problems``."""
        for key in self.keys():
            try:
                record = self.read(key)
            except RecordError:
                continue
            if record is not None:
                yield record

    def problems(self) -> list[str]:
        """Return a message for every record that cannot be read."""
        found = []
        for key in self.keys():
            try:
                self.read(key)
            except RecordError as error:
                found.append(str(error))
        return found

    def arrays(self, record: RunRecord) -> Arrays:
        """Return the arrays of a record; imported runs have none.

        Raises:
            RecordError: when their file is missing or was changed.
        """
        return unpack_arrays(self._array_bytes(record)) if record.arrays is not None else {}

    def _array_bytes(self, record: RunRecord) -> bytes:
        place = self.folder(record.key) / "arrays.npz"
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != record.arrays:
            raise RecordError(f"{place} is missing or was changed.", "its run is computed again when needed.")
        return data

    def write(
        self,
        record: RunRecord,
        arrays: Mapping[str, NDArray[Any]] | None = None,
        files: Mapping[str, Path] | None = None,
    ) -> RunRecord:
        """Write a run in one atomic step and return the record as written.

        Args:
            record: what came of the run; its ``arrays`` digest is filled in.
            arrays: see ``stabbench.runs.record.Arrays``.
            files: more files of the run by name (saved weights); they are moved into the store.

        Raises:
            StoreError: when the disk is full or not writable; nothing half-written stays.
        """
        packed = pack_arrays(arrays) if arrays else None
        if packed is not None:
            record = record.model_copy(update={"arrays": hashlib.sha256(packed).hexdigest()})
        target = self.folder(record.key)
        staging: Path | None = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.root / "staging").mkdir(exist_ok=True)
            staging = Path(tempfile.mkdtemp(dir=self.root / "staging"))
            staging.chmod(0o755)
            for name, source in (files or {}).items():
                shutil.move(source, staging / name)
                _sync(staging / name)
            if packed is not None:
                _write_synced(staging / "arrays.npz", packed)
            _write_synced(staging / "record.json", write_record(record).encode())
            _sync(staging)
            if target.exists():  # an unreadable record: it makes room for its successor
                shutil.rmtree(target)
            staging.rename(target)
            _sync(target.parent)
        except OSError as error:
            if staging is not None:
                shutil.rmtree(staging, ignore_errors=True)
            raise StoreError(
                f"the run {record.key[:12]} cannot be written to {self.root}: {error.strerror or error}.",
                "free the disk or choose another place with --stab-store; finished runs are kept.",
            ) from error
        self.clear_error(record.key)
        return record

    def lease(self, key: str) -> Lease | None:
        """Return the lease on a run for this process, or ``None`` when somebody computes it now."""
        return Lease.acquire(self.lease_path(key))

    def lease_path(self, key: str) -> Path:
        """Return the lock file of a run."""
        return self.root / "leases" / f"{key}.lock"

    def is_leased(self, key: str) -> bool:
        """Return whether somebody computes the run at this moment."""
        return Lease.is_held(self.lease_path(key))

    def note_error(self, note: ErrorNote) -> None:
        """Remember why a run errored, for reports; the run is computed again in the next session."""
        place = self.root / "errors" / f"{note.key}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, note.model_dump_json().encode())

    def error(self, key: str, since: float = 0.0) -> ErrorNote | None:
        """Return why a run errored the last time, if it did and has no record since.

        Args:
            key: the run.
            since: seconds since the epoch; an older note is not returned.
        """
        place = self.root / "errors" / f"{key}.json"
        try:
            if place.stat().st_mtime < since:
                return None
            return ErrorNote.model_validate_json(place.read_bytes())
        except (OSError, ValueError):
            return None

    def clear_error(self, key: str) -> None:
        """Forget an error, since the run has a record now."""
        (self.root / "errors" / f"{key}.json").unlink(missing_ok=True)

    def note_stopped(self, group: str, seeds: Sequence[int]) -> None:
        """Remember the planned seeds of a group that was stopped early, so that nobody ranks what it has."""
        place = self.root / "stopped" / f"{group}.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, json.dumps(sorted(seeds)).encode())

    def stopped(self) -> dict[str, tuple[int, ...]]:
        """Return the planned seeds of every group stopped early; later runs may have completed it."""
        found = {place.stem: read_json(place) for place in sorted((self.root / "stopped").glob("*.json"))}
        return {group: tuple(seeds) for group, seeds in found.items() if isinstance(seeds, list)}

    def merge(self, other: Store) -> tuple[int, int]:
        """Copy the runs of another store that this one lacks; return (copied, already there).

        Raises:
            RecordError: when a record of the other store cannot be read (nothing of it is copied).
            StoreError: when this store cannot be written.
        """
        copied = present = 0
        for group, seeds in other.stopped().items():
            self.note_stopped(group, sorted({*seeds, *self.stopped().get(group, ())}))
        theirs = other.keys()
        for key in theirs:
            record = other.read(key)
            if record is None:
                continue
            try:
                mine = self.read(key)
            except RecordError:
                mine = None
            if mine is not None:
                present += 1
                continue
            self.write(record, other.arrays(record) or None)
            copied += 1
        return copied, present


def write_atomic(place: Path, data: bytes) -> None:
    """Replace a file in one step, so that a reader sees the old bytes or the new ones."""
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # a temporary file is its owner's alone
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_json(place: Path) -> Any:
    """Return the JSON of a file, or ``None`` when it is missing or half-written."""
    try:
        return json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write_synced(place: Path, data: bytes) -> None:
    place.write_bytes(data)
    _sync(place)


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
