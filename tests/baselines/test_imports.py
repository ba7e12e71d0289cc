"""Scores from elsewhere: read exactly, judged by the exact procedures, malformed ones refused by line."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stabbench
from stabbench import cli, statistics
from stabbench.errors import DataError, StoreError
from stabbench.runs import Store
from stabbench.samples.failed import has_learned
from stabbench.samples.imports import import_scores, read_scores
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome, Sample

KEY_OF_0_1_0 = "dff25c65732d530a69c587477f812b50ccc55222229c405f8695480d9829a29d"

ROW = {
    "task": "rte",
    "model": "bert",
    "strategy": "theirs",
    "metric": "accuracy",
    "n_dev": 277,
    "n_majority": 146,
}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        pd.DataFrame(rows).to_csv(path, index=False)
    return path


@given(st.lists(st.integers(0, 277), min_size=1, max_size=20), st.sampled_from([".csv", ".json"]))
def test_counts_come_through_exactly(
    tmp_path_factory: pytest.TempPathFactory, corrects: list[int], suffix: str
) -> None:
    rows = [{**ROW, "seed": seed, "n_correct": correct} for seed, correct in enumerate(corrects)]
    path = write(tmp_path_factory.mktemp("import") / f"scores{suffix}", rows)
    stability = Stability.from_records(read_scores(path))
    assert stability.scores == tuple(correct / 277 for correct in corrects)
    assert stability.failed == sum(correct <= 146 for correct in corrects)


@given(st.lists(st.integers(0, 277), min_size=1, max_size=20), st.integers(3, 6))
def test_rounded_accuracies_fail_by_their_counts(
    tmp_path_factory: pytest.TempPathFactory, corrects: list[int], decimals: int
) -> None:
    rows = [
        {**ROW, "seed": seed, "score": f"{correct / 277:.{decimals}f}"}
        for seed, correct in enumerate(corrects)
    ]
    path = write(tmp_path_factory.mktemp("import") / "scores.csv", rows)
    assert Stability.from_records(read_scores(path)).failed == sum(correct <= 146 for correct in corrects)


def test_other_metrics_fail_within_half_a_rounding_step_of_the_constant(tmp_path: Path) -> None:
    common = {**ROW, "metric": "f1", "constant": 2 / 3}
    del common["n_majority"]
    scores = ["0.6667", "0.6668", "0.67", "0.8123"]  # "0.67" is 0.6700: its zeros were dropped
    rows = [{**common, "seed": seed, "score": score} for seed, score in enumerate(scores)]
    stability = Stability.from_records(read_scores(write(tmp_path / "a.csv", rows)))
    assert stability.failed_seeds == (0,)
    matthews = [
        {**ROW, "metric": "matthews", "seed": seed, "score": x} for seed, x in enumerate([-0.01, 0, 0.01])
    ]
    stability = Stability.from_records(read_scores(write(tmp_path / "b.csv", matthews)))
    assert stability.failed_seeds == (0, 1)


def test_an_accuracy_may_be_rounded_cut_or_in_single_precision(tmp_path: Path) -> None:
    scores = ["0.7004", "0.70036", "0.7003610134124756", "0.7003", "0.7"]  # all are 194 of 277
    rows = [{**ROW, "seed": seed, "score": score} for seed, score in enumerate(scores)]
    assert len(read_scores(write(tmp_path / "a.csv", rows))) == 5


def test_an_alias_becomes_the_metric(tmp_path: Path) -> None:
    aliases = ["mcc", "eval_matthews_correlation", "matthews"]
    rows = [
        {**ROW, "metric": name, "seed": seed, "score": 0.1 * seed, "n_majority": ""}
        for seed, name in enumerate(aliases)
    ]
    stability = Stability.from_records(read_scores(write(tmp_path / "a.csv", rows)))
    assert stability.metric.name == "matthews"
    assert stability.failed_seeds == (0,)


def test_a_key_of_an_import_is_what_it_was(tmp_path: Path) -> None:
    """Reference: the key that 0.1.0 gave this row."""
    path = write(tmp_path / "a.csv", [{**ROW, "seed": 3, "score": 0.7004}])
    assert read_scores(path)[0].key == KEY_OF_0_1_0


def losses(path: Path, metric: str, strategy: str, scores: list[float], **more: str) -> Path:
    common = {**ROW, "metric": metric, "strategy": strategy, "constant": "2.3", **more}
    del common["n_majority"]
    rows = [{**common, "seed": seed, "score": f"{score:.4f}"} for seed, score in enumerate(scores)]
    return write(path, rows)


def test_imported_losses_are_judged_the_right_way_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit's case: 25 runs at a loss of 2.9, worse than the constant's 2.3, had passed."""
    store = tmp_path / "store"
    floor = {"floor": "2.2"}
    bad = losses(tmp_path / "bad.csv", "eval_loss", "bad", [2.9 + seed / 1000 for seed in range(25)], **floor)
    good = losses(tmp_path / "good.csv", "loss", "good", [1.2 + seed / 100 for seed in range(25)], **floor)
    assert cli.main(["import", str(bad), str(good), "--store", str(store)]) == 0
    worse, better = sorted(stabbench.load(store).groups(), key=lambda group: group.strategy)
    assert (worse.strategy, worse.failed, better.failed) == ("bad", 25, 0)
    assert worse.few_failures(at_most=0.2).outcome is Outcome.FAIL
    assert worse.steadier_than(better).outcome is Outcome.FAIL
    assert better.few_failures(at_most=0.2)
    capsys.readouterr()
    cli.main(["compare", f"{store}:bad", f"{store}:good"])
    shown = capsys.readouterr().out
    row = next(line.split() for line in shown.splitlines() if line.startswith("B good "))
    assert row == ["B", "good", "25", "0/25", "0/25", "1.3200", "0.0736", "0.0736", "1.2000"]
    assert "constant classifier, 2.300" in shown


