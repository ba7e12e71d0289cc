"""Tasks: what is fine-tuned on. One file a family; a user's own is a few lines (``local_task``)."""

from stabbench.tasks.base import Split, Task, TaskData, subsample
from stabbench.tasks.declare import REGISTRY, declared, get, hub_task, local_task, register
from stabbench.tasks.loading import load

__all__ = [
    "REGISTRY",
    "Split",
    "Task",
    "TaskData",
    "declared",
    "get",
    "hub_task",
    "load",
    "local_task",
    "register",
    "subsample",
]
