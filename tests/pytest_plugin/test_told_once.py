"""What hinders a whole group is found once and told once."""

from __future__ import annotations

from tests.pytest_plugin.conftest import Project

NO_MODEL = """
from pathlib import Path
from stabbench import models
from stabbench.errors import StabbenchError

def resolve(name):
    with Path("asked").open("a") as file:
        file.write("x")
    raise StabbenchError(f"the hub does not know {name}.", "mend the name.")

models.resolve = resolve
"""


def test_a_model_that_cannot_be_had_is_looked_up_once(instant: Project) -> None:
    (instant.folder / "conftest.py").write_text(NO_MODEL)
    words = ("suites/toy", "--strategy", "ours", "--strategy", "devlin", "--stab-model", "nobody/nothing")
    found = instant.run(*words, own_process=True)
    assert found.code == 1
    assert found.outcomes() == {"failed": 1, "skipped": 5, "error": 4}, found.output
    assert (instant.folder / "asked").read_text() == "x"
    assert "Traceback" not in found.output
    assert (
        found.output.count("the hub does not know nobody/nothing") <= 1 + 4 + 1
    )  # the run, gates, the skipped


def test_an_empty_store_is_one_line_a_group(project: Project) -> None:
    project.write_suite(seeds=25)
    found = project.run("suites/toy", "--stab-replay", "--strategy", "ours", "--strategy", "devlin")
    assert found.code == 1
    assert found.outcomes() == {"failed": 2, "skipped": 48, "error": 4}, found.output
    for strategy in ("ours", "devlin"):
        told = f"\n25 of 25 runs of {strategy} on toy with tiny-bert are not in the store (seed 0, 1, 2, 3,"
        assert found.output.count(told) == 1
    assert len(found.output.splitlines()) < 60


def test_an_empty_share_is_a_message(project: Project) -> None:
    found = project.run("suites/toy", "--stab-shard", "4/4")
    assert found.code != 0
    assert "share 4/4 is empty: a group has 3 seeds." in found.output
    assert "-> make 3 shares or fewer." in found.output
    assert "Traceback" not in found.output
