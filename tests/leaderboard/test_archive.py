from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from stabbench.errors import RecordError
from stabbench.leaderboard.board import build
from stabbench.leaderboard.table import State
from stabbench.runs import ErrorNote, Store
from stabbench.samples.archive import SUFFIX, read_archive, write_archive
from stabbench.samples.baselines import baseline_names, read_baseline
from stabbench.samples.collection import Collection, Plan, RunWithTraces, collect
from stabbench.samples.reader import load, read_store
from stabbench.samples.scores import Incomplete
from stabbench.samples.traces import POINTS, thin
from stabbench.spec import Seeds
from tests.leaderboard.generate import fill, run, runs


def few(seeds: int = 3) -> list[RunWithTraces]:
    return runs(["ours", "devlin"], ["mini-rte"], range(seeds))


def test_an_archive_gives_back_what_the_store_holds(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    fill(store, ["ours", "devlin"], ["mini-rte"], range(3))
    record, arrays = run("ours", "mini-rte", 9, kind="diverged")
    store.write(record, arrays)
    store.write(*run("elsewhere", "mini-rte", 1, imported=True))
    found = collect([read_store(store)])
    write_archive(found, tmp_path / "a.jsonl.gz")
    assert len(found.runs) == 8
    assert [one.record.key for one in found.runs] == store.keys()
    assert collect([Collection(tuple(reversed(found.runs)))]).runs == found.runs
    assert read_archive(tmp_path / "a.jsonl.gz") == found


def test_equal_runs_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    some = few()
    write_archive(Collection(tuple(some)), tmp_path / "a.gz")
    write_archive(Collection(tuple(reversed(some))), tmp_path / "b.gz")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4), "the time of writing is in the file"


def test_traces_are_thinned_to_window_means() -> None:
    loss = np.arange(300.0)
    traces = thin({"loss": loss, "gradient_norm": loss * 2})
    assert len(traces.loss) == POINTS
    assert traces.updates[-1] == 300
    assert traces.loss[0] == pytest.approx(4.5)
    assert traces.gradient_norm[0] == pytest.approx(9.0)


def test_a_short_trace_stays_as_it_is_and_nan_is_kept_as_unknown() -> None:
    traces = thin({"loss": np.array([0.7, np.nan, 0.5])})
    assert traces.loss == (0.7, None, 0.5)
    assert traces.gradient_norm == (None, None, None)
    assert thin({}).loss == ()


@pytest.mark.parametrize("damage", ["truncate", "drop", "edit", "traces", "no json", "newer"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "a.gz"
    write_archive(Collection(tuple(few())), place)
    lines = gzip.decompress(place.read_bytes()).decode().splitlines()
    if damage == "truncate":
        place.write_bytes(place.read_bytes()[:-20])
    elif damage == "drop":
        lines.pop(2)
    elif damage == "edit":
        lines[1] = lines[1].replace('"seed":', '"seed": 1', 1)
    elif damage == "traces":
        line = json.loads(lines[1])
        line["traces"]["loss"].pop()
        lines[1] = json.dumps(line)
    elif damage == "no json":
        lines[0] = "{"
    else:
        lines[0] = lines[0].replace('"archive":2', '"archive":3')
    if damage != "truncate":
        place.write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(RecordError):
        read_archive(place)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nowhere\.gz"):
        read_archive(tmp_path / "nowhere.gz")


def test_errored_runs_of_a_store_are_found_by_their_keys(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, ["ours"], ["mini-rte"], range(3))
    record, _ = run("ours", "mini-rte", 0)
    assert record.spec is not None
    key = record.spec.model_copy(update={"seeds": Seeds.all(3)}).key
    store.note_error(ErrorNote(key=key, kind="crash", message="signal 11", log=""))
    store.note_error(ErrorNote(key="0" * 64, kind="crash", message="who?", log=""))
    found = collect([read_store(store)])
    plan = found.plans[record.group]
    assert (plan.seeds, plan.errored) == ((0, 1, 2, 3), {3: "crash"})
    assert list(found.lost) == ["0" * 64], "any group may lack it"


def test_a_tampered_record_makes_its_group_incomplete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, ["ours"], ["mini-rte"], range(25))
    place = store.folder(run("ours", "mini-rte", 1)[0].key) / "record.json"
    place.write_text(place.read_text().replace('"mini-bert"', '"mini-tree"'))
    (row,) = build(load(store)).rows
    assert (row.state, row.errored, row.verdict) == (State.INCOMPLETE, 1, "INCOMPLETE")


def test_a_bad_record_of_an_unknown_group_stops_the_leaderboard(tmp_path: Path) -> None:
    store = Store(tmp_path)
    fill(store, ["ours"], ["mini-rte"], range(25))
    lost, arrays = run("devlin", "mini-rte", 1)
    store.write(lost, arrays)
    (store.folder(lost.key) / "record.json").write_text("{")
    with pytest.raises(Incomplete, match="any group may lack them"):
        build(load(store))


def test_an_error_that_was_mended_elsewhere_is_none() -> None:
    some = few()
    group = some[0].record.group
    plan = Plan(seeds=(0, 1, 2, 7), errored={0: "crash", 7: "hang"})
    found = collect([Collection(tuple(some)), Collection((), {group: plan})])
    assert found.plans[group] == Plan(seeds=(0, 1, 2, 7), errored={7: "hang"})


def test_two_results_of_one_run_are_refused() -> None:
    first = few()[0]
    other = first.record.model_copy(update={"train_loss": 9.0})
    with pytest.raises(RecordError, match="different results"):
        collect([Collection((first,)), Collection((RunWithTraces(other, first.traces),))])


def test_copies_that_differ_in_times_only_are_one_run_in_any_order() -> None:
    first = few()[0]
    later = RunWithTraces(
        first.record.model_copy(update={"created": "2030-01-01T00:00:00+00:00"}), first.traces
    )
    one = collect([Collection((first,)), Collection((later,))])
    other = collect([Collection((later,)), Collection((first,))])
    assert one == other
    assert len(one.runs) == 1


def test_no_archive_is_called_like_a_baseline() -> None:
    folder = Path(__file__).parents[2] / "baselines"
    archives = {path.name.removesuffix(SUFFIX) for path in folder.glob("*.gz")}
    assert {"mini", "mini-grid", "mini-grid-seed1"} == archives
    assert all(read_archive(folder / f"{name}{SUFFIX}").runs for name in archives)
    assert all(read_baseline(folder / f"{name}.jsonl").runs for name in baseline_names(folder))