def test_a_metric_that_nobody_registered_needs_a_direction(tmp_path: Path) -> None:
    scores = [0.5 + seed / 100 for seed in range(5)]
    by_column = losses(tmp_path / "a.csv", "ter", "s", scores, better="lower")
    by_option = losses(tmp_path / "b.csv", "ter", "s", scores)
    (column, *_), (option, *_) = read_scores(by_column), read_scores(by_option, "lower")
    assert column.better == option.better == "lower"
    assert column.key == option.key
    assert Stability.from_records(read_scores(by_column)).best == 0.5
    assert read_scores(by_option, "higher")[0].key != option.key
    store = tmp_path / "store"
    assert cli.main(["import", str(by_option), "--store", str(store)]) != 0
    assert cli.main(["import", str(by_option), "--store", str(store), "--better", "lower"]) == 0


def test_the_recipe_for_other_column_names_in_the_docs_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"(?:^    .*\n)+", page, re.M) if "read_csv" in block]
    theirs = {"model": "enc", "task": "rte", "run_index": 0, "accuracy": 0.7004, "n_correct": 194}
    write(tmp_path / "by_seed.csv", [{**theirs, "n_eval": 277, "eval_loss": 0.6, "upstream_run": "x"}])
    monkeypatch.chdir(tmp_path)
    exec(textwrap.dedent(block), {})
    (record,) = read_scores(tmp_path / "scores.csv")
    assert (record.n_dev, record.constant, record.last.value) == (277, 146 / 277, 194 / 277)


