"""The trainer's scores: any metric of a classifier's answers, the best checkpoint by its direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from stabbench import tasks
from stabbench.planning import PlanOptions, plan_group
from stabbench.requests import Request
from stabbench.runs import RunRecord
from stabbench.samples.failed import is_failed
from stabbench.suite import Suite
from stabbench.training.cache import Cache
from stabbench.training.loop import train

WILD = """
from stabbench.strategies import Strategy
import torch

class Wild(Strategy):
    '''Huge logits: the training loss stays finite, the exponential of the dev loss does not.'''

    def loss(self, model, batch, step):
        loss = super().loss(model, batch, step)
        with torch.no_grad():
            model.classifier.bias += torch.tensor([1000.0, -1000.0])
        return loss * 0
"""


def planned(toy, metric: str, strategy: str = "ours") -> Request:
    """Return a short run on the toy task, scored otherwise."""
    task = tasks.local_task("toy", train=toy.train, dev=toy.dev, text="text", metric=metric).name
    suite = Suite(task=task, models=[str(toy.model)], seeds=1)
    options = PlanOptions(overrides={"epochs": 4, "learning_rate": 0.01})
    return plan_group(suite, task, str(toy.model), strategy, options).requests[0]


def trained(request: Request) -> RunRecord:
    torch.set_num_threads(1)
    return train(request, Cache(), torch.device("cpu")).record


@pytest.mark.parametrize("metric", ["loss", "perplexity"])
def test_of_a_loss_the_lowest_checkpoint_is_the_best(toy, metric: str) -> None:
    record = trained(planned(toy, metric))
    assert (record.metric, record.better) == (metric, "lower")
    values = [evaluation.value for evaluation in record.evaluations]
    losses = [evaluation.dev_loss for evaluation in record.evaluations]
    assert values == (losses if metric == "loss" else [pytest.approx(np.exp(loss)) for loss in losses])
    assert record.best.value == min(values)
    assert record.last.value == values[-1]
    shares = np.array(record.dev_counts) / record.n_dev
    entropy = float(-(shares * np.log(shares)).sum())
    assert record.constant == pytest.approx(entropy if metric == "loss" else np.exp(entropy))
    assert is_failed(record) is (record.last.value >= record.constant)


@pytest.mark.parametrize("metric", ["balanced-accuracy", "f1-macro", "f1-micro"])
def test_of_a_score_the_highest_checkpoint_is_the_best(toy, metric: str) -> None:
    record = trained(planned(toy, metric))
    assert record.best.value == max(evaluation.value for evaluation in record.evaluations)
    assert record.better == "higher"
    assert record.spec.key == planned(toy, metric).spec.key


def test_a_score_that_is_not_finite_is_a_failed_run_with_its_reason(toy, tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text(WILD)
    record = trained(planned(toy, "perplexity", f"{tmp_path}/wild.py:Wild"))
    assert record.status == "diverged"
    assert record.reason.startswith("the perplexity became NaN or infinite at update 3 of 12")
    assert record.last.value == record.constant
    assert is_failed(record)


def test_a_metric_of_ones_own_is_two_files(toy, tmp_path: Path) -> None:
    """The metric's file and the task that names it; nothing is registered."""
    (tmp_path / "errors.py").write_text(
        "from stabbench.metrics import LabelMetric\n\n"
        "ERRORS = LabelMetric('error-rate', better='lower', range=(0, 1), share_of_rows=True,\n"
        "    compute=lambda counts: 1 - sum(r[i] for i, r in enumerate(counts)) / sum(map(sum, counts)))\n"
    )
    record = trained(planned(toy, f"{tmp_path}/errors.py:ERRORS"))
    assert (record.metric, record.better) == ("error-rate", "lower")
    assert record.constant == pytest.approx(min(record.dev_counts) / record.n_dev)
    assert record.best.value == min(evaluation.value for evaluation in record.evaluations)
