"""Baselines, early stop and more seeds in sessions whose runs are in the store already."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest

from stabbench.runs import RunRecord, Score, Store
from stabbench.samples.baselines import write_baseline
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from tests.pytest_plugin.conftest import SHORT, Project

N, MAJORITY = 30, 20
STEADY = [26, 27, 25, 26, 28, 27, 26, 25, 27, 26, 28, 26, 27, 25, 26, 27, 26, 28, 25, 26, 27, 26, 27, 25, 26]
GATES = """
def test_few_runs_fail(stability):
    assert stability.few_failures(at_most=0.2)


def test_no_regression(stability, baseline):
    assert stability.no_regression(baseline)
"""


def fill(
    project: Project, corrects: Sequence[int], strategy: str = "ours", **options: object
) -> list[RunRecord]:
    """Write one finished run per entry into the project's store, seeds from 0 on."""
    store = Store(project.folder / ".stabbench")
    group = project.toy.group(strategy, len(corrects), max_steps=6, **options)
    found = []
    for request, correct in zip(group.requests, corrects, strict=True):
        spec = request.spec
        right = min(correct, MAJORITY)
        counts = ((correct - right, N - MAJORITY - (correct - right)), (MAJORITY - right, right))
        score = Score(value=correct / N, step=6, confusion=counts)
        record = RunRecord(
            key=spec.key,
            group=spec.group,
            task=spec.work.task.name,
            model=spec.work.model.name,
            strategy=spec.work.strategy.label,
            seed=spec.seed,
            spec=spec,
            metric=spec.work.task.metric,
            constant=MAJORITY / N,
            n_dev=N,
            status="completed",
            last=score,
            best=score,
            created="2025-01-01T00:00:00+00:00",
        )
        found.append(store.write(record))
    return found


def save(project: Project, *groups: list[RunRecord]) -> None:
    path = project.folder / "baselines" / "main.jsonl"
    write_baseline(path, [Stability.from_records(runs) for runs in groups])


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_unchanged_runs_pass_against_their_baseline(project: Project, workers: list[str]) -> None:
    project.write_suite(seeds=25, gates=GATES)
    save(project, fill(project, STEADY), fill(project, STEADY, "devlin"))
    found = project.run("suites/toy", "--stab-replay", "--stab-baseline", "main", *workers)
    assert found.code == 0, found.output
    assert "baseline main: judged against 1 of its 2 groups; no gate used devlin-toy-" in found.output


def test_worse_runs_fail_against_the_baseline_with_evidence(project: Project) -> None:
    project.write_suite(seeds=25, gates=GATES)
    save(project, fill(project, STEADY))
    worse = [correct - 4 for correct in STEADY]
    fill(project, worse, overrides={"learning_rate": 1e-3})
    found = project.run(
        "suites/toy",
        "--stab-replay",
        "--stab-baseline=main",
        "--stab-set=learning_rate=1e-3",
        "--junitxml=out.xml",
    )
    assert found.code == 1
    assert "FAIL regression: worse than the baseline in runs at chance" in found.output
    assert "recipe.learning_rate 2e-05 -> 0.001" in found.output
    tree = ET.parse(project.folder / "out.xml")
    properties = {p.get("name"): p.get("value") for p in tree.iter("property")}
    assert properties["regression.outcome"] == "FAIL"
    assert float(str(properties["regression.p_chance_holm"])) < 0.05
    assert "recipe.learning_rate" in str(properties["regression.changed"])


def test_without_a_baseline_its_gate_is_skipped_and_with_an_unused_one_the_session_fails(
    project: Project,
) -> None:
    project.write_suite(seeds=25, gates=GATES)
    save(project, fill(project, STEADY))
    found = project.run("suites/toy", "--stab-replay", "-rs")
    assert found.code == 0
    assert "no baseline to judge against" in found.output
    found = project.run("suites/toy", "--stab-replay", "--stab-baseline", "main", "-k", "few or run")
    assert found.code == 1
    assert "baseline main: no gate judged against it, so the session fails" in found.output


