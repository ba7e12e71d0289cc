"""Seeds by hand: some streams held, seeds repeated; nothing is dropped, gates judge each seed once."""

from __future__ import annotations

import re

import pytest

from stabbench.cli import main
from stabbench.runs import RunRecord, Store
from tests.pytest_plugin.conftest import Project

HELD = ("--stab-seed-streams", "order,dropout", "--stab-held-seed", "7")


def records(project: Project) -> list[RunRecord]:
    return list(Store(project.folder / ".stabbench").records())


def row(output: str) -> list[str]:
    return next(line for line in output.splitlines() if line.startswith("ours  ")).split()


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_held_streams_do_not_vary_and_no_run_is_lost(
    instant: Project,
    workers: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = instant.run(*workers, *HELD, "suites/toy")
    assert [run.replicate for run in records(instant)] == [0, 0, 0]
    seeds = [run.spec.seeds for run in records(instant) if run.spec]
    assert {(s.head, s.strategy) for s in seeds} == {(7, 7)}
    assert {(s.order, s.dropout) for s in seeds} == {(0, 0), (1, 1), (2, 2)}
    assert row(found.output)[3] == "3"
    assert "seeds vary order, dropout; head, strategy held at seed 7" in found.output
    (command,) = re.findall(r"what happened: stabbench (.*)", found.output)
    monkeypatch.chdir(instant.folder)
    assert main(command.split()) == 0  # and not `report`, which would be of other runs, or of none
    assert "head and order" in capsys.readouterr().out
    assert main(["report", command.split()[1]]) == 2
    assert "`stabbench analyse` shows" in capsys.readouterr().err
    assert sum(found.outcomes().values()) == 5, found.output


def test_a_plain_run_is_shared_with_the_streams_held_at_its_seed(instant: Project) -> None:
    instant.run("suites/toy")
    before = {run.key for run in records(instant)}
    instant.run("--stab-seed-streams", "head", "suites/toy")  # seed 0 with all else held at 0 is plain
    assert len(records(instant)) == 5
    assert before < {run.key for run in records(instant)}


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_replicates_run_and_gates_judge_the_first(instant: Project, workers: list[str]) -> None:
    found = instant.run(*workers, "--stab-replicates", "2", "suites/toy")
    ran = sorted((run.seed, run.replicate) for run in records(instant))
    assert ran == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert row(found.output)[3] == "3"
    assert "replicates: bit-identical for all 3 seeds that ran more than once" in found.output
    runs_only = instant.run(*workers, "--stab-replicates", "2", "-m", "stab_run", "suites/toy")
    assert runs_only.outcomes()["passed"] == 6
    assert row(runs_only.output)[3] == "3"


def test_replicates_that_differ_are_named(instant: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WOBBLE", "yes")
    found = instant.run("--stab-replicates", "2", "suites/toy")
    assert "replicates: 3 of 3 seeds did not repeat" in found.output
    assert "ours on toy with tiny-bert, seed 0; " in found.output


def test_replicates_alone_are_no_sample(instant: Project) -> None:
    found = instant.run("--stab-replicates", "2", "-m", "stab_run", "-k", "replicate1", "suites/toy")
    assert found.code == 0, found.output
    assert row(found.output)[3:5] == ["0", "0/0"]


def test_each_planned_run_is_an_item(instant: Project) -> None:
    found = instant.run(*HELD, "--stab-replicates", "2", "--collect-only", "-q", "suites/toy")
    for seed in range(3):
        name = f"run[ours-toy-tiny-bert-{seed}.order+dropout.held7"
        assert f"{name}]" in found.output
        assert f"{name}.replicate1]" in found.output
    plain = instant.run(
        "--stab-seed-streams", "strategy,order,head,dropout", "--collect-only", "-q", "suites/toy"
    )
    assert "run[ours-toy-tiny-bert-2]" in plain.output


def test_shards_share_replicates(instant: Project) -> None:
    for share in ("1/2", "2/2"):
        instant.run("--stab-replicates", "2", "--stab-shard", share, "-m", "stab_run", "suites/toy")
    assert len(records(instant)) == 6


def test_more_seeds_and_early_stop_keep_the_held_streams(instant: Project) -> None:
    gates = "def test_few_runs_fail(stability):\n    assert stability.few_failures(at_most=0.2)\n"
    instant.write_suite(seeds=5, gates=gates)
    place = instant.folder / "suites" / "toy" / "test_toy.py"
    place.write_text(place.read_text().replace("seeds=5", "seeds=5, failures_at_most=0.2"))
    found = instant.run(*HELD, "--stab-early-stop", "--stab-more-seeds", "25", "suites/toy")
    assert "look 2 of 2" in found.output or found.code == 0
    seeds = {run.spec.seeds for run in records(instant) if run.spec}
    assert len(seeds) == 25
    assert {s.head for s in seeds} == {7}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stab-seed-streams", "ordr"], "did you mean 'order'"),
        (["--stab-seed-streams", ""], "no random stream ''"),
        (["--stab-held-seed", "3"], "no stream to hold"),
        (["--stab-seed-streams", "head", "--stab-held-seed", "-1"], "negative"),
        (["--stab-replicates", "0"], "not positive"),
        (["--stab-seed-streams", "head", "--stab-baseline", "main"], "vary every random stream"),
    ],
)
def test_what_cannot_be_meant_is_refused(instant: Project, arguments: list[str], message: str) -> None:
    found = instant.run(*arguments, "suites/toy")
    assert found.code == 4, found.output
    assert message in found.output
    assert "->" in found.output
    assert not (instant.folder / ".stabbench").exists()
