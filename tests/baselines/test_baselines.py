"""Baselines: a checked file that gives the same samples back, and what is refused."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stabbench
from stabbench import cli
from stabbench.errors import RecordError, StabbenchError, UnknownNameError
from stabbench.leaderboard.published import read_published
from stabbench.runs import RunRecord, Score, Store
from stabbench.samples.baselines import baseline_path, counterpart, read_baseline, write_baseline
from stabbench.samples.collection import Collection
from stabbench.samples.imports import import_scores
from stabbench.samples.reader import load
from stabbench.samples.stability import Stability
from stabbench.spec import Seeds
from tests.samples.records import MAJORITY, SHAKY, STEADY, N, confusion, record, records

ROOT = Path(__file__).parents[2]


def groups(*found: list[RunRecord]) -> list[Stability]:
    return [Stability.from_records(runs) for runs in found]


corrects = st.lists(st.one_of(st.none(), st.integers(0, N)), min_size=1, max_size=12)


@given(corrects, corrects, st.randoms())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, ours: list[int | None], devlin: list[int | None], chance: Any
) -> None:
    folder = tmp_path_factory.mktemp("baseline")
    first = records(ours, train_loss=0.25, label_entropy=0.6931)
    second = records(devlin, strategy="devlin", environment={"device": "gpu", "threads": 4})
    second = [
        *second,
        record(99, 200, strategy="devlin", best=Score(value=250 / N, step=7, confusion=confusion(250))),
    ]
    write_baseline(folder / "a.jsonl", groups(first, second))
    found = {run.key: run for run in read_baseline(folder / "a.jsonl").records}
    assert found.keys() == {run.key for run in (*first, *second)}
    for run in (*first, *second):
        again = found[run.key]
        kept = {"created": again.created}
        assert again == run.model_copy(update=kept)
    shuffled = chance.sample(first, len(first))
    write_baseline(folder / "b.jsonl", groups(chance.sample(second, len(second)), shuffled))
    assert (folder / "a.jsonl").read_bytes() == (folder / "b.jsonl").read_bytes()


def test_a_diff_shows_the_runs_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "main.jsonl"
    write_baseline(path, groups(records(STEADY)))
    before = path.read_text().splitlines()
    changed = list(STEADY)
    changed[7] -= 1
    write_baseline(path, groups(records(changed)))
    after = path.read_text().splitlines()
    assert len(before) == len(after) == 27  # header, group, 25 runs
    different = [n for n, lines in enumerate(zip(before, after, strict=True)) if lines[0] != lines[1]]
    assert different == [0, 9]


def test_seeds_that_differ_between_streams_survive(tmp_path: Path) -> None:
    run = record(3, 190)
    assert run.spec is not None
    spec = run.spec.model_copy(update={"seeds": Seeds(head=3, order=0, dropout=0, strategy=0)})
    run = run.model_copy(update={"spec": spec, "key": spec.key})
    write_baseline(tmp_path / "x.jsonl", groups([run]))
    assert read_baseline(tmp_path / "x.jsonl").records[0].spec == spec


@given(st.data())
def test_no_changed_byte_is_taken(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("baseline") / "x.jsonl"
    write_baseline(path, groups(records(STEADY[:4])))
    text = path.read_bytes()
    at = data.draw(st.integers(0, len(text) - 2))
    byte = data.draw(st.integers(33, 126).filter(lambda b: b != text[at]))
    path.write_bytes(text[:at] + bytes([byte]) + text[at + 1 :])
    with pytest.raises(RecordError):
        read_baseline(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "was changed"),
        (lambda lines: [lines[0].replace('"baseline":2', '"baseline":3'), *lines[1:]], "format 3"),
        (lambda lines: [], "no baseline"),
        (lambda lines: ["[]"], "no baseline"),
    ],
)
def test_truncated_and_foreign_files_are_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "x.jsonl"
    write_baseline(path, groups(records(STEADY[:4])))
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(RecordError, match=message):
        read_baseline(path)


def test_a_forged_specification_is_refused_even_with_a_right_checksum(tmp_path: Path) -> None:
    from stabbench.samples import baselines

    path = tmp_path / "x.jsonl"
    write_baseline(path, groups(records(STEADY[:4])))
    header, *lines = path.read_text().splitlines()
    lines[0] = lines[0].replace('"epochs":3', '"epochs":20')
    head = {**json.loads(header), "checksum": baselines._checksum(lines)}
    path.write_text("\n".join([json.dumps(head), *lines]))
    with pytest.raises(RecordError, match=r"line 3.*not that of its specification"):
        read_baseline(path)


def test_a_key_that_would_lead_out_of_the_store_is_refused(tmp_path: Path) -> None:
    store, place = Store(tmp_path / "store"), tmp_path / "x.jsonl"
    (tmp_path / "scores.csv").write_text(
        "task,model,strategy,metric,n_dev,seed,score,n_majority\nrte,bert,x,accuracy,277,0,0.7004,146\n"
    )
    import_scores(tmp_path / "scores.csv", store)
    write_baseline(place, load(store).groups())
    header, *lines = place.read_text().splitlines()
    lines[1] = lines[1].replace(store.keys()[0], "../../mine")
    checksum = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    place.write_text("\n".join([json.dumps({**json.loads(header), "checksum": checksum}), *lines]) + "\n")
    (tmp_path / "mine").mkdir()
    with pytest.raises(RecordError, match="does not fit the schema"):
        Store(tmp_path / "target").write(read_baseline(place).records[0])
    assert not list((tmp_path / "mine").iterdir())


def test_incomplete_and_ambiguous_groups_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with pytest.raises(StabbenchError, match="2 of 5 runs"):
        write_baseline(path, [Stability.from_records(records(STEADY[:2]), range(5))])
    with pytest.raises(StabbenchError, match="are both ours on rte"):
        write_baseline(path, groups(records(STEADY[:2]), records(STEADY[:2], source="other")))
    with pytest.raises(StabbenchError, match="no run to save"):
        write_baseline(path, [])
    assert not path.exists()


def test_the_counterpart_is_the_same_strategy_whatever_its_recipe() -> None:
    baseline = Collection.of(
        [*records(STEADY), *records(SHAKY, strategy="devlin"), *records(STEADY, task="cola")]
    )
    found = counterpart(
        baseline, groups(records(SHAKY, label="ours@epochs=3", recipe={"epochs": 4}))[0], "main"
    )
    assert (found.strategy, found.task) == ("ours", "rte")
    assert found.scores == tuple(correct / N for correct in STEADY)
    with pytest.raises(StabbenchError, match=r"no group for mixout-rte-bert; it has .*devlin-rte-bert"):
        counterpart(baseline, groups(records(STEADY, strategy="mixout"))[0], "main")


def test_an_unknown_baseline_suggests_the_near_one(tmp_path: Path) -> None:
    write_baseline(tmp_path / "main.jsonl", groups(records(STEADY)))
    with pytest.raises(UnknownNameError, match="did you mean 'main'"):
        baseline_path("mian", tmp_path)
    assert baseline_path("main", tmp_path) == baseline_path(str(tmp_path / "main.jsonl"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store of two groups: steady `ours`, shaky `devlin`."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".stabbench")
    runs = [
        *records(STEADY),
        *records(SHAKY, strategy="devlin", source="s2", recipe={"bias_correction": False}),
    ]
    random.Random(0).shuffle(runs)
    for run in runs:
        store.write(run)
    return tmp_path


def test_save_show_restore(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["baseline", "save", "main"]) == 0
    assert "devlin      rte     bert     25" in capsys.readouterr().out
    assert cli.main(["baseline", "show"]) == 0
    assert capsys.readouterr().out == "main\n"
    assert cli.main(["baseline", "show", "main"]) == 0
    assert "ours" in capsys.readouterr().out
    assert cli.main(["baseline", "restore", "main", "--store", "fresh"]) == 0
    assert "50 runs written" in capsys.readouterr().out
    original = {r.key: r.last for r in Store(place / ".stabbench").records()}
    assert {r.key: r.last for r in Store(place / "fresh").records()} == original
    assert cli.main(["baseline", "restore", "main", "--store", "fresh"]) == 0
    assert "0 runs written to fresh, 50 were there already" in capsys.readouterr().out


def test_a_baseline_is_replaced_only_when_asked_and_the_change_is_shown(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["baseline", "save", "main", "--strategy", "ours"]) == 0
    assert cli.main(["baseline", "save", "main"]) == 2
    assert "main.jsonl exists" in capsys.readouterr().err
    store = Store(place / ".stabbench")
    for run in records([*STEADY[:-1], 150]):
        store.write(run)
    assert cli.main(["baseline", "save", "main", "--replace"]) == 0
    out = capsys.readouterr().out
    assert "changed: ours-rte-bert: 1 seeds; same method" in out
    assert "new: devlin-rte-bert" in out


@pytest.mark.parametrize(
    ("option", "name", "near"),
    [("task", "rt", "rte"), ("model", "bret", "bert"), ("strategy", "our", "ours")],
)
def test_a_misspelt_choice_is_told_from_an_empty_store(
    place: Path, option: str, name: str, near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["baseline", "save", "main", f"--{option}", name]) == 2
    error = capsys.readouterr().err
    assert f".stabbench has no group of the {option} {name!r}" in error
    assert f"did you mean {near!r}" in error


@pytest.mark.parametrize("name", ["../x/y", "a/b", "", ".", "..", "/tmp/x"])
def test_a_name_is_no_path(place: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["baseline", "save", name]) == 2
    assert "is no name of a baseline" in capsys.readouterr().err
    assert not list(place.rglob("*.jsonl"))


def test_a_small_baseline_is_saved_with_a_warning(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(place / "small")
    for run in records(STEADY[:5]):
        store.write(run)
    assert cli.main(["baseline", "save", "small", "--store", "small"]) == 0
    assert "5 runs; the regression gate needs 25" in capsys.readouterr().out


def test_compare_prints_verdicts_and_changes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["baseline", "save", "main"]) == 0
    capsys.readouterr()
    assert cli.main(["compare", "main:ours", ".stabbench:devlin"]) == 1
    out = capsys.readouterr().out
    assert "B steadier than A?      FAIL steadier: A ours is steadier than B devlin" in out
    assert "B no worse than A?      FAIL regression: worse than the baseline in" in out
    assert "recipe.bias_correction: True -> False" in out
    assert cli.main(["compare", "main", ".stabbench"]) == 3
    out = capsys.readouterr().out
    assert out.count("IDENTICAL") == 2  # ours with ours, devlin with devlin
    assert {"rte, bert, ours", "rte, bert, devlin"} < set(out.splitlines())
    digest = records([190])[0].group
    assert cli.main(["compare", "main:devlin", digest[:10]]) == 0
    assert "PASS steadier: B ours is steadier than A devlin" in capsys.readouterr().out


def test_compare_refuses_what_differs_and_what_is_unknown(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in records(STEADY, data={"fingerprint": "other"}):
        Store(place / "other").write(run)
    for run in records(STEADY, task="cola"):
        Store(place / "cola").write(run)
    assert cli.main(["compare", ".stabbench:ours", "other"]) == 2
    assert "task.fingerprint f1 -> other" in capsys.readouterr().err
    assert cli.main(["compare", ".stabbench:ours", "cola"]) == 2
    assert "no task and model in common" in capsys.readouterr().err
    assert cli.main(["compare", ".stabbench:oors", "cola"]) == 2
    assert "did you mean 'ours'" in capsys.readouterr().err
    assert cli.main(["compare", "nothing", "cola"]) == 2
    assert "no baseline, no store" in capsys.readouterr().err


def test_the_published_figures_are_reference_rows_and_no_baseline() -> None:
    path = ROOT / "baselines" / "published.json"
    rows = {(row.task, row.strategy): row for row in read_published(path)}
    assert len(rows) == 13
    ours = rows["rte", "Ours"]
    assert (ours.std, ours.mean, ours.max, ours.n) == (2.7, 67.3, 71.1, 25)
    with pytest.raises(RecordError):
        read_baseline(path)


def test_the_published_figures_are_the_papers(shared: Path) -> None:
    tables = json.loads((shared / "results/published_aggregates/mosbach2021_tables.json").read_text())
    printed = [row for method in tables["table1_bert_large_uncased"].values() for row in method.values()]
    printed += list(tables["table4_scitail_bert"].values())
    rows = read_published(ROOT / "baselines" / "published.json")
    mine = sorted((row.std, row.mean, row.max) for row in rows)
    assert mine == sorted((row["std"], row["mean"], row["max"]) for row in printed)


def test_a_diverged_run_keeps_its_reason_and_the_constants_score(tmp_path: Path) -> None:
    write_baseline(tmp_path / "x.jsonl", groups(records([190, None])))
    (group,) = read_baseline(tmp_path / "x.jsonl").groups()
    assert group.failed_seeds == (1,)
    assert group.scores[1] == MAJORITY / N
    assert group.runs[1].reason == "the training loss became NaN"


def test_restore_writes_over_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_baseline(tmp_path / "x.jsonl", groups(records(STEADY[:4])))
    restore = ["baseline", "restore", "x", "--folder", str(tmp_path), "--store", str(tmp_path / "store")]
    assert cli.main(restore) == 0
    damaged, *_ = (tmp_path / "store").glob("runs/*/record.json")
    damaged.write_text("{")
    assert cli.main(restore) == 0
    assert "1 runs written" in capsys.readouterr().out
    assert not stabbench.load(tmp_path / "store").problems