def test_a_baseline_of_other_data_is_refused_with_the_fields(project: Project) -> None:
    project.write_suite(seeds=25, gates=GATES)
    runs = fill(project, STEADY)
    other = []
    for run in runs:
        assert run.spec is not None
        task = run.spec.work.task.model_copy(update={"fingerprint": "0" * 64})
        spec = run.spec.change(task=task)
        other.append(run.model_copy(update={"spec": spec, "key": spec.key, "group": spec.group}))
    save(project, other)
    found = project.run("suites/toy", "--stab-replay", "--stab-baseline", "main")
    assert found.code == 1
    assert "cannot be compared: task.fingerprint 00000000.. -> " in found.output
    assert "Traceback" not in found.output


def test_an_unknown_or_changed_baseline_stops_before_anything(project: Project) -> None:
    project.write_suite(seeds=25, gates=GATES)
    save(project, fill(project, STEADY))
    found = project.run("suites/toy", "--stab-baseline", "mian")
    assert found.code == 4
    assert "did you mean 'main'" in found.output
    path = project.folder / "baselines" / "main.jsonl"
    path.write_text(path.read_text().replace('"value":0.8666', '"value":0.9666'))
    found = project.run("suites/toy", "--stab-baseline", "main")
    assert found.code == 4
    assert "was changed after it was written" in found.output


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_early_stop_leaves_out_what_cannot_change_the_verdict(project: Project, workers: list[str]) -> None:
    project.write_suite(
        seeds=25,
        gates="def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.2)\n\n"
        "def test_close(stability):\n    assert stability.close_scores(within=0.2)\n",
    )
    place = project.folder / "suites" / "toy" / "test_toy.py"
    place.write_text(place.read_text().replace("seeds=25", "seeds=25, failures_at_most=0.2"))
    fill(project, [20] * 9 + [26] * 3)
    found = project.run("suites/toy", "--stab-early-stop", "--junitxml=out.xml", *workers)
    assert found.code == 1, found.output
    assert found.outcomes() == {"failed": 2, "passed": 12, "skipped": 13}
    assert "9 of the first 12 runs failed, 9 of 25 are enough to exceed 20.0%: stopped early" in found.output
    assert "12 of 25, stopped early" in found.output
    assert "Traceback" not in found.output
    assert len(Store(project.folder / ".stabbench").keys()) == 12  # nothing was trained
    (group,) = load(project.folder / ".stabbench").groups()
    assert group.stopped_early
    assert group.planned == 25


def test_early_stop_goes_on_while_the_verdict_is_open(project: Project) -> None:
    project.write_suite(seeds=3)
    place = project.folder / "suites" / "toy" / "test_toy.py"
    place.write_text(place.read_text().replace("seeds=3", "seeds=3, failures_at_most=0.5"))
    fill(project, [20, 26])
    found = project.run("suites/toy", "--stab-early-stop")
    assert "stopped early" not in found.output
    assert len(Store(project.folder / ".stabbench").keys()) == 3


def test_only_few_failures_may_judge_a_stopped_grid(project: Project) -> None:
    project.write_suite(seeds=25, gates="def test_std(stability):\n    assert stability.std < 9\n")
    place = project.folder / "suites" / "toy" / "test_toy.py"
    place.write_text(place.read_text().replace("seeds=25", "seeds=25, failures_at_most=0.2"))
    fill(project, [20] * 9)
    found = project.run("suites/toy", "--stab-early-stop", "-k", "test_std")
    assert found.code == 1
    assert "not run (stopped early, since few_failures was certain): seed 9, 10" in found.output


