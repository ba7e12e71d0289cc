"""Every value of the golden file, and the expected values of the stored real runs."""

import csv
import json
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

import stabbench.statistics as st
from stabbench import metrics
from stabbench.statistics.regression import regression_tests
from stabbench.statistics.two_samples import mean_test, spread_test


def close(value, tolerance=1e-9):
    return pytest.approx(value, rel=tolerance, abs=tolerance)


def every(x):
    return np.ones(len(x), bool)


def test_summaries(golden, arrays):
    for name, want in golden["summary"].items():
        x = arrays[name]
        got = {
            "n": len(x),
            "mean": x.mean(),
            "max": x.max(),
            "min": x.min(),
            "median": np.median(x),
            "std_ddof1": st.std(x),
            "std_ddof0": st.std(x, ddof=0),
            "iqm_trim25": st.interquartile_mean(x),
        }
        if "n_failed" in want:
            got["n_failed"] = int((x <= want["majority"] + 5e-7).sum())
            got["majority"] = want["majority"]
        assert got == {key: close(value) for key, value in want.items()}, name


def test_levene(golden, arrays):
    for row in golden["levene"]:
        names = row.get("groups") or [row["a"], row["b"]]
        got = st.levene(*(arrays[name] for name in names), center=row["center"])
        assert got.statistic == close(row["W"])
        assert got.p_value == close(row["p_two_sided"])
        assert list(got.df) == row.get("df", list(got.df))
        assert (got.warning is not None) == (row["center"] == "mean")
        if "t_signed" in row:
            a, b = arrays[row["a"]], arrays[row["b"]]
            test = spread_test(a, b, every(a), every(b), "greater", row["center"])
            assert test.statistic == close(row["t_signed"])
            assert test.p_value == close(row["p_one_sided_a_more_variable"])


def test_degenerate_levene_claims_nothing(golden, arrays):
    for row in golden["levene_degenerate"]:
        got = st.levene(arrays[row["a"]], arrays[row["b"]], center=row.get("center", "median"))
        assert got.degenerate
        assert (got.statistic, got.p_value) == (None, None)


def test_failed_rate_intervals(golden):
    for row in golden["failed_rate_ci"]:
        k, n = row["k"], row["n"]
        assert list(st.clopper_pearson(k, n, 0.025)) == close(row["cp_two_sided_95"])
        assert list(st.clopper_pearson(k, n, 0.05)) == close(row["cp_one_sided_95"])
        assert list(st.clopper_pearson(k, n, 0.10)) == close(row["cp_one_sided_90"])
        assert list(st.wilson(k, n)) == close(row["wilson_95"])
        assert list(st.jeffreys(k, n)) == close(row["jeffreys_95"])


def test_failed_rate_verdicts(golden):
    for row in golden["failed_rate_verdict_table"]:
        limits = st.failures_limits(row["n"], row["p0"], row["alpha_each_side"])
        assert limits == (row["pass_if_k_le"], row["fail_if_k_ge"]), row


def test_rate_comparisons(golden):
    for row in golden["rate_comparison_one_sided"]:
        got = st.boschloo(row["k1"], row["n1"], row["k0"], row["n0"])
        assert got == close(row["boschloo_greater"], 1e-6)


def test_expected_maximum(golden):
    for case in golden["expected_max"]:
        for row in case["rows"]:
            mean, std = st.expected_max_dodge(case["x"], row["k"])
            assert mean == close(row["dodge_with_replacement"])
            assert std == close(row["std_of_max_with_replacement"])
            assert st.expected_max(case["x"], row["k"]) == close(row["ustat_without_replacement"])


def test_exact_permutations(golden, arrays):
    for row in golden["permutation_exact"]:
        if row["stat"] == "bf_t":
            a, b = arrays[row["a"]], arrays[row["b"]]
            _, p = st.permutation_spread_test(a, b, np.random.default_rng(0))
            assert p == close(row["p_one_sided"]), row


def test_multiplicity(golden):
    for row in golden["multiplicity"]:
        assert list(st.holm(row["p"])) == close(row["holm"])


def test_welch(golden, arrays):
    for row in golden["welch_one_sided"]:
        a, b = arrays[row["a"]], arrays[row["b"]]
        test = mean_test(a, b, every(a), every(b), "less")
        assert test.statistic == close(row["t"])
        assert test.p_value == close(row["p_mean_a_less"])


def test_std_bounds(golden, arrays):
    for row in golden["std_ci_90_two_sided_equals_one_sided_95"]:
        got = st.spread_bounds(arrays[row["array"]])
        assert [got.chi2_lower, got.chi2_upper] == close(row["chi2_90"])
        assert [got.bonett_lower, got.bonett_upper] == close(row["bonett_90"])
        assert got.kurtosis == close(row["bonett_gamma4"])
        assert got.std == close(row["std_ddof1"])


def test_std_factors(golden):
    for row in golden["std_gate_three_valued_factors_alpha05"]:
        a, b = st.chi2_factors(row["n"])
        assert a == close(row["pass_if_s_over_tau_le"])
        assert b == close(row["fail_if_s_over_tau_gt"])


