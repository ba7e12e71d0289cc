"""Samples by the thousand, most of them degenerate, through every gate: no exception, no NaN, no PASS."""

import json
from math import isfinite

import numpy as np
import pytest

import stabbench.statistics as st

SOUND = ("normal", "rounded")
DEGENERATE = ("constant", "two-valued", "nan", "infinite", "tiny", "all failed", "same seeds")
UNLEARNED = ("none learned", "untold")  # only the count of failures may PASS them
KINDS = (*SOUND, *DEGENERATE, *UNLEARNED, "huge")
GATES = (
    "failures",
    "at chance",
    "floor",
    "spread",
    "spread of all",
    "mean",
    "mean of all",
    "steadier",
    "steadier, lower mean",
    "regression",
)


def draw(kind, generator):
    n = int(generator.choice([4, 10, 25]))
    scores = generator.normal(60, 2, n)
    failed = generator.random(n) < generator.choice([0.0, 0.1, 0.5])
    scores = np.where(failed, 50.0, scores)
    seeds = np.arange(n)
    learned = ~failed & (generator.random(n) < generator.choice([0.7, 1.0]))
    if kind == "constant":
        scores, failed = np.full(n, generator.choice([0.0, 0.3, 60.0])), np.zeros(n, bool)
    elif kind == "two-valued":
        scores, failed = generator.choice([52.7, 68.9], n), np.zeros(n, bool)
    elif kind == "nan":
        scores[generator.integers(n)] = np.nan
    elif kind == "infinite":
        scores[generator.integers(n)] = generator.choice([np.inf, -np.inf])
    elif kind == "tiny":
        size = int(generator.integers(0, 3))
        scores, failed, seeds = scores[:size], failed[:size], seeds[:size]
    elif kind == "rounded":
        scores = np.round(scores)
    elif kind == "all failed":
        scores, failed = np.where(generator.random(n) < 0.5, 52.7, 47.3), np.ones(n, bool)
    elif kind == "huge":
        scores = scores * generator.choice([1e13, 1e150, 1e300])
    elif kind == "same seeds":
        seeds[-1] = seeds[0]
    shown = {"none learned": [False] * n, "untold": [None] * n}.get(kind, learned if kind in SOUND else None)
    known = kind == "same seeds" or generator.random() < 0.7
    constant, bounds = [(None, (-np.inf, np.inf)), (50.0, (0.0, 100.0))][int(generator.integers(2))]
    return st.Sample.of(
        scores, failed, seeds if known else None, learned=shown, constant=constant, range=bounds
    )


def judge(a, b):
    return (
        st.failures_gate(a, 0.3),
        st.at_chance_gate(a, 0.3),
        st.floor_gate(a, 58.0, 0.6),
        st.spread_gate(a, 3.0),
        st.spread_gate(a, 12.0, scope="all"),
        st.mean_gate(a, 55.0),
        st.mean_gate(a, 51.0, scope="all"),
        st.steadier_gate(a, b),
        st.steadier_gate(a, b, lower_mean=3.0),
        st.regression_gate(a, b, mean_margin=3.0),
    )


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_no_sample_is_judged_by_what_it_cannot_show(count):
    generator = np.random.default_rng(20)
    state = np.random.get_state()[1].copy()
    other = st.Sample.of(generator.normal(60, 2.5, 25), seeds=range(25))
    outcomes = {gate: set() for gate in GATES}
    for i in range(count):
        kind = KINDS[i % len(KINDS)]
        sample = draw(kind, generator)
        # mostly against a sound sample, sometimes against whatever came before, and on either side
        partner = other if generator.random() < 0.8 else draw(str(generator.choice(KINDS)), generator)
        for gate, got in zip(GATES, judge(sample, partner), strict=True):
            outcomes[gate].add(got.outcome)
            numbers = [got.value, got.lower, got.upper, got.p_value, *got.details.values()]
            assert all(isfinite(x) for x in numbers if isinstance(x, float)), (kind, gate)
            assert got.p_value is None or 0 <= got.p_value <= 1
            assert got.reason
            assert got.outcome is not st.Outcome.PASS or kind not in DEGENERATE, (kind, gate, got)
            assert got.outcome is not st.Outcome.PASS or gate == "failures" or kind not in UNLEARNED, (
                kind,
                gate,
                got,
            )
            if kind == "huge" and gate.startswith("spread"):  # a score, and never a steady one
                assert got.outcome is not st.Outcome.PASS, (gate, got)
        if i % 100 == 0:
            json.dumps([got.to_json() for got in judge(sample, partner)], allow_nan=False)
            # seen from the other side, a degenerate sample is not found the steadier one either
            if kind in (*DEGENERATE, *UNLEARNED):
                assert st.steadier_gate(partner, sample).outcome is not st.Outcome.FAIL, kind
    # the fuzz reaches every verdict of every gate, so it can fail
    assert all(found == set(st.Outcome) for found in outcomes.values()), outcomes
    assert np.array_equal(state, np.random.get_state()[1])
