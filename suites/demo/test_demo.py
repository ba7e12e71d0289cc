"""The quick profile that ``make demo`` runs: few sentences, many seeds, a few clear minutes at most.

Allowance and seeds leave room on both sides, since another processor rounds differently: of 12 runs two may
fail and the gates still pass, nine must fail before they can say FAIL.
"""

from stabbench import Suite

suite = Suite(task="mini-cola", models=["mini-bert"], seeds=12, train_size=240, failures_at_most=0.45)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=suite.failures_at_most)


def test_few_runs_are_at_chance(stability):
    assert stability.few_at_chance(at_most=suite.failures_at_most)
