"""Acceptability in the mini world, on the embedded encoder: a laptop, minutes, nothing downloaded."""

import pytest

from stabbench import Suite

suite = Suite(task="mini-cola", models=["mini-bert"], seeds=25)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.20)


def test_few_runs_are_at_chance(stability):
    assert stability.few_at_chance(at_most=0.20)


def test_few_runs_are_poor(stability):
    # the constant predictor has 0, `ours` .973 +- .012
    assert stability.few_worse_than(0.85, at_most=0.20)


def test_scores_are_close(stability):
    assert stability.close_scores(within=0.06)


@pytest.mark.against("devlin")
def test_steadier_than_devlin(stability, against):
    assert stability.steadier_than(against)


def test_no_regression(stability, baseline):
    assert stability.no_regression(baseline)
