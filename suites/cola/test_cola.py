"""CoLA: acceptability, 8,551 training sentences; Matthews correlation.

25 seeds can pass an allowance of 20 %, never one of 10 %. Mean and spread are those of the runs that learned
something.
"""

import pytest

from stabbench import Suite

suite = Suite(task="cola", models=["bert-large-uncased"], seeds=25)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.20)


def test_few_runs_are_at_chance(stability):
    assert stability.few_at_chance(at_most=0.20)


def test_few_runs_are_poor(stability):
    # the constant predictor has 0, `ours` of the paper 62.1 +- 1.8
    assert stability.few_worse_than(0.50, at_most=0.20)


def test_scores_are_close(stability):
    assert stability.close_scores(within=0.04)


@pytest.mark.against("devlin")
def test_steadier_than_devlin(stability, against):
    assert stability.steadier_than(against)
