"""Many runs, several at a time, without pytest: what the mini world's own commands train with."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from stabbench import executors
from stabbench.errors import RunError
from stabbench.executors import Executor, Job
from stabbench.requests import Request
from stabbench.runs import ErrorNote, Store

POLL_SECONDS = 0.05
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
    waiting = {request.spec.key: request for request in requests if request.spec.key not in known}
    errors: list[ErrorNote] = []
    total = sum(request.work.total_updates for request in waiting.values())
    with ExitStack() as stack, tqdm(total=total, unit="update", desc=f"{len(waiting)} runs") as bar:
        pool = [stack.enter_context(executors.create("process", store)) for _ in range(workers)]
        jobs: list[Job] = []
        while waiting:
            jobs = _keep_busy(pool, jobs, waiting.values())
            if not jobs:  # somebody else trains what is left, or what it starts from
                time.sleep(BUSY_SECONDS)
            for job in jobs:
                ended = job.wait(POLL_SECONDS)
                if ended is None or ended[1].kind == "busy":
                    continue
                request, outcome = ended
                del waiting[request.spec.key]
                bar.update(request.work.total_updates)
                if outcome.note is not None:
                    errors.append(outcome.note)
    if errors:
        raise RunError(
            f"{len(errors)} of {len(requests)} runs errored; the first: {errors[0].message}",
            f"see `stabbench show {errors[0].key[:12]} --store {shlex.quote(str(store))}`, "
            "then give the same command again.",
        )


def _keep_busy(pool: Sequence[Executor], jobs: Sequence[Job], waiting: Iterable[Request]) -> list[Job]:
    """Return the jobs that go on and, for each executor with room, a new one."""
    running = [job for job in jobs if not job.done]
    for executor in pool:
        taken = {request.spec.key for job in running for request in job.requests}
        job = executor.submit(request for request in waiting if request.spec.key not in taken)
        if job.requests:
            running.append(job)
    return running