def test_per_point(golden):
    want = golden["per_point"]
    assert st.per_point_stability(want["correct_runs_x_points"]) == close(want["S_per_point_ddof0"][1])
    assert st.pairwise_disagreement(want["predictions"]) == close(want["pairwise_disagreement"][1])
    assert st.fleiss_kappa(want["predictions"]) == close(want["fleiss_kappa"][1])


def test_probability_of_improvement(golden, arrays):
    for row in golden["probability_of_improvement"]:
        got = st.probability_of_improvement(arrays[row["a"]], arrays[row["b"]])
        assert got == close(float(Fraction(row["fraction"])))


def test_curtailment(golden):
    for row in golden["curtailment"]:
        two = np.where(np.arange(row["N"] + 1) <= 2, 1, -1)
        rule = two if "k<=2" in row["rule"] else st.failures_rule(row["N"], 0.20)
        stop = st.failures_stop(row["seq_failed"], rule)
        assert (stop.seeds, stop.outcome.value) == (row["stop_after"], row["verdict"])


def test_regressions_end_to_end(golden, arrays):
    for row in golden["regression_gate_end_to_end"]:
        a, b = arrays[row["candidate"]], arrays[row["baseline"]]
        failed_a, failed_b = (x <= row["majority_threshold"] + 1e-9 for x in (a, b))
        assert (failed_a.sum(), failed_b.sum()) == (row["k_candidate"], row["k_baseline"])
        p = regression_tests(a, b, ~failed_a, ~failed_b)
        assert p[0] == close(row["p_spread_success_bf_one_sided"])
        assert p[1] == close(row["p_failures_boschloo"], 1e-6)
        assert p[2] == close(row["p_mean_success_welch"])
        assert list(st.holm(p)) == close(row["holm"], 1e-6)
        got = st.regression_gate(st.Sample.of(a, failed_a), st.Sample.of(b, failed_b))
        assert (got.outcome is st.Outcome.FAIL) == row["FAIL_at_.05"]


def test_a_rounded_constant_counts_as_failed(golden):
    for row in golden["rounding_trap"]:
        score, n_dev, wanted = row["score_reported"], row["n_dev"], row["required_failed"]
        assert metrics.get("accuracy").fails_by_score(score, 146 / n_dev, n_dev) == wanted
        assert metrics.get("f1").fails_by_score(score, row["majority"], n_dev, step=1e-4) == wanted


@pytest.fixture(scope="module")
def recycled(shared):
    """Real runs: (model, task) -> accuracy and counts of 20 seeds; and the expected values."""
    folder = shared / "results" / "model_recycling"
    runs = defaultdict(list)
    with (folder / "by_seed.csv").open() as file:
        for row in csv.DictReader(file):
            runs[row["model"], row["task"]].append((float(row["accuracy"]), int(row["n_correct"])))
    return runs, json.loads((folder / "expected.json").read_text())


def sample_of(rows, majority):
    accuracy, correct = zip(*rows, strict=True)
    return st.Sample.of(accuracy, np.array(correct) <= majority["n_majority"], range(len(rows)))


def test_real_cells(recycled):
    runs, expected = recycled
    assert len(expected["cells"]) == 12
    for name, want in expected["cells"].items():
        model, task = name.split("|")
        sample = sample_of(runs[model, task], expected["majority"][task])
        x = sample.scores
        got = {
            "n": sample.n,
            "mean": x.mean(),
            "std_ddof1": st.std(x),
            "std_ddof0": st.std(x, ddof=0),
            "min": x.min(),
            "max": x.max(),
            "failed_le_majority": sample.n_failed,
        }
        assert got == {key: close(value) for key, value in want.items()}, name


def test_real_pairs(recycled):
    runs, expected = recycled
    assert len(expected["levene"]) == 30
    for row in expected["levene"]:
        a, b = ([accuracy for accuracy, _ in runs[row[side], row["task"]]] for side in "ab")
        for center in ("median", "mean", "trimmed"):
            got = st.levene(a, b, center=center)
            assert got.p_value == close(row[center]["p"])
            assert got.statistic == close(row[center].get("W", got.statistic))


def test_real_failures_are_caught(recycled):
    runs, expected = recycled
    cola = sample_of(runs["google_t5_v1_1_base", "cola"], expected["majority"]["cola"])
    rte = sample_of(runs["google_t5_v1_1_base", "rte"], expected["majority"]["rte"])
    bert = sample_of(runs["bert_base_uncased", "rte"], expected["majority"]["rte"])
    assert st.failures_gate(cola, 0.2).outcome is st.Outcome.FAIL
    assert st.failures_gate(rte, 0.02).outcome is st.Outcome.FAIL
    assert st.failures_gate(bert, 0.2).outcome is st.Outcome.PASS
    assert st.steadier_gate(bert, rte).outcome is st.Outcome.PASS
    assert st.steadier_gate(
        cola, sample_of(runs["roberta_base", "cola"], expected["majority"]["cola"])
    ).outcome is (st.Outcome.FAIL)
