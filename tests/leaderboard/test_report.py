from __future__ import annotations

import re
from pathlib import Path

import pytest

from stabbench.cli import main
from stabbench.leaderboard.diagnosis import Cause, diagnose, suggestions
from stabbench.leaderboard.report import bars, document, group_report, picture, run_report
from stabbench.runs import Score, Store
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.groups import RunGroup, group_runs
from stabbench.samples.traces import thin
from tests.leaderboard.generate import fill, run, runs


def made(kind: str, seed: int = 0, strategy: str = "devlin") -> RunWithTraces:
    record, arrays = run(strategy, "mini-rte", seed, kind=kind)
    return RunWithTraces(record, thin(arrays))


def group_of(*some: RunWithTraces, plan: Plan | None = None) -> RunGroup:
    plans = {} if plan is None else {some[0].record.group: plan}
    (group,) = group_runs(collect([Collection(some, plans)]))
    return group


def test_a_stuck_run_is_stuck_from_the_start_with_vanished_gradients() -> None:
    found = diagnose(made("failed"))
    assert (found.cause, found.since, found.favourite) == (Cause.STUCK, 0, 1.0)
    assert found.bottom_share is not None
    assert found.bottom_share < 0.01
    assert found.vanished_since is not None


def test_a_good_run_has_no_cause_and_no_vanished_gradients() -> None:
    found = diagnose(made("success"))
    assert (found.cause, found.since, found.vanished_since) == (Cause.NONE, None, None)


def test_a_diverged_run_names_the_update() -> None:
    assert diagnose(made("diverged")).since == 51
    assert diagnose(made("diverged")).cause is Cause.DIVERGED


def test_a_run_that_fell_back_is_stuck_since_then() -> None:
    failed, good = made("failed"), made("success")
    loss = (*good.traces.loss[:10], *failed.traces.loss[10:])
    mixed = RunWithTraces(failed.record, failed.traces.model_copy(update={"loss": loss}))
    assert diagnose(mixed).since in failed.traces.updates[9:14]


def test_a_noisy_flat_loss_is_no_learning() -> None:
    failed = made("failed")
    loss = tuple(0.69 * (0.8 if place % 4 == 0 else 1.05) for place in range(len(failed.traces.loss)))
    noisy = RunWithTraces(failed.record, failed.traces.model_copy(update={"loss": loss}))
    assert diagnose(noisy).since == 0


def test_collapsed_and_useless_runs_are_told_apart() -> None:
    failed = made("failed")
    learned = failed.record.model_copy(update={"train_loss": 0.1})
    assert diagnose(RunWithTraces(learned, failed.traces)).cause is Cause.COLLAPSED
    wrong = learned.model_copy(
        update={"last": Score(value=0.4, step=120, confusion=((100, 143), (157, 100)))}
    )
    assert diagnose(RunWithTraces(wrong, failed.traces)).cause is Cause.NO_GAIN


def test_an_imported_score_cannot_tell() -> None:
    record, _ = run("devlin", "mini-rte", 0, kind="failed", imported=True)
    bare = record.model_copy(update={"last": Score(value=record.constant, step=0)})
    found = diagnose(RunWithTraces(bare, thin({})))
    assert found.cause is Cause.UNKNOWN
    assert "imported" in suggestions([RunWithTraces(bare, thin({}))], [found])[0]
    assert "no traces" in group_report(group_of(RunWithTraces(bare, thin({}))))


def test_the_report_counts_every_run_and_names_seeds_and_keys() -> None:
    some = [
        made("failed", 3),
        made("failed", 5),
        made("diverged", 7),
        *(made("success", s) for s in range(8, 12)),
    ]
    plan = Plan(seeds=tuple(range(3, 14)), errored={12: "time-out"})
    words = group_report(group_of(*some, plan=plan))
    assert "runs: 7 of 11, 1 errored, 3 not run; 4 learned, 3 at chance, 3 of these failed" in words
    assert (
        "2 of 7 runs: the training loss stayed at the entropy of the labels: nothing was learned (seed 3, 5)"
        in words
    )
    assert f"1 of 7 runs: {Cause.DIVERGED} (seed 7)" in words
    assert "errored: seed 12 (time-out)" in words
    assert "Turn bias correction on" in words
    for one in some:
        assert one.record.key[:12] in words


def test_suggestions_fit_the_recipe() -> None:
    good_recipe = runs(["bias-correction"], ["mini-rte"], range(1), kind="failed")
    tips = " ".join(suggestions(good_recipe, [diagnose(good_recipe[0])]))
    assert "Turn bias correction on" not in tips
    assert "learning_rate=0.00015" in tips
    fine = [made("success")]
    assert suggestions(fine, [diagnose(fine[0])]) == []


def test_the_report_of_a_run_shows_its_traces() -> None:
    group = group_of(made("failed", 1), made("success", 2))
    words = run_report(group, group.runs[0])
    assert "seed 1 of devlin on mini-rte with mini-bert: failed" in words
    assert "loss           █" in words
    assert "entropy of the labels: 0.693" in words
    assert "with mini-bert: learned" in run_report(group, group.runs[1])


def test_bars_show_trend_and_unknown_values() -> None:
    assert bars([0.0, 0.5, 1.0, None], 0.0) == "▁▅█x"
    assert bars([0.0, 0.0], 0.0) == "▁▁"


def test_the_document_is_one_escaped_file_with_a_picture() -> None:
    some = [
        RunWithTraces(r, thin(a))
        for r, a in [run("<script>x</script>", "mini-rte", 0), run("<script>x</script>", "mini-rte", 1)]
    ]
    group = group_of(*some)
    html = document(group_report(group), picture(group))
    assert "<script" not in html
    assert html.count("<svg") == 1
    assert not re.search(r'(src|href)="(?!#)', html.replace('xlink:href="#', ""))


def test_the_command_finds_groups_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Store(Path(".stabbench")), ["devlin", "ours"], ["mini-rte"], range(4))
    record, _ = run("devlin", "mini-rte", 2)
    assert main(["report", record.group[:10], record.key[:10]]) == 0
    out = capsys.readouterr().out
    assert "devlin on mini-rte with mini-bert" in out
    assert "seed 2 of devlin" in out
    for key in (record.group, record.key):
        assert (tmp_path / ".stabbench" / "reports" / f"{key[:16]}.html").is_file()
    assert main(["report", "zzz"]) == 2
    error = capsys.readouterr().err
    assert "no group and no run begins with 'zzz'" in error
    assert f"{record.group[:12]}  devlin on mini-rte" in error
    assert main(["report", ""]) == 2
    assert "10 groups and runs begin" in capsys.readouterr().err
