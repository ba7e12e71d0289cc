"""A recipe on the mini world: a minute or two on two processor cores, nothing downloaded.

With 20 seeds and an allowance of 25 %, one run may fail and the gate still passes. A suite of your own is a
copy of this file with another task and model: Suite(task="rte", models=["bert-large-uncased"], seeds=25).
"""

from stabbench import Suite

suite = Suite(task="mini-cola", models=["mini-bert"], seeds=20, train_size=240)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.25)


def test_scores_are_close(stability):
    assert stability.close_scores(within=0.06)


def test_no_regression(stability, baseline):  # skipped until --stab-baseline names one
    assert stability.no_regression(baseline)
