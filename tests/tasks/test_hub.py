"""The hub path: a local server answers as the hub does; rows and key equal those of the local folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from stabbench import tasks
from tests.tasks.hub import COMMIT, hub

LOAD = """
import json, sys
from stabbench import models, tasks
data = tasks.load(tasks.get("rte"))
model = models.resolve(sys.argv[1])
sizes = [len(data.train.labels), len(data.dev.labels)]
print(json.dumps([*sizes, data.fingerprint, model.revision, model.name]))
print("torch" in sys.modules)
"""


def run(
    program: str, *arguments: str, home: Path, endpoint: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    environment |= settings
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=False,
    )


def write_parquet(source: Path, folder: Path) -> None:
    """Write RTE's TSV files as the Parquet files of `nyu-mll/glue`."""
    names = {"entailment": 0, "not_entailment": 1}
    (folder / "rte").mkdir(parents=True)
    for file, split in (("train", "train"), ("dev", "validation")):
        lines = (source / "RTE" / f"{file}.tsv").read_text().removesuffix("\n").split("\n")[1:]
        rows = [line.split("\t") for line in lines]
        frame = pd.DataFrame(
            {
                "sentence1": [row[1] for row in rows],
                "sentence2": [row[2] for row in rows],
                "label": [names[row[3]] for row in rows],
                "idx": range(len(rows)),
            }
        )
        frame.to_parquet(folder / "rte" / f"{split}-00000-of-00001.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: rte\n  data_files:\n  - split: train\n    path: rte/train-*\n"
        "  - split: validation\n    path: rte/validation-*\n---\n"
    )


@pytest.fixture(params=["made up", "real"])
def local(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with RTE in GLUE's layout: the real rows, or a few that need no folder of data."""
    if request.param == "real":
        return request.getfixturevalue("shared") / "data" / "glue"
    rows = [
        "0\tIt rains.\tNA\tentailment",
        '1\tHe said "no.\tnull\tnot_entailment',
        "2\t\u2028x\té\tentailment",
    ]
    (tmp_path / "local" / "RTE").mkdir(parents=True)
    for name, part in (("train.tsv", rows), ("dev.tsv", rows[1:])):
        text = "\n".join(["index\tsentence1\tsentence2\tlabel", *part]) + "\n"
        (tmp_path / "local" / "RTE" / name).write_text(text)
    return tmp_path / "local"


def test_the_hub_gives_what_the_folder_gives(toy, local: Path, tmp_path: Path) -> None:
    write_parquet(local, tmp_path / "glue")
    shutil.copytree(toy.model, tmp_path / "model")
    with hub({"datasets/nyu-mll/glue": tmp_path / "glue", "models/someone/tiny": tmp_path / "model"}) as url:
        done = run(LOAD, "someone/tiny", home=tmp_path / "home", endpoint=url)
    assert done.returncode == 0, done.stderr[-3000:]
    answer, torch = done.stdout.splitlines()
    expected = tasks.load(tasks.get("rte"), local)
    sizes = [len(expected.train.labels), len(expected.dev.labels)]
    assert json.loads(answer) == [*sizes, expected.fingerprint, COMMIT, "someone/tiny"]
    assert torch == "False"


LOAD_TASK = "from stabbench import tasks; tasks.load(tasks.get('rte'))"
RESOLVE_MODEL = "from stabbench import models; models.resolve('someone/tiny')"
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.mark.parametrize(
    ("program", "messages", "settings"),
    [
        (LOAD_TASK, ["cannot be loaded from the hub", "--stab-data-dir"], OFFLINE),
        (RESOLVE_MODEL, ["neither a folder nor", "--stab-model"], OFFLINE),
        # a refused connection is tried again for half a minute
        pytest.param(RESOLVE_MODEL, ["neither a folder nor", "--stab-model"], {}, marks=pytest.mark.slow),
    ],
)
def test_no_network_names_both_ways_out(
    tmp_path: Path, program: str, messages: list[str], settings: dict[str, str]
) -> None:
    done = run(program, home=tmp_path, endpoint="http://127.0.0.1:9", **settings)
    assert done.returncode != 0
    for message in [*messages, "go online once"]:
        assert message in done.stderr
