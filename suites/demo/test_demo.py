"""The quick profile that ``make demo`` runs: one mini task, a recipe that fails and one that does not.

Allowance and seeds leave room on both sides, since another processor rounds differently: of 16 runs two may
fail and the gate still passes, ten must fail before it can say FAIL.
"""

from stabbench import Suite

suite = Suite(task="mini-rte", models=["mini-bert"], seeds=16, failures_at_most=0.35)


def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=suite.failures_at_most)
