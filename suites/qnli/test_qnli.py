"""QNLI: 104,743 training pairs, of which 1,000 are sampled (Mosbach et al., 2021, section 6).

25 seeds can pass an allowance of 20 %, never one of 10 %. Mean and spread are those of the runs that learned
something.
"""

import pytest

from stabbench import Suite

suite = Suite(task="qnli", models=["bert-large-uncased"], seeds=25, train_size=1000)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.20)


def test_few_runs_are_at_chance(stability):
    assert stability.few_at_chance(at_most=0.20)


def test_few_runs_are_poor(stability):
    # the constant predictor has .505, and 1,000 training examples are few
    assert stability.few_worse_than(0.60, at_most=0.20)


def test_scores_are_close(stability):
    assert stability.close_scores(within=0.05)


@pytest.mark.against("devlin")
def test_steadier_than_devlin(stability, against):
    assert stability.steadier_than(against)
