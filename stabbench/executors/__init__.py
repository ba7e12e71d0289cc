"""How a run gets computed: by a trainer process, in this process for debugging, or by what users add."""

from stabbench.executors.base import (
    REGISTRY,
    RUN_SECONDS,
    START_SECONDS,
    Executor,
    ExecutorOptions,
    Job,
    NoJob,
    compute_one,
    create,
    first_free,
)
from stabbench.requests import Outcome, Request

__all__ = [
    "REGISTRY",
    "RUN_SECONDS",
    "START_SECONDS",
    "Executor",
    "ExecutorOptions",
    "Job",
    "NoJob",
    "Outcome",
    "Request",
    "compute_one",
    "create",
    "first_free",
]
