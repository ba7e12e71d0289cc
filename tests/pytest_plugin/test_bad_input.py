"""Whatever is wrong: a message with cause and next action, exit code not 0, the other runs unharmed."""

from __future__ import annotations

import pytest

from stabbench.runs import Store
from tests.pytest_plugin.conftest import Project


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "uors"], "did you mean 'ours'"),
        (["--strategy", "uors", "-n", "2"], "did you mean 'ours'"),
        (["--strategy", "mixout:q=0.5"], "has no parameter 'q'"),
        (["--strategy", "nowhere.py:Method"], "does not exist"),
        (["--stab-seeds", "0"], "no seeds"),
        (["--stab-seeds", "1,1"], "repeated"),
        (["--stab-seeds=-2"], "negative"),
        (["--stab-executor", "proces"], "did you mean 'process'"),
        (["--stab-checkpoint", "bset"], "did you mean 'best'"),
        (["--stab-inconclusive", "pass"], "--stab-inconclusive pass is unknown"),
        (["--stab-set", "learnig_rate=1"], "did you mean 'learning_rate'"),
        (["--stab-set", "epochs=0"], "epochs=0 is not possible"),
        (["--stab-set", "lr=3e-5"], "it is called learning_rate here"),
        (["--stab-devices", "meta"], "'meta' is no device to train on"),
        (["--stab-set", "epochs"], "no recipe value"),
        (["--stab-shard", "3/2"], "cannot be read"),
        (["--stab-max-steps", "0"], "not positive"),
        (["--stab-data-dir", "nowhere"], "is no folder"),
    ],
)
def test_a_bad_option_is_refused_before_anything_starts(
    project: Project, arguments: list[str], message: str
) -> None:
    found = project.run(*arguments, "suites/toy")
    assert found.code == 4, found.output
    assert message in found.output
    assert "->" in found.output
    assert not (project.folder / ".stabbench").exists()


@pytest.mark.parametrize("dist", ["loadgroup", "loadscope", "loadfile", "each"])
def test_schedulers_that_hang_are_refused(project: Project, dist: str) -> None:
    found = project.run("-n", "1", "--dist", dist, "suites/toy")
    assert found.code != 0
    assert f"--dist {dist}" in found.output
    assert "-> use --dist load" in found.output
    assert not (project.folder / ".stabbench" / "runs").exists()


def test_an_unknown_task_and_model(project: Project) -> None:
    place = project.folder / "suites" / "toy" / "test_toy.py"
    good = place.read_text()
    place.write_text(good.replace("task='toy'", "task='tyo'"))
    found = project.run("suites/toy")
    assert found.code == 1
    assert "unknown task 'tyo'" in found.output
    assert "did you mean 'toy'" in found.output
    place.write_text(good)
    found = project.run("suites/toy", "--stab-model", "./nowhere")
    assert found.code == 1
    assert "./nowhere is no folder" in found.output


TASK, MODELS, ROWS = 'name a task, task="rte"', "give a list of models", "give a number of rows"
SEEDS, SHARE = "give a number of seeds", "give the share that few_failures allows"


@pytest.mark.parametrize(
    ("value", "action"),
    [
        ("task=[1]", TASK),
        ("task=None", TASK),
        ("task=[]", TASK),
        ("models='mini-bert'", MODELS),
        ("models=None", MODELS),
        ("models=[3]", MODELS),
        ("seeds=None", SEEDS),
        ("seeds=2.0", SEEDS),
        ("seeds=True", SEEDS),
        ("train_size='240'", ROWS),
        ("train_size=240.5", ROWS),
        ("train_size=True", ROWS),
        ("stratified='no'", "write True or False"),
        ("sample_seed=-1", "give a whole number, 0 or more"),
        ("sample_seed='x'", "give a whole number, 0 or more"),
        ("failures_at_most='0.2'", SHARE),
        ("failures_at_most=1.5", SHARE),
    ],
)
def test_a_value_that_no_suite_can_have(project: Project, value: str, action: str) -> None:
    name = value.partition("=")[0]
    values = {"task": "task='toy'", "models": "models=['mini-bert']", name: value}
    place = project.folder / "suites" / "toy" / "test_toy.py"
    before, _, after = place.read_text().partition("suite = ")
    place.write_text(f"{before}suite = Suite({', '.join(values.values())})\n{after.partition(chr(10))[2]}")
    found = project.run("suites/toy")
    assert found.code == 2, found.output
    assert f"StabbenchError: {value}" in found.output
    assert f"-> {action}" in found.output
    assert "stabbench/" not in found.output  # the last line is that of the suite
    assert "INTERNALERROR" not in found.output


