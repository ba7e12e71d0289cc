"""The debug executor: runs in this very process, so that breakpoints and print work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from stabbench.requests import Outcome, Request
from stabbench.runs import Store


class DebugExecutor:
    """Computes runs in the calling process; no time-out, no protection from crashes."""

    def __init__(self, store: Path, *, threads: int = 1, devices: Sequence[str] = ()) -> None:
        import torch

        from stabbench.training.cache import Cache
        from stabbench.training.devices import lease_device

        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.store = Store(store)
        self._cache = Cache()
        self._device, self._lease = lease_device(tuple(devices))

    def run(self, request: Request) -> Outcome:
        """Compute a run here and now (see ``Executor.run``)."""
        from stabbench.training.compute import compute
        from stabbench.training.process import ProgressFile

        progress = ProgressFile(self.store, request.spec.key)
        try:
            return compute(request, self.store, self._cache, self._device, progress)
        finally:
            progress.close()

    def close(self) -> None:
        """Give the device slot back."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def __enter__(self) -> DebugExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
