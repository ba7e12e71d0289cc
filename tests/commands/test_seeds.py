"""``stabbench seeds``, and what ``stabbench plan`` says of gates."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from stabbench.cli import main
from stabbench.commands.gate_plans import lines_of
from stabbench.commands.suite_gates import gates_of
from stabbench.suite import Suite, find_suites

ROOT = Path(__file__).parents[2]


def rows(output: str) -> list[list[str]]:
    """Return the cells of the printed table."""
    lines = [line for line in output.splitlines() if line.split("  ")[0] in GATES]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


GATES = ("failures", "mean", "spread", "steadier", "regression")


def test_the_table_of_all_gates(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seeds"]) == 0
    found = rows(capsys.readouterr().out)
    clean = [seeds for _, _, truth, *_, seeds in found if truth == "none fails"]
    assert clean == ["59", "29", "14", "9"]
    by_truth = {(gate, *truth): seeds for gate, _, *truth, seeds in found}
    assert by_truth["spread", "it is 0.5 tau"] == "11"
    assert by_truth["spread", "it is 2 tau"] == "10"
    assert by_truth["regression", "the std is twice as large", "paired"] == "28"
    assert by_truth["regression", "the std is twice as large", "unpaired"] == "16"
    assert by_truth["regression", "20 % more are at chance", "paired"] == "38"
    page = (ROOT / "docs" / "planning-seeds.md").read_text()
    for comparison in (("steadier", "paired"), ("regression", "paired"), ("regression", "unpaired")):
        seeds = [cells[-1] for cells in found if (cells[0], cells[-2]) == comparison]
        assert f"| {', '.join(seeds)} |" in page


def test_the_picture_has_a_line_for_each_truth(tmp_path: Path) -> None:
    picture = tmp_path / "power.svg"
    assert main(["seeds", "spread", "--picture", str(picture)]) == 0
    words = "".join(ET.parse(picture).getroot().itertext())
    for truth in ("if it is 0.5 tau", "if it is 0.75 tau", "if it is 2 tau"):
        assert truth in words
    assert main(["seeds", "regression", "--ratio", "3", "--picture", str(picture)]) == 0
    words = "".join(ET.parse(picture).getroot().itertext())
    assert "worse than a baseline of 50, unpaired" in words


def test_one_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "new" / "power.png"
    asked = ["failures", "--allow", "0.2", "--truth", "0.02", "--power", "0.93", "--picture", str(picture)]
    assert main(["seeds", *asked]) == 0
    output = capsys.readouterr().out
    assert rows(output) == [["failures", "at most 20 % fail", "2 % fail", "30"]]
    assert "power with 3 to " in output
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["seeds", "failures", "--allow", "0.1", "--truth", "0.3"]) == 0
    assert "more than 10 % fail" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--ratio", "2"], "name it: mean, spread, steadier, regression"),
        (["spread", "--allow", "0.2"], "name it: failures"),
        (["failures", "--allow", "20"], "write 0.2 for 20 %"),
        (["spread", "--ratio", "nan"], "is not above 0"),
        (["mean", "--power", "1"], "not between 0 and 1"),
        (["mean", "--picture", "power.jpg"], "neither .svg nor .png"),
    ],
)
def test_what_cannot_be_meant(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["seeds", *words]) == 2
    assert says in capsys.readouterr().err


def test_gates_of_the_rte_suite_with_their_own_seeds_and_with_five() -> None:
    ((file, suite),) = find_suites(ROOT / "suites" / "rte")
    gates = gates_of(file, suite)
    names = ["few_failures", "few_at_chance", "few_worse_than", "close_scores", "steadier_than"]
    assert [gate.name for gate in gates] == names
    enough, few = ("\n".join(lines_of(gates, n)) for n in (25, 5))
    assert "at most 1 of 25" in enough
    assert "PASS 1.00 if 0, 0.64 if 0.05 fail" in enough  # as in the table of docs/statistics.md
    assert "NOTE" not in enough
    assert "few_failures(at_most=0.2) can never PASS with 5 seeds: 14 can, if none" in few


FILE = """
from stabbench import Suite
LIMIT = 0.1
grid = Suite(task="toy", models=["tiny-bert"], seeds=4, failures_at_most=0.25)

def helper(stability):
    return stability.few_failures(0.9)

def test_all(stability, against, baseline):
    assert stability.few_failures(grid.failures_at_most)
    assert stability.few_failures(LIMIT)
    assert stability.close_scores(0.03, alpha=0.01)
    assert stability.few_worse_than(-0.5, 0.2)
    assert stability.judge(helper)
    assert stability.good_mean(at_least=0.7) and stability.no_regression(baseline)
    assert stability.std < 1
"""


def test_what_is_not_literal_is_not_known_and_nothing_is_run(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(FILE)
    suite = Suite(task="toy", models=["tiny-bert"], seeds=4, failures_at_most=0.25)
    found = {gate.text: gate for gate in gates_of(file, suite)}
    assert list(found) == [
        "few_failures(at_most=0.25)",
        "few_failures(at_most=LIMIT)",
        "close_scores(within=0.03, alpha=0.01)",
        "few_worse_than(floor=-0.5, at_most=0.2)",
        "judge(gate=helper)",
        "good_mean(at_least=0.7)",
        "no_regression(baseline=baseline)",
    ]
    assert [gate.text for gate in found.values() if not gate.known] == [
        "few_failures(at_most=LIMIT)",
        "judge(gate=helper)",
    ]
    assert found["close_scores(within=0.03, alpha=0.01)"].alpha == 0.01
    text = "\n".join(lines_of(list(found.values()), 4))
    assert text.count("not known before it runs") == 2
    assert text.count("can never PASS with 4 seeds: 5 can") == 3


def test_plans_of_comparisons_are_those_of_gates_that_pair(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "def test_all(stability, against, baseline):\n"
        "    assert stability.no_regression(baseline)\n"
        "    assert stability.no_regression(baseline, paired=False)\n"
        "    assert stability.steadier_than(against, paired=None)\n"
        "    assert stability.steadier_than(against, paired=WHO_KNOWS)\n"
    )
    gates = gates_of(file, Suite(task="toy", models=["tiny-bert"], seeds=25))
    assert [gate.known for gate in gates] == [True, True, True, False]
    text = "\n".join(lines_of(gates, 25))
    assert "FAIL 0.40 if 0.2 more are at chance" in text
    assert "(baseline of 25, paired by seed)" in text
    assert "FAIL 0.59 if 0.2 more are at chance" in text
    assert "(baseline of 25, unpaired)" in text
    assert "other's runs are at chance (paired by seed)" in text
    assert "(paired by seed)" not in "\n".join(lines_of(gates, 9))


def test_plan_tells_of_gates(toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "test_toy_gates.py"
    gates = "def test_few(stability):\n    assert stability.few_failures(at_most=0.1)\n"
    suite.write_text(toy.suite_file(seeds=25, gates=gates))
    plan = ["plan", str(suite), "--no-estimate", "--store", str(tmp_path / "store")]
    assert main(plan) == 0
    output = capsys.readouterr().out
    assert "what 25 seeds can show:" in output
    assert "few_failures(at_most=0.1) can never PASS with 25 seeds: 29 can, if none of them does" in output
    assert "or allow 0.12" in output
    assert main([*plan, "--seeds", "30"]) == 0
    assert "at most 0 of 30" in capsys.readouterr().out