def test_a_task_and_a_path_as_they_are(instant: Project) -> None:
    place = instant.folder / "suites" / "toy" / "test_toy.py"
    lines = place.read_text().replace("\nlocal_task", "\nfrom pathlib import Path\ntoy = local_task")
    given = f"models=[Path({str(instant.toy.model)!r})]"
    lines = lines.replace("task='toy'", "task=toy").replace(f"models=[{str(instant.toy.model)!r}]", given)
    place.write_text(lines)
    found = instant.run("suites/toy", "-m", "stab_run")
    assert found.code == 0, found.output
    assert given in place.read_text()
    assert found.outcomes() == {"passed": 3, "deselected": 2}


def test_a_strategy_file_that_does_not_import(project: Project) -> None:
    (project.folder / "mine.py").write_text("import nothing_of_this_name\n")
    found = project.run("--strategy", "mine.py:Mine", "suites/toy")
    assert found.code == 4
    assert "No module named 'nothing_of_this_name'" in found.output


CRASH = """
import os, signal
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Crash(Strategy):
    def recipe(self, base):
        return base
    def prepare(self, model, generator):
        if generator.initial_seed() == SEED:
            os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_crash_is_an_error_of_one_run_and_of_its_gates(project: Project) -> None:
    from stabbench.spec import stream_seed

    (project.folder / "crash.py").write_text(CRASH.replace("SEED", str(stream_seed(1, "strategy"))))
    found = project.run("-n", "2", "--strategy", "crash.py:Crash", "suites/toy")
    assert found.code == 1
    assert found.outcomes() == {"failed": 1, "passed": 2, "error": 2}, found.output
    assert "seed 1 errored (crash): the run ended with signal SIGSEGV" in found.output
    assert "2 of 3 runs of Crash" in found.output
    assert len(Store(project.folder / ".stabbench").keys()) == 2


def test_a_hang_ends_at_the_time_out(project: Project) -> None:
    (project.folder / "hang.py").write_text(
        "import time\nfrom dataclasses import dataclass\nfrom stabbench.strategies import Strategy\n\n"
        "@dataclass\nclass Hang(Strategy):\n"
        "    def prepare(self, model, generator):\n        time.sleep(99)\n"
    )
    found = project.run(
        "--strategy", "hang.py:Hang", "--stab-seeds", "1", "--stab-timeout", "1", "suites/toy"
    )
    assert found.code == 1
    assert "errored (time-out)" in found.output


def test_an_unwritable_store(project: Project) -> None:
    (project.folder / "file").write_text("")
    found = project.run("--stab-store", "file/store", "suites/toy")
    assert found.code == 1
    assert "cannot be written" in found.output
    assert "--stab-store" in found.output


def test_two_suites_in_a_file(project: Project) -> None:
    place = project.folder / "suites" / "toy" / "test_toy.py"
    place.write_text(place.read_text() + "\nother = suite.__class__(task='toy', models=['x'])\n")
    found = project.run("suites/toy")
    assert found.code != 0
    assert "more than one Suite" in found.output


def test_a_gate_without_a_suite(project: Project) -> None:
    (project.folder / "test_lost.py").write_text("def test_it(stability):\n    assert stability\n")
    found = project.run("test_lost.py")
    assert found.code == 1
    assert "has no Suite" in found.output


def test_debug_executor_runs_in_the_session(project: Project) -> None:
    (project.folder / "here.py").write_text(
        "import sys\nfrom dataclasses import dataclass\nfrom stabbench.strategies import Strategy\n\n"
        "@dataclass\nclass Here(Strategy):\n    def prepare(self, model, generator):\n"
        "        assert 'pytest' in sys.modules\n"
    )
    arguments = ("--strategy", "here.py:Here", "--stab-seeds", "1", "-m", "stab_run", "suites/toy")
    assert project.run("--stab-executor", "debug", *arguments).code == 0
    assert project.run("--stab-store", "other", *arguments).code == 1  # the trainer process has no pytest