def test_a_diverged_run_is_a_failed_run(tmp_path: Path) -> None:
    rows = [
        {**ROW, "seed": 0, "status": "diverged", "score": ""},
        {**ROW, "seed": 1, "score": 0.7, "status": ""},
        {**ROW, "seed": 2, "status": "diverged", "score": "0.527"},  # some write the constant's
        {**ROW, "seed": 3, "status": "diverged", "score": "0.5271", "n_correct": 146},
    ]
    stability = Stability.from_records(read_scores(write(tmp_path / "a.csv", rows)))
    assert stability.failed_seeds == (0, 2, 3)
    assert stability.scores[0] == 146 / 277


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": ""}, "line 3: there is no score; a run that diverged has status diverged"),
        ({"score": "nan"}, "line 3, column 'score': not a finite number; a run that diverged has status"),
        ({"score": "inf"}, "line 3, column 'score': not a finite number"),
        ({"score": "0.70375"}, "line 3: no count of 277 rows gives the score 0.70375 .is n_dev right"),
        ({"constant": "0.55559"}, "line 3: no count of 277 rows gives the constant 0.55559"),
        ({"constant": "0.6"}, "line 3: constant 0.6 is not n_majority / n_dev = 0.5271"),
        ({"constant": "52.71"}, "line 3: constant 52.71 is outside 0 to 1"),
        ({"metric": "mcc", "score": "62.13"}, r"outside -1 to 1; give fractions.*did you mean 0\.6213"),
        ({"seed": 2**63}, "line 3, column 'seed'"),
        ({"metric": "mcc", "constant": "0.5"}, "line 3: a constant predictor's matthews is 0, not 0.5"),
        ({"metric": "eval_loss", "constant": "-2.3"}, "line 3: constant -2.3 is outside 0 to inf"),
        ({"metric": "eval_loss", "constant": ""}, "line 3: constant is missing"),
        ({"metric": "eval_loss", "better": "higher"}, "line 3: of loss the lower score is better"),
        ({"metric": "mathews"}, r"line 3: unknown metric 'mathews', so (?s:.*)did you mean 'matthews'"),
        ({"metric": "chrf"}, r"line 3: unknown metric 'chrf', so .*\n.*column `better` or with --better"),
        ({"better": "more"}, "line 3, column 'better'"),
        ({"score": "52.71"}, "line 3: score 52.71 is outside 0 to 1; give fractions"),
        ({"score": "high"}, "line 3, column 'score'"),
        ({"seed": -1}, "line 3, column 'seed'"),
        ({"seed": 0}, "line 3: seed 0 of theirs on rte comes twice"),
        ({"n_dev": 0}, "line 3, column 'n_dev'"),
        ({"n_majority": 278}, "line 3: n_majority 278 is more than n_dev 277"),
        ({"n_majority": ""}, "line 3: n_majority or constant is missing"),
        ({"n_correct": 278}, "line 3: n_correct goes with accuracy and is at most n_dev"),
        ({"n_correct": 150}, "line 3: score 0.7 is not n_correct"),
        ({"task": ""}, "line 3, column 'task'"),
        ({"status": "crashed"}, "line 3, column 'status'"),
        ({"metric": "f1", "n_majority": ""}, "line 3: constant is missing"),
        ({"status": "diverged"}, r"line 3: a run that diverged has no score, but score is 0\.7"),
        (
            {"status": "diverged", "score": "", "n_correct": 190},
            "line 3: a run that diverged has no score, but n_correct is 190",
        ),
    ],
)
def test_a_malformed_row_is_refused_by_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    good = {**ROW, "seed": 0, "score": "0.7", "n_correct": "", "status": "", "constant": "", "better": ""}
    path = write(tmp_path / "scores.csv", [good, {**good, "seed": 1, **change}])
    with pytest.raises(DataError, match=message):
        import_scores(path, Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


LOSS = {"metric": "eval_loss", "n_majority": "", "constant": "2.3"}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"n_dev": 554, "n_majority": 292}, "n_dev is 554, but 277 in line 2"),
        ({}, {"n_majority": 150}, r"constant .* is 0\.5415\d*, but 0\.527\d* in line 2"),
        ({}, {"n_majority": "", "constant": "0.5271"}, r"constant .* is 0\.5271, but 0\.527\d* in line 2"),
        (LOSS, {**LOSS, "constant": "2.4"}, r"constant .* is 2\.4, but 2\.3 in line 2"),
        (
            {**LOSS, "metric": "ter", "better": "lower"},
            {**LOSS, "metric": "ter", "better": "higher"},
            "better is higher, but lower in line 2",
        ),
        (
            {**LOSS, "metric": "ter", "better": "lower", "task": "other"},
            {**LOSS, "metric": "ter", "better": "higher"},
            "better is higher, but lower in line 2",
        ),
    ],
)
def test_rows_of_one_group_that_contradict_each_other_are_refused(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], message: str
) -> None:
    """They made two groups of one name, each with some of the seeds."""
    good = {**ROW, "score": "0.7004", "constant": "", "better": ""}
    path = write(tmp_path / "a.csv", [{**good, "seed": 0, **first}, {**good, "seed": 1, **second}])
    with pytest.raises(DataError, match=f"line 3: {message}"):
        import_scores(path, Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


def test_other_metrics_models_and_tasks_have_constants_and_dev_rows_of_their_own(tmp_path: Path) -> None:
    """Several tasks, and two metrics of one run, are groups of their own."""
    good = {**ROW, "score": "0.7004", "constant": "", "better": ""}
    rows = [
        {**good, **change, "seed": seed}
        for change in (
            {},
            {"metric": "f1", "constant": "0.6667"},
            {"metric": "ter", "better": "lower", "constant": "1", "n_dev": 100},
            {"task": "mrpc", "n_dev": 408, "n_majority": 279, "score": "0.75"},
            {"model": "other", "n_majority": 150},
        )
        for seed in range(2)
    ]
    store = Store(tmp_path / "store")
    assert import_scores(write(tmp_path / "a.csv", rows), store) == 10
    assert sorted(group.finished for group in stabbench.load(tmp_path / "store").groups()) == [2] * 5


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("column", ["seed", "n_dev", "n_correct", "n_majority", "score", "constant"])
def test_a_truth_value_is_no_number(tmp_path: Path, column: str, value: bool) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**ROW, "seed": 1, "score": 0.7004, column: value}]))
    with pytest.raises(DataError, match=rf"entry 1, column '{column}': not a number"):
        read_scores(tmp_path / "a.json")


