"""Runs of one group, or of groups that are compared, that were made in different environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stabbench.cli import main
from stabbench.leaderboard import data, latex, markdown, page
from stabbench.leaderboard.board import build
from stabbench.leaderboard.report import group_report
from stabbench.samples.baselines import write_baseline
from stabbench.samples.collection import Collection
from stabbench.samples.environment import environment_differences
from stabbench.samples.groups import group_runs
from stabbench.samples.stability import Stability
from stabbench.statistics import Outcome
from tests.samples.records import STEADY, records

HERE: dict[str, Any] = {
    "device": "AMD EPYC (AVX2)",
    "device_type": "cpu",
    "threads": 1,
    "attention": "stabbench",
    "deterministic": True,
    "python": "3.11.7",
    "platform": "Linux x86_64",
    "cuda": None,
    "stabbench": "0.2.0",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "numpy": "2.4.6",
}
CHANGES = {
    "torch": ("2.12.0", "torch 2.12.0 (3 runs), 2.13.0 (22 runs)"),
    "transformers": ("5.22.0", "transformers 5.22.0 (3 runs), 5.23.0 (22 runs)"),
    "numpy": ("2.3.0", "numpy 2.3.0 (3 runs), 2.4.6 (22 runs)"),
    "device": ("AMD EPYC (AVX512)", "CPU instructions AVX2 (22 runs), AVX512 (3 runs)"),
    "threads": (4, "threads 1 (22 runs), 4 (3 runs)"),
    "attention": ("sdpa", "attention sdpa (3 runs), stabbench (22 runs)"),
    "deterministic": (False, "deterministic False (3 runs), True (22 runs)"),
    "device_type": ("cuda", "device type cpu (22 runs), cuda (3 runs)"),
}


def made(environment: dict[str, Any] = HERE, few: dict[str, Any] | None = None, **options: Any) -> Stability:
    """Return a sample of 25 runs, the first three of which may have an environment of their own."""
    found = records(STEADY, environment=environment, **options)
    if few is not None:
        found[:3] = records(STEADY[:3], environment=few, **options)
    return Stability.from_records(found)


@pytest.mark.parametrize("field", CHANGES)
def test_a_verdict_names_what_differs_and_judges_as_ever(field: str) -> None:
    value, words = CHANGES[field]
    verdict = made(few=HERE | {field: value}).few_failures(at_most=0.2)
    alone = made().few_failures(at_most=0.2)
    assert verdict.outcome is alone.outcome is Outcome.PASS
    assert "; mixed environment: " in verdict.summary
    assert words in verdict.summary
    assert words in str(verdict.evidence.details["environment"])
    assert verdict.evidence.value == alone.evidence.value


def test_a_uniform_environment_is_not_named() -> None:
    sample = made()
    for verdict in (sample.few_failures(at_most=0.2), sample.no_regression(made())):
        assert "environment" not in verdict.summary
        assert "EPYC" not in verdict.summary


def test_versions_that_change_no_result_are_not_named() -> None:
    verdict = made(few=HERE | {"python": "3.12.0", "stabbench": "0.1.0"}).few_failures(at_most=0.2)
    assert "environment" not in verdict.summary


def test_groups_that_are_compared_are_told_apart() -> None:
    baseline = made(HERE | {"device": "Intel Xeon (AVX512)"})
    verdict = made().no_regression(baseline)
    assert verdict
    assert "changed since the baseline: nothing; different environment: " in verdict.summary
    assert "device AMD EPYC against Intel Xeon; CPU instructions AVX2 against AVX512" in verdict.summary
    mine = made(strategy="ours", few=HERE | {"threads": 2})
    other = made(HERE | {"torch": "2.12.0"}, strategy="devlin")
    steadier = mine.steadier_than(other)
    assert "mixed environment: threads 1 (22 runs), 2 (3 runs)" in steadier.summary
    assert "torch 2.13.0 against 2.12.0" in steadier.summary
    assert "devlin-rte-bert: mixed environment" in other_mixed(mine, few=HERE | {"torch": "2.12.0"})


def other_mixed(mine: Stability, few: dict[str, Any]) -> str:
    return mine.steadier_than(made(few=few, strategy="devlin")).summary


def test_scores_from_elsewhere_name_no_environment_and_differ_from_none() -> None:
    assert environment_differences([{}, {}]) == {}
    assert environment_differences([HERE], [{}]) == {}
    assert set(environment_differences([HERE, {}])) >= {"torch", "device"}
    assert environment_differences([HERE], [HERE | {"torch": "3"}]) == {
        "torch": ({"2.13.0": 1}, {"3": 1}),
    }


def test_the_board_and_the_report_mark_and_explain() -> None:
    mixed = Collection.of(made(few=HERE | {"torch": "2.12.0"}).runs)
    board = build(mixed)
    words = "mixed environment: torch 2.12.0 (3 runs), 2.13.0 (22 runs)"
    written = markdown.render(board)
    assert "`ours`¶" in written
    assert f"¶ `ours`: {words}." in written
    assert "- ¶ mixed environment, 1 of 1 rows" in written
    assert json.loads(data.to_json(board))["rows"][0]["environment"] == words
    shown = page.page_data(board)
    (row,) = shown["rows"]
    assert row["environment"] == words
    cells = {column["name"]: cell for column, cell in zip(shown["columns"], row["cells"], strict=True)}
    assert cells["std"][0].endswith("¶")
    assert cells["std"][3] == words
    assert r"\P{}" in latex.render(board)
    (group,) = group_runs(mixed)
    assert words in group_report(group)


def test_a_board_of_one_environment_has_no_mark() -> None:
    board = build(Collection.of(made().runs))
    assert "¶" not in markdown.render(board)
    assert r"\P" not in latex.render(board)
    assert json.loads(data.to_json(board))["rows"][0]["environment"] is None
    assert "environment: " not in group_report(group_runs(Collection.of(made().runs))[0])


def test_compare_names_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = []
    for name, sample in {"a": made(HERE | {"numpy": "2.3.0"}), "b": made(few=HERE | {"threads": 2})}.items():
        places.append(str(tmp_path / f"{name}.jsonl"))
        write_baseline(Path(places[-1]), [sample])
    main(["compare", *places])
    lines = capsys.readouterr().out.splitlines()
    assert "environment             mixed environment: threads 1 (22 runs), 2 (3 runs)" in lines
    (between,) = [line for line in lines if "different environment: " in line]
    assert "numpy 2.4.6 against 2.3.0" in between
    assert not [line for line in lines if line.startswith("changed")]