def test_more_seeds_are_taken_for_an_undecided_gate(project: Project) -> None:
    project.write_suite(
        seeds=10,
        gates="def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.2)\n",
    )
    fill(project, STEADY)
    found = project.run("suites/toy", "--stab-replay")
    assert found.code == 1
    assert "to decide: the same pytest command with --stab-more-seeds 20" in found.output
    assert "  with 20 seeds: PASS 71 %, FAIL 0 %, else INCONCLUSIVE, judging by those so far" in found.output
    assert re.search(r"^to decide: pytest .*suites/toy --stab-more-seeds 20$", found.output, re.MULTILINE)
    found = project.run("suites/toy", "--stab-replay", "--stab-more-seeds", "25", "--junitxml=out.xml")
    assert found.code == 0, found.output
    row = next(line for line in found.output.splitlines() if line.startswith("ours  "))
    assert row.split()[3] == "25"
    tree = ET.parse(project.folder / "out.xml")
    properties = {p.get("name"): p.get("value") for p in tree.iter("property")}
    assert properties["failures.look"] == "2"
    assert properties["failures.alpha"] == str(0.05 / 4)


def test_more_seeds_are_trained_when_the_store_lacks_them(project: Project) -> None:
    project.write_suite(
        seeds=3,
        gates="def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.5)\n",
    )
    fill(project, STEADY[:3])
    found = project.run("suites/toy", "--stab-more-seeds", "4")
    assert "look 2 of 2, at alpha 0.0125" in found.output
    assert {run.seed for run in Store(project.folder / ".stabbench").records()} == {0, 1, 2, 3}


def test_the_advice_can_be_followed_word_by_word_and_leads_to_the_second_look(instant: Project) -> None:
    gates = "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.2)\n"
    instant.write_suite(seeds=10, gates=gates)
    first = instant.run("suites/toy")
    advice = re.search(r"^to decide: pytest (.*)$", first.output, re.MULTILINE)
    assert advice
    second = instant.run(*shlex.split(advice[1])[len(SHORT + instant.options) :])
    assert second.code == 0, second.output
    assert "to decide" not in second.output
    assert len(Store(instant.folder / ".stabbench").keys()) == 20


def test_after_the_second_look_there_is_no_more_advice(project: Project) -> None:
    project.write_suite(
        seeds=10,
        gates="def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.2)\n",
    )
    fill(project, STEADY)
    found = project.run("suites/toy", "--stab-replay", "--stab-more-seeds", "12")
    assert "look 2 of 2" in found.output
    assert "to decide" not in found.output


@pytest.mark.parametrize("how", [[], ["--stab-seeds", "10"], ["-n", "1"]])
def test_more_seeds_than_planned_or_a_usage_error(project: Project, how: list[str]) -> None:
    project.write_suite(seeds=10)
    for more in ("10", "7") if "-n" not in how else ("7",):
        found = project.run("suites/toy", "--stab-more-seeds", more, *how)
        assert found.code == 4, found.output
        assert f"--stab-more-seeds {more} adds nothing: 10 seeds are planned already" in found.output
        assert "more than 10" in found.output


def test_more_seeds_do_not_go_with_a_share(project: Project) -> None:
    found = project.run("suites/toy", "--stab-more-seeds", "25", "--stab-shard", "1/2")
    assert found.code == 4
    assert "merge the shards first" in found.output


def test_the_job_summary_is_markdown_in_which_everything_stays_text(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_suite(seeds=10, gates=GATES)
    fill(project, STEADY[:10])
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.folder / "summary.md"))
    project.run("suites/toy", "--stab-replay")
    text = (project.folder / "summary.md").read_text()
    lines = text.splitlines()
    assert lines[0] == "## Fine-tuning stability"
    assert lines[2] == "| strategy | task | model | n | failed | mean | std | best | verdict |"
    assert lines[4].startswith("| ours | toy | ")
    assert lines[4].endswith("| INCONCLUSIVE |")
    assert any(line.startswith("- ours on toy: INCONCLUSIVE failures: 0 of 10 runs failed") for line in lines)

    from stabbench.pytest_plugin.github import markdown

    hostile = markdown(["a"], [["x | <script>\n"]], ["*now*"])
    assert "| x \\| &lt;script&gt;\\\\n |" in hostile
    assert "- \\*now\\*" in hostile
