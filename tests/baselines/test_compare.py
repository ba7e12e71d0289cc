"""``stabbench compare`` says by its exit code what a gate would say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stabbench.cli import main
from stabbench.runs import ErrorNote, Store
from tests.samples.records import SHAKY, STEADY, record, records


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Store]:
    monkeypatch.chdir(tmp_path)
    found = {name: Store(tmp_path / name) for name in ("steady", "shaky", "few", "cola")}
    fills = {"steady": records(STEADY), "shaky": records(SHAKY, strategy="devlin")}
    fills |= {"few": records(STEADY[:3], strategy="new"), "cola": records(STEADY, task="cola")}
    for name, runs in fills.items():
        for run in runs:
            found[name].write(run)
    return found


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["shaky", "steady"], 0),
        (["steady", "shaky"], 1),
        (["steady", "few"], 3),
        (["steady", "few", "--inconclusive", "fail"], 1),
        (["steady", "few", "--inconclusive", "warn"], 0),
        (["steady", "shaky", "--inconclusive", "warn"], 1),
        (["steady", "cola"], 2),
        (["steady", "nothing"], 2),
    ],
)
def test_the_exit_code_is_the_verdict(stores: dict[str, Store], arguments: list[str], code: int) -> None:
    assert main(["compare", *arguments]) == code


def test_an_incomplete_pair_is_told_and_the_others_are_compared(
    stores: dict[str, Store], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("shaky", "steady"):
        for run in records(SHAKY if name == "shaky" else STEADY, task="cola"):
            stores[name].write(run)
    lost = record(25, 146, strategy="devlin")
    stores["shaky"].note_error(ErrorNote(key=lost.key, kind="crash", message="", log="", spec=lost.spec))
    assert main(["compare", "shaky", "steady"]) == 2
    found = capsys.readouterr()
    assert "cola, bert" in found.out
    assert re.search(r"not compared: 25 of 26 runs of devlin on rte(?s:.*)seed 25 errored", found.err)


def test_tasks_of_one_name_and_other_data_are_not_paired(
    stores: dict[str, Store], capsys: pytest.CaptureFixture[str]
) -> None:
    for run in records(STEADY[:5], data={"fingerprint": "other"}, strategy="other"):
        stores["shaky"].write(run)
    assert main(["compare", "shaky", "steady"]) == 2
    found = capsys.readouterr()
    assert "B steadier than A?      PASS" in found.out, "devlin has the data of ours"
    assert "not compared: other and ours on rte cannot be compared: task.fingerprint" in found.err
    assert "only in shaky: other-rte-bert" in found.out


WIDE = [155 + round(66 * seed / 24) for seed in range(25)]
NARROWER = [146] * 9 + [152 + round(48 * seed / 15) for seed in range(16)]


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ([146] * 25, STEADY, "says nothing: A's spread is that of runs at chance (25/25)"),
        (STEADY, [147] * 13 + STEADY[:12], "less spread: A (0/25 at chance); p = "),
        (STEADY, [146] * 13 + [150] * 12, "says nothing: B's spread is that of runs at chance (25/25)"),
        (WIDE, STEADY, "less spread: B (0/25 at chance); p = "),
        (STEADY, WIDE, "less spread: A (0/25 at chance); p = "),
        (
            NARROWER,
            WIDE,
            "says nothing: with learned runs and others together, A (9/25 at chance) spreads less",
        ),
    ],
)
def test_levenes_test_never_speaks_for_runs_at_chance_or_for_the_loser(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    a: list[int],
    b: list[int],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, corrects in (("one", a), ("two", b)):
        for run in records(corrects, strategy=name):
            Store(tmp_path / name).write(run)
    main(["compare", "one", "two"])
    out = capsys.readouterr().out
    line = re.search(r"Levene over all runs    (.*)\n(.*)\n", out)
    assert line is not None, out
    assert line[1].startswith(says), out
    warned = "(mean-centred, with failed runs, it tells identical strategies apart" in line[2]
    assert warned is ("p = " in line[1])


def test_two_groups_of_one_strategy_are_asked_whether_they_are_equally_steady_at_no_cost_to_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, device in (("old", "cpu"), ("new", "cuda")):
        for run in records(STEADY[:20] * 4, environment={"device": device, "threads": 1}):
            Store(tmp_path / name).write(run)
    main(["compare", "old", "new"])
    out = capsys.readouterr().out
    assert "B as steady as A?       PASS equivalence: B is as steady as A; 0/80 at chance against 0/80" in out
    for run in records(SHAKY, strategy="devlin"):
        Store(tmp_path / "devlin").write(run)
    main(["compare", "old", "devlin"])
    assert "as steady as" not in capsys.readouterr().out
