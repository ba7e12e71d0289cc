"""How a run gets computed: in a warm trainer process, in this process for debugging, or by what users add."""

from stabbench.executors.base import (
    REGISTRY,
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
