"""Print the keys, groups and source digests that this code gives to every strategy on every mini task.

But for the version of the trainer, which is 0.1.0's.
"""

import json
import sys

from stabbench.planning import PlanOptions, plan_group
from stabbench.strategies import REGISTRY
from stabbench.spec import RunSpec
from stabbench.suite import Suite

MORE = ["reinit:layers=1+llrd", "mixout:p=0.5", "mixout+pretrained-decay", "r-drop:base=ours"]
MORE += [
    "longer:steps=200",
    "intermediate:task=mini-rte",
    "llrd+swa",
    "intermediate:task=mini-mrpc+reinit:layers=1",
]
OTHER = {"learning_rate": 3e-4, "batch_size": 8}
OPTIONS = {"plain": {}, "short": {"max_steps": 6}, "set": {"overrides": OTHER}}
RENEWED = {
    *(f"intermediate:task=mini-rte {task} set" for task in ("mini-cola", "mini-rte", "mini-mrpc")),
    *(
        f"intermediate:task=mini-mrpc+reinit:layers=1 {task} set"
        for task in ("mini-cola", "mini-rte", "mini-mrpc")
    ),
}
"""Since 0.2.0 what the session sets holds for the intermediate run, too: these compute something else."""
REFUSED = {"longer:steps=200 mini-cola set"}
"""Since 0.2.0: in batches of 8 the base makes 210 updates."""


def former(spec: RunSpec) -> RunSpec:
    """Return what 0.1.0's trainer was asked for."""
    start = spec.work.start
    return spec.change(trainer=1, start=None if start is None else former(start))


def keys() -> dict[str, list[str]]:
    found = {}
    for text in [*REGISTRY.names(), *MORE]:
        for task in ("mini-cola", "mini-rte", "mini-mrpc"):
            if text == "intermediate":
                continue  # starts from MNLI, which is not here
            for name, options in OPTIONS.items():
                if f"{text} {task} {name}" in RENEWED | REFUSED:
                    continue
                suite = Suite(task=task, models=["mini-bert"], seeds=2)
                group = plan_group(suite, task, "mini-bert", text, PlanOptions(**options))
                spec = former(group.requests[1].spec)
                found[f"{text} {task} {name}"] = [
                    spec.key,
                    spec.group,
                    spec.model_dump()["strategy"]["source"],
                ]
    return found


if __name__ == "__main__":
    json.dump(keys(), sys.stdout, indent=0)
