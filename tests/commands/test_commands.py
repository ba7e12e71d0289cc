"""The command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stabbench import executors
from stabbench.cli import main
from stabbench.executors.debug import HAS_RUN
from stabbench.requests import Request
from stabbench.runs import ErrorNote, Store
from stabbench.strategies.catalog import parse_strategy
from stabbench.text import duration
from tests.runs.test_store import make_record


def test_help_and_unknown_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "leaderboard" in capsys.readouterr().out
    assert main(["plna"]) == 2
    assert "did you mean 'plan'" in capsys.readouterr().err


def test_ls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    out = capsys.readouterr().out
    for line in ("ours", "devlin", "rte", "bert-large-uncased", "pytest suites/rte"):
        assert any(part.strip().startswith(line) for part in out.splitlines()), line


def test_ls_shows_own_suites_and_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ls", "--suites"]) == 0
    elsewhere = capsys.readouterr().out
    assert "pytest --pyargs stabbench.suites.rte " in elsewhere
    assert "pytest suites" not in elsewhere
    suite = tmp_path / "suites" / "my task" / "test_mine.py"
    suite.parent.mkdir(parents=True)
    suite.write_text("from stabbench import Suite\n\nsuite = Suite(task='mine', models=['m'], seeds=7)\n")
    assert main(["ls", "--suites"]) == 0
    own, rest = capsys.readouterr().out.split("\n", 1)
    assert own.split("  ")[1] == "pytest 'suites/my task'"
    assert own.endswith("mine on m, seeds 7")
    assert rest == elsewhere
    monkeypatch.chdir(Path(__file__).parents[2])  # a clone: its suites are the package's
    assert main(["ls", "--suites"]) == 0
    assert "--pyargs" not in capsys.readouterr().out


def test_ls_gives_parameters_by_the_names_that_the_command_line_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ls", "--strategies", "-v"]) == 0
    name = ""
    read = {}
    for line in capsys.readouterr().out.splitlines():
        if line.startswith("  ") and not line.startswith("   "):
            name = line.split()[0]
        elif line.strip().startswith("parameters: "):
            read[name] = line.split(": ", 1)[1].split(", ")
    assert "lambda=1.0" in read["r3f"]
    for name, parameters in read.items():
        given = ",".join(text for text in parameters if text != "base=None")
        assert parse_strategy(f"{name}:{given}" if given else name)[1].text == name


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    record = store.write(make_record())
    assert main(["show", record.key[:8], "--store", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "ours / rte / bert, seed 0" in out
    assert f"last      accuracy {100 * record.last.value:.2f} after" in out, "in points, as in the tables"
    assert main(["show", record.key[:8], "--store", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == record.key
    assert main(["show", "nothing", "--store", str(tmp_path)]) == 2
    store.note_error(ErrorNote(key="e" * 64, kind="crash", message="signal 11", log="the log"))
    assert main(["show", "e" * 64, "--store", str(tmp_path)]) == 1
    assert "the log" in capsys.readouterr().out


def test_show_finds_an_errored_run_by_the_beginning_of_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, done, errored = Store(tmp_path), make_record(0), make_record(1)
    store.write(done)
    store.note_error(ErrorNote(key=errored.key, kind="crash", message="signal 11", log="the end"))
    assert main(["show", errored.key[:12], "--store", str(tmp_path)]) == 1
    assert f"{errored.key} errored (crash): signal 11\nthe end" in capsys.readouterr().out
    store.note_error(ErrorNote(key=done.key[:12] + "0" * 52, kind="crash", message="signal 11", log=""))
    assert main(["show", done.key[:12], "--store", str(tmp_path)]) == 2
    assert "2 runs begin with" in capsys.readouterr().err


def test_merge_of_what_is_no_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", str(tmp_path / "all"), str(tmp_path / "none")]) == 2
    assert "is no store" in capsys.readouterr().err


def test_plan_counts_and_writes_requests(toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "test_toy_plan.py"
    suite.write_text(toy.suite_file(seeds=2))
    store = tmp_path / "store"
    arguments = ["plan", str(suite), "--strategy", "ours", "--strategy", "devlin", "--store", str(store)]
    arguments += ["--max-steps", "5", "--no-estimate", "--write", str(tmp_path / "requests")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "ours / toy / " in out
    assert "2 runs of 5 steps, 0 in the store, 10 steps to train" in out
    files = sorted((tmp_path / "requests").iterdir())
    assert len(files) == 4
    assert main(["exec", str(files[0]), "--store", str(store)]) == 0
    as_in_the_session = [
        word.replace("--max", "--stab-max").replace("--store", "--stab-store") for word in arguments
    ]
    assert main(as_in_the_session) == 0
    assert "1 in the store" in capsys.readouterr().out


def test_plan_takes_the_options_of_a_session(toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "test_toy_streams.py"
    suite.write_text(toy.suite_file(seeds=4))
    plan = ["plan", str(suite), "--no-estimate", "--stab-store", str(tmp_path / "store")]
    held = ["--stab-seed-streams", "order", "--held-seed", "7", "--replicates", "2", "--stab-shard", "1/2"]
    folder = tmp_path / "requests"
    assert main([*plan, *held, "--stab-max-steps", "5", "--write", str(folder)]) == 0
    assert "4 runs of 5 steps" in capsys.readouterr().out  # two seeds of four, twice
    specs = [Request.model_validate_json(file.read_bytes()).spec for file in folder.iterdir()]
    assert sorted((spec.seeds.order, spec.replicate) for spec in specs) == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert {spec.seeds.head for spec in specs} == {7}
    assert main([*plan, "--seed-streams", "ordre"]) == 2
    assert "did you mean 'order'" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["nowhere", "stabbench.suites.nope", "stabbench.suites.rte.nope"])
def test_plan_of_what_is_no_suite(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", place]) == 2
    error = capsys.readouterr().err
    assert f"{place} is no folder, no file and no installed package" in error
    assert "stabbench ls --suites" in error


def test_plan_estimates(toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = tmp_path / "test_toy_estimate.py"
    suite.write_text(toy.suite_file(seeds=2))
    assert main(["plan", str(suite), "--store", str(tmp_path / "store"), "--max-steps", "40"]) == 0
    out = capsys.readouterr().out
    assert "a run" in out
    assert "In all about" in out


class Measured:
    """An executor whose runs take five seconds to start, one an update and ten an evaluation."""

    def __init__(self, name: str, store: Path) -> None:
        self.inner = executors.REGISTRY.get("debug")(store, executors.ExecutorOptions())
        self.store = Store(store)

    def submit(self, requests):
        self.key, self.job = requests[0].spec.key, self.inner.submit(requests)
        return self

    def wait(self, timeout):
        ended = self.job.wait(timeout)
        HAS_RUN.clear()  # our own file's, which leaves the process as it was
        record = self.store.read(self.key)
        seconds = 5 + record.last.step + 10 * len(record.evaluations)
        shutil.rmtree(self.store.folder(self.key))
        self.store.write(record.model_copy(update={"seconds": float(seconds), "arrays": None}))
        return ended

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *_: object) -> None:
        self.inner.close()


EVALUATES = """
from stabbench.strategies import Strategy
class Mine(Strategy):
    def recipe(self, base): return base.change(epochs=4, batch_size=4, evaluations_per_epoch={})
