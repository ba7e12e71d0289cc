"""``stabbench analyse`` from a store, an archive and a baseline to the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stabbench.cli import main
from stabbench.runs import Store
from stabbench.samples.archive import write_archive
from stabbench.samples.baselines import write_baseline
from stabbench.samples.reader import load, read_store
from stabbench.spec import Seeds
from tests.leaderboard.generate import run
from tests.samples.test_analysis import with_seeds


def keep(store: Store, source: int, seeds: Seeds, replicate: int = 0) -> None:
    """Write the generated run of seed ``source`` as if these seeds had given it."""
    record, arrays = run("ours", "mini-rte", source)
    store.write(with_seeds(record, seeds, replicate), arrays)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return devlin and ours with 8 seeds; ours with a grid of 3 heads x 4 orders and replicates as well."""
    store = Store(tmp_path_factory.mktemp("store"))
    for seed in range(8):
        store.write(*run("devlin", "mini-rte", seed, kind="failed" if seed < 3 else "success"))
        keep(store, seed, Seeds.all(seed))
    for head in range(3):
        for order in range(4):
            if head != order:
                keep(store, 10 * head + order, Seeds(head=head, order=order, dropout=order, strategy=head))
    keep(store, 4, Seeds.all(4), replicate=1)  # the same bits again
    keep(store, 90, Seeds.all(5), replicate=1)  # others
    return store.root


def line(text: str, beginning: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(beginning)]
    return found


def test_a_store_shows_every_section(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", f"{store}:ours"]) == 0
    out = capsys.readouterr().out
    scores = [run("ours", "mini-rte", seed)[0].last.value for seed in range(8)]
    assert f"mean {100 * np.mean(scores):.2f}" in line(out, "scores")
    assert line(out, "runs").endswith("8, 0 failed, 0 collapsed")
    assert line(out, "agreement of").split()[-2:] == ["8", "runs"]
    assert "% right in every run" in line(out, "rows of the dev set")
    assert "4 runs of 2 seeds: 1 of 2 seeds identical" in line(out, "same seed again")
    assert "seeds of head, strategy (rows) by seeds of order, dropout (columns)" in out
    assert "p = " in line(out.replace(" " * 20, ""), "order ")
    assert "not shown" not in out


def test_what_is_missing_is_said_in_one_line_each(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", f"{store}:devlin"]) == 0
    out = capsys.readouterr().out
    assert "8 runs    5 not failed" in line(out, "agreement of")
    assert "--stab-replicates 2" in line(out, "not shown")
    assert "--stab-seed-streams" in out


def test_json_is_one_object_that_says_the_same(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyse", str(store), f"{store}:devlin", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    groups = {group["strategy"]: group for group in found["groups"]}
    assert sum(groups["ours"]["all_runs"]["right_in"]) == 500
    assert groups["ours"]["grids"][0]["variance"]["head"]["share"] >= 0
    assert groups["devlin"]["scores"]["failed"] == 3
    assert groups["ours"]["missing"] == []
    pairs = {one["first"].split("-")[0]: one for one in found["contrasts"]}
    assert pairs["ours"]["probability_of_improvement"] > 0.9
    assert pairs["devlin"]["probability_of_improvement"] == 0.5
    assert pairs["ours"]["spread_p_value"] > 0.9


def test_archives_and_baselines_show_what_they_keep(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_archive(read_store(Store(store)), tmp_path / "all.jsonl.gz")
    write_baseline(tmp_path / "some.jsonl", load(store).groups())
    shown = {}
    for source in (str(store), str(tmp_path / "all.jsonl.gz"), str(tmp_path / "some.jsonl")):
        assert main(["analyse", f"{source}:ours", "--json"]) == 0
        (shown[source],) = json.loads(capsys.readouterr().out)["groups"]
    full, archived, saved = shown.values()
    assert full["scores"]["by_seed"] == archived["scores"]["by_seed"] == saved["scores"]["by_seed"]
    for name in ("per_point_stability", "churn_ratio", "pairwise_disagreement", "fleiss_kappa"):
        assert archived["all_runs"][name] == pytest.approx(full["all_runs"][name])
    assert archived["all_runs"]["jensen_shannon"] is None
    assert archived["grids"] == full["grids"]
    assert archived["repeats"] == full["repeats"]
    assert saved["all_runs"] is None
    assert any(text.startswith("agreement: 0 of 8 runs") for text in saved["missing"])


def test_a_group_that_was_stopped_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    for seed in range(6):
        store.write(*run("devlin", "mini-rte", seed, kind="failed"))
    store.note_stopped(run("devlin", "mini-rte")[0].group, range(25))
    assert main(["analyse", str(tmp_path)]) == 0
    assert "19 of 25 planned runs (0 errored)" in line(capsys.readouterr().out, "not shown")
    assert main(["analyse", str(tmp_path), str(tmp_path)]) == 2
    assert "6 of 25 runs" in capsys.readouterr().err


def test_a_group_is_named_by_the_beginning_of_its_digest(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = run("devlin", "mini-rte")[0].group
    assert main(["analyse", group[:12], "--store", str(store)]) == 0
    assert capsys.readouterr().out.startswith("devlin on mini-rte with mini-bert, group ")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["nowhere"], "is no baseline, no store, no archive, and no group"),
        (["{store}:devlim"], "did you mean 'devlin'"),
        (["{store}:ours", "{other}"], "no task and model in common"),
    ],
)
def test_bad_sources_end_with_the_next_action(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], cause: str
) -> None:
    other = Store(tmp_path)
    other.write(*run("ours", "mini-cola"))
    assert main(["analyse", *(word.format(store=store, other=tmp_path) for word in words)]) == 2
    error = capsys.readouterr().err
    assert cause in error
    assert "  -> " in error
