"""The store: one folder per run, named by the run's key, written atomically.

runs/<key>/record.json, arrays.npz [, model.safetensors ...]   what came of a run
errors/<key>.json                                              the last time a run errored
leases/<key>.lock                                              who computes it now
progress/<pid>.json                                            what each trainer is doing
stopped/<group>.json                                           planned seeds of a grid stopped early
eager/<digest>.txt                                             why steps of a strategy cannot be captured
index.json                                                     a cache of all records (``runs/index.py``)
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from stabbench.errors import RecordError, StoreError
from stabbench.foreign import Malformed, read_file, read_json, read_npz
from stabbench.runs.arrays import check_arrays, pack_arrays
from stabbench.runs.checks import check_record
from stabbench.runs.files import sync, write_synced, writing
from stabbench.runs.index import collecting_later, read_through
from stabbench.runs.leases import Lease
from stabbench.runs.notes import Notes
from stabbench.runs.record import Arrays, RunRecord
from stabbench.runs.written import read_record, write_record
from stabbench.spec import RunSpec
from stabbench.stored import digest


class Store(Notes):
    """Records on disk, and the notes on runs that have none.

    Args:
        root: the store's folder; it is made when something is first written.
    """

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
        try:
            names = os.listdir(self.root / "runs")  # noqa: PTH208 - ten thousand Paths are slow
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(
                f"the store {self.root} cannot be read: {error.strerror}.",
                "mend its permissions, or choose another place with --stab-store.",
            ) from error
        return sorted(name for name in names if not name.startswith("."))

    def read(self, key: str) -> RunRecord | None:
        """Return the record of a run, or ``None`` when there is none.

        Raises:
            RecordError: when it is truncated, tampered with, or not the record of this key.
        """
        folder = self.folder(key)
        place, redo = folder / "record.json", "it is computed again when needed."
        try:
            text = read_file(place)
        except Malformed as error:
            if not os.path.lexists(folder):
                return None
            raise RecordError(f"{place} cannot be read: {error}.", redo) from error
        record = read_record(text, str(place))
        if record.key != key:
            raise RecordError(f"{place} is the record of {record.key}.", redo)
        self.arrays(record)
        return record

    def read_all(self) -> tuple[dict[str, RunRecord], dict[str, str]]:
        """Return every record by key, and what is wrong with those that cannot be read, likewise.

        Each is read once, and only where the store's index does not have it.
        """
        with collecting_later():
            return read_through(self.root / "index.json", RunRecord, self.keys(), self.read, _checker())

    def records(self) -> Iterator[RunRecord]:
        """Yield every readable record, by key; unreadable ones are in ``problems``."""
        yield from self.read_all()[0].values()

    def problems(self) -> list[str]:
        """Return a message for every record that cannot be read."""
        return list(self.read_all()[1].values())

    def arrays(self, record: RunRecord) -> Arrays:
        """Return the arrays of a record; imported runs have none.

        Raises:
            RecordError: when their file is missing, was changed, or holds something else.
        """
        if record.arrays is None:
            return {}
        place = self.folder(record.key) / "arrays.npz"
        redo = "its run is computed again when needed."
        try:
            data = read_file(place)
            if hashlib.sha256(data).hexdigest() != record.arrays:
                raise RecordError(f"{place} was changed.", redo)
            arrays = read_npz(data)
        except Malformed as error:
            raise RecordError(f"{place} cannot be read: {error}.", redo) from error
        try:
            check_arrays(record, arrays)
        except (ValueError, ArithmeticError) as error:
            raise RecordError(f"{place} contradicts its record: {error}.", redo) from error
        return arrays

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
        with self._staged(record.key) as staging:
            for name, source in (files or {}).items():
                shutil.move(source, staging / name)
                sync(staging / name)
            if packed is not None:
                write_synced(staging / "arrays.npz", packed)
            write_synced(staging / "record.json", write_record(record).encode())
        return record

    def adopt(self, folder: Path) -> None:
        """Copy the folder of a run, which bears its key, with all that it holds, in one atomic step.

        Raises:
            StoreError: as for ``write``.
        """
        with self._staged(folder.name) as staging:
            for place in shutil.copytree(folder, staging, dirs_exist_ok=True).rglob("*"):
                sync(place)

    @contextlib.contextmanager
    def _staged(self, key: str) -> Iterator[Path]:
        """Give an empty folder that becomes the run's own when all is in it."""
        target = self.folder(key)
        staging: Path | None = None
        with writing(self.root, f"the run {key[:12]}"):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                # beside it: `runs` may be a link to another disk, across which nothing moves in one step
                staging = Path(tempfile.mkdtemp(dir=target.parent, prefix="."))
                yield staging
                staging.chmod(0o755)
                sync(staging)
                _remove(target)  # an unreadable record: it makes room for its successor
                staging.rename(target)
                sync(target.parent)
            finally:
                if staging is not None:
                    shutil.rmtree(staging, ignore_errors=True)
            self.clear_error(key)

    def lease(self, key: str) -> Lease | None:
        """Return the lease on a run for this process, or ``None`` when somebody computes it now.

        Raises:
            StoreError: when the store cannot be written any more.
        """
        with writing(self.root, f"the lease of the run {key[:12]}"):
            return Lease.acquire(self.lease_path(key))

    def lease_path(self, key: str) -> Path:
        """Return the lock file of a run."""
        return self.root / "leases" / f"{key}.lock"

    def is_leased(self, key: str) -> bool:
        """Return whether somebody computes the run at this moment."""
        return Lease.is_held(self.lease_path(key))

    def spec_of(self, key: str) -> RunSpec | None:
        """Return what a run without a readable record was to compute, where what is left of it proves that.

        The proof is the key, which is the digest of the specification: that of the note of its error, or of
        its record, whatever else is wrong with that.
        """
        note, record = self.root / "errors" / f"{key}.json", self.folder(key) / "record.json"
        for place, outer in ((note, None), (record, "record")):
            try:
                data = read_json(read_file(place))
                spec = (data if outer is None else data[outer])["spec"]
                if digest(spec) == key:
                    return RunSpec.model_validate(spec)
            except (ValueError, KeyError, TypeError):
                continue
        return None


def _checker() -> Callable[[str, RunRecord], None]:
    """Return what raises a ``ValueError`` unless what an index has of a run can be its record.

    The work of a group is digested once: all its other runs must have the same, and their keys are made from
    its text, which takes a tenth of the time.
    """
    firsts: dict[str, RunSpec] = {}

    def check(key: str, record: RunRecord) -> None:
        if record.key != key:
            raise ValueError(f"the record of {record.key}")
        if (spec := record.spec) is None:
            return check_record(record)
        first = firsts.get(record.group)
        if first is None:
            if spec.group != record.group:
                raise ValueError("the group is not that of the specification")
            first = firsts[record.group] = spec
        elif (spec.format, spec.work) != (first.format, first.work):
            raise ValueError("the work is not that of its group")
        check_record(record, first.key_with(spec.seeds, spec.replicate))

    return check


def _remove(place: Path) -> None:
    """Remove a folder with all that is in it, or whatever else stands in its place."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