FORMS = {
    "a.csv": lambda rows: table(rows, ","),
    "a.tsv": lambda rows: table(rows, "\t"),
    "semicolons.csv": lambda rows: table(rows, ";"),
    "decimal_comma.csv": lambda rows: table(rows, ";").replace("0.7", "0,7"),
    "a.json": json.dumps,
    "list.txt": lambda rows: json.dumps(rows, indent=1),
    "a.jsonl": lambda rows: "\n".join(map(json.dumps, rows)),
    "lines.json": lambda rows: "\n".join(map(json.dumps, rows)) + "\n",
}


def table(rows: list[dict[str, Any]], delimiter: str) -> str:
    lines = [rows[0].keys(), *(map(str, row.values()) for row in rows)]
    return "\n".join(map(delimiter.join, lines)) + "\n"


@pytest.mark.parametrize("name", FORMS)
def test_a_table_of_every_usual_form_is_read(tmp_path: Path, name: str) -> None:
    rows = [{**ROW, "seed": seed, "score": score} for seed, score in enumerate(["0.7004", "0.704"])]
    (tmp_path / name).write_text(FORMS[name](rows))
    assert [record.last.value for record in read_scores(tmp_path / name)] == [0.7004, 0.704]


FOREIGN = {
    "trainer_state.json": ('{"global_step": 9, "log_history": [{"eval_accuracy": 0.7}]}', "Hugging Face"),
    "all_results.json": ('{"epoch": 3.0, "eval_accuracy": 0.7, "eval_samples": 277}', "Hugging Face"),
    "lm_eval.json": ('{"results": {"rte": {"acc,none": 0.5}}, "config": {}}', "lm-evaluation-harness"),
    "mteb.json": ('{"task_name": "T", "scores": {"test": []}}', "MTEB"),
    "bench.json": ('{"machine_info": {}, "benchmarks": []}', "pytest-benchmark"),
    "wandb.csv": ('"Name","State","seed","eval/accuracy"\n"a","finished","1","0.7"', "Weights & Biases"),
    "mlflow.csv": ("run_id,experiment_id,metrics.accuracy\na,0,0.7", "MLflow"),
    "board.csv": ("Wall time,Step,Value\n16.1,100,0.7", "TensorBoard"),
    "metrics.csv": ("epoch,step,val_acc\n0,10,0.7", "Lightning"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_tool_is_called_by_its_kind(tmp_path: Path, name: str) -> None:
    text, tool = FOREIGN[name]
    (tmp_path / "scores").with_suffix(Path(name).suffix).write_text(text)
    with pytest.raises(DataError, match=rf"is .*{tool}.*not a table of scores by seed.*\n.*one row a run"):
        read_scores((tmp_path / "scores").with_suffix(Path(name).suffix))


def test_a_nan_in_json_is_told_how_to_say_diverged(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"seed": 0, "score": NaN}]')
    with pytest.raises(DataError, match=r"a number is NaN(?s:.*)status diverged"):
        read_scores(tmp_path / "a.json")


def test_a_perplexity_of_any_finite_size_is_a_score(tmp_path: Path) -> None:
    common = {**ROW, "metric": "perplexity", "constant": "40", "floor": "39"}
    del common["n_majority"]
    rows = [{**common, "seed": seed, "score": f"{20 + seed / 10:.1f}"} for seed in range(24)]
    rows += [{**common, "seed": 24, "score": "3e40"}, {**common, "seed": 25, "score": "1e300"}]
    group = Stability.from_records(read_scores(write(tmp_path / "a.csv", rows)))
    assert group.failed_seeds == (24, 25)
    assert group.few_failures(0.3).outcome is Outcome.PASS
    assert group.good_mean(at_most=30.0, scope="all").outcome is not Outcome.PASS
    assert group.close_scores(within=5.0).outcome is Outcome.PASS
    assert group.metric.text(3e40) == "3e+40"
    rows[-1]["score"] = "1e400"
    with pytest.raises(DataError, match="not a finite number; a run that diverged has status diverged"):
        read_scores(write(tmp_path / "b.csv", rows))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "task,model\nrte", "line 2: not as many columns"),
        ("a.csv", "task,model\nrte,bert,more", "line 2: not as many columns"),
        ("a.csv", "", "has no rows"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"seed": 1}', "is not a list of objects"),
        ("a.json", "[]", "has no rows"),
        ("a.csv", "task,scores\nrte,1", "did you mean 'score'"),
        ("a.csv", "task,score,score\nrte,0.7,0.8", "column 'score' comes twice"),
        ("a.json", '[{"score": 0.7, "score": 0.8}]', "'score' comes twice"),
        ("a.json", "[" * 100_000, "is not JSON"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_scores(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_scores(tmp_path / "none.csv")


def test_importing_again_adds_nothing_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    rows = [{**ROW, "seed": seed, "n_correct": 180 + seed} for seed in range(5)]
    path = write(tmp_path / "a.csv", rows)
    assert import_scores(path, store) == 5
    assert import_scores(path, store) == 0
    more = write(tmp_path / "b.csv", [*rows, {**ROW, "seed": 9, "n_correct": 190}])
    assert import_scores(more, store) == 1
    other = write(
        tmp_path / "c.csv", [{**ROW, "seed": 2, "n_correct": 100}, {**ROW, "seed": 10, "n_correct": 99}]
    )
    with pytest.raises(DataError, match=r"seed 2 .* but 0\.65.* in a.csv sha256:"):
        import_scores(other, store)
    assert len(store.keys()) == 6


def test_from_the_command_line_to_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.csv", [{**ROW, "seed": seed, "n_correct": 140 + seed} for seed in (3, 9)])
    assert cli.main(["import", str(path), "--store", str(tmp_path / "store")]) == 0
    assert "2 new runs" in capsys.readouterr().out
    frame = stabbench.load(tmp_path / "store").to_pandas()
    assert list(frame["seed"]) == [3, 9]
    assert list(frame["failed"]) == [True, False]
    assert list(frame["last"]) == [143 / 277, 149 / 277]
    assert frame["imported_from"].str.startswith("a.csv sha256:").all()
    with pytest.raises(StoreError, match="is no store"):
        stabbench.load(tmp_path / "nothing")


@pytest.fixture(scope="session")
def recycled(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Stability]:
    """Import the 240 runs of IBM/model-recycling, their columns renamed, into a store."""
    folder = tmp_path_factory.mktemp("recycled")
    frame = pd.read_csv(shared / "results/model_recycling/by_seed.csv")
    frame = frame.rename(columns={"run_index": "seed", "accuracy": "score", "n_eval": "n_dev"})
    frame = frame[["task", "model", "seed", "score", "n_correct", "n_dev"]]
    majority = frame["task"].map({"rte": 146, "cola": 721})
    frame = frame.assign(strategy="default", metric="accuracy", n_majority=majority)
    frame.to_csv(folder / "by_seed.csv", index=False)
    assert import_scores(folder / "by_seed.csv", Store(folder / "store")) == 240
    groups = stabbench.load(folder / "store").groups()
    return {(group.model, group.task): group for group in groups}


def test_the_recycled_cells_are_as_expected(shared: Path, recycled: dict[tuple[str, str], Stability]) -> None:
    expected = json.loads((shared / "results/model_recycling/expected.json").read_text())
    assert len(recycled) == len(expected["cells"]) == 12
    for cell, wanted in expected["cells"].items():
        model, task = cell.split("|")
        group = recycled[model, task]
        assert group.finished == wanted["n"]
        assert group.failed == wanted["failed_le_majority"]
        assert group.mean == pytest.approx(wanted["mean"], abs=1e-9)
        assert group.std == pytest.approx(wanted["std_ddof1"], abs=1e-9)
        assert group.best == pytest.approx(wanted["max"], abs=1e-9)


def test_the_recycled_gates_give_the_exact_verdicts(recycled: dict[tuple[str, str], Stability]) -> None:
    for group in recycled.values():
        k, scores = group.failed, list(group.scores)
        failed = [run.last.value <= run.constant + 1e-12 for run in group.runs]
        learned = [has_learned(run) for run in group.runs]
        plain = Sample.of(
            scores, failed, range(20), learned=learned, scale=group.metric.scale, range=group.metric.range
        )
        assert group.few_failures(at_most=0.2).outcome is statistics.failures_gate(plain, 0.2).outcome
        assert group.close_scores(within=0.03).evidence == statistics.spread_gate(plain, 0.03)
        lower, upper = statistics.clopper_pearson(k, 20)
        exact = Outcome.PASS if upper <= 0.2 else Outcome.FAIL if lower > 0.2 else Outcome.INCONCLUSIVE
        assert group.few_failures(at_most=0.2).outcome is exact
    for (model_a, task_a), a in recycled.items():
        for (model_b, task_b), b in recycled.items():
            if task_a == task_b and model_a != model_b:
                found = a.steadier_than(b)
                mirrored = b.steadier_than(a)
                swap = {Outcome.PASS: Outcome.FAIL, Outcome.FAIL: Outcome.PASS}
                assert mirrored.outcome is swap.get(found.outcome, found.outcome)


def test_the_real_failures_of_t5_are_caught(recycled: dict[tuple[str, str], Stability]) -> None:
    cola, rte = recycled["google_t5_v1_1_base", "cola"], recycled["google_t5_v1_1_base", "rte"]
    assert cola.failed == 17
    assert cola.few_failures(at_most=0.2).outcome is Outcome.FAIL
    assert cola.few_collapses(at_most=0.2).outcome is Outcome.FAIL
    assert rte.failed_seeds == (11, 17, 19)
    assert not rte.few_failures(at_most=0.2)  # 3 of 20 can prove neither
    assert rte.close_scores(within=0.03).outcome is Outcome.FAIL
    for task in ("cola", "rte"):
        steady = recycled["bert_base_uncased", task]
        assert steady.few_failures(at_most=0.2)
        verdict = steady.steadier_than(recycled["google_t5_v1_1_base", task], lower_mean=0.1, paired=False)
        assert verdict, verdict.summary
    # on RTE T5 is far better where it learns, so that BERT is steadier is not all there is to say
    guarded = recycled["bert_base_uncased", "rte"].steadier_than(rte, paired=False)
    assert guarded.outcome is Outcome.INCONCLUSIVE
    assert "but its mean is 7.03 points lower" in guarded.summary
