"""Many runs, several at a time, without pytest: what the mini world's own commands train with."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from stabbench import executors
from stabbench.errors import RunError
from stabbench.requests import Request
from stabbench.runs import ErrorNote, Store

BUSY_SECONDS = 1.0


def train_all(requests: Sequence[Request], store: Path, workers: int) -> None:
    """Train what a store lacks, ``workers`` runs at a time, with progress and ETA in updates.

    What is stopped halfway goes on from the runs that are there.

    Raises:
        RunError: when runs errored, after all others were trained.
    """
    there = Store(store)
    there.check_writable()
    known = set(there.keys())
    waiting = deque(request for request in requests if request.spec.key not in known)
    errors: list[ErrorNote] = []
    lock = threading.Lock()
    total = sum(request.work.total_updates for request in waiting)
    with tqdm(total=total, unit="update", desc=f"{len(waiting)} runs", mininterval=1.0) as bar:

        def work(executor: executors.Executor) -> None:
            while True:
                with lock:
                    if not waiting:
                        return
                    request = waiting.popleft()
                outcome = executor.run(request)
                with lock:
                    if outcome.kind == "busy":  # somebody else trains it, or what it starts from
                        waiting.append(request)
                    else:
                        bar.update(request.work.total_updates)
                    if outcome.note is not None:
                        errors.append(outcome.note)
                if outcome.kind == "busy":
                    time.sleep(BUSY_SECONDS)

        pool = [executors.create("process", store) for _ in range(workers)]
        try:
            with ThreadPoolExecutor(workers) as threads:
                jobs = [threads.submit(work, executor) for executor in pool]
                try:
                    for job in jobs:
                        job.result()
                except BaseException:
                    waiting.clear()
                    for executor in pool:
                        executor.close()
                    raise
        finally:
            for executor in pool:
                executor.close()
    if errors:
        raise RunError(
            f"{len(errors)} of {len(requests)} runs errored; the first: {errors[0].message}",
            f"see `stabbench show {errors[0].key[:12]} --store {store}`, then give the same command again.",
        )