"""


@pytest.mark.parametrize(("evaluations", "points"), [(1, 4), (5, 20), (12, 48), (1000, 48)])
def test_plan_counts_no_more_evaluations_than_updates(
    toy, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, evaluations: int, points: int
) -> None:
    """Four epochs of twelve updates; the start counts as part of an evaluation."""
    suite, mine = tmp_path / f"test_toy_{evaluations}.py", tmp_path / "mine.py"
    suite.write_text(toy.suite_file(seeds=1))
    mine.write_text(EVALUATES.format(evaluations))
    monkeypatch.setattr(executors, "create", Measured)
    assert main(["plan", str(suite), "--strategy", f"{mine}:Mine", "--store", str(tmp_path / "store")]) == 0
    assert f": about {duration(48 + points * 15)} a run" in capsys.readouterr().out


def test_plan_says_what_is_known_before_it_measures(
    toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "test_toy_limit.py"
    suite.write_text(toy.suite_file(seeds=2))
    plan = ["plan", str(suite), "--store", str(tmp_path / "store"), "--set", "bias_correction=false"]
    assert main([*plan, "--time-limit", "0.01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "48 training and 30 dev rows, 2 labels (training/dev): 'no' " in lines[0]
    assert "ours would train with bias_correction=true" in lines[1]
    assert "2 runs of 60 steps" in lines[2]
    assert lines[3] == "what 2 seeds can show:"
    assert lines[-1] == "No estimate: no run of a few steps ended within 0.01 s."


class Stopped:
    """An executor whose runs end until somebody presses Ctrl-C."""

    def __init__(self, runs: int) -> None:
        self.left = runs

    def __call__(self, name: str, store: Path) -> Stopped:
        self.inner = executors.REGISTRY.get("debug")(store, executors.ExecutorOptions())
        return self

    def submit(self, requests):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.inner.submit(requests)

    def __enter__(self) -> Stopped:
        return self

    def __exit__(self, *_: object) -> None:
        self.inner.close()


@pytest.mark.parametrize(
    ("runs", "ending"),
    [
        (0, ["No estimate: you stopped it."]),
        (
            4,
            [
                "1 of 2 groups were timed before you stopped it; the rest is taken to be as fast.",
                "In all about",
            ],
        ),
    ],
)
def test_plan_stopped_by_ctrl_c_prints_what_it_knows(
    toy, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, runs: int, ending: list[str]
) -> None:
    suite = tmp_path / "test_toy_stopped.py"
    suite.write_text(toy.suite_file(seeds=2))
    monkeypatch.setattr(executors, "create", Stopped(runs))
    plan = [
        "plan",
        str(suite),
        "--strategy",
        "ours",
        "--strategy",
        "devlin",
        "--store",
        str(tmp_path / "store"),
    ]
    assert main(plan) == 130
    lines = capsys.readouterr().out.splitlines()
    assert sum(" steps to train" in line for line in lines) == 2
    for line, start in zip(lines[-len(ending) :], ending, strict=True):
        assert line.startswith(start)


def test_exec_of_what_is_no_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "request.json"
    place.write_text("{}")
    assert main(["exec", str(place)]) == 2
    error = capsys.readouterr().err
    assert "is no request: Field required." in error
    assert len(error.splitlines()) == 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(8, "8 s"), (700, "12 min"), (3 * 3600, "3.0 h"), (3 * 86400, "3.0 days")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
