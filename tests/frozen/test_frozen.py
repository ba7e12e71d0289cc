"""What 0.1.0 stored and committed stays readable, under its key; what is written now it refuses clearly."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stabbench
from stabbench.cli import main
from stabbench.runs import Store
from stabbench.samples.archive import read_archive, write_archive
from stabbench.samples.baselines import read_baseline, write_baseline
from tests.frozen.plan import REFUSED, RENEWED, keys

FROZEN = Path(__file__).parent / "0.1.0"
ROOT = Path(__file__).parents[2]
KEYS = {
    name: key
    for name, key in json.loads((FROZEN / "keys.json").read_text()).items()
    if name not in RENEWED | REFUSED
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a copy of the frozen store."""
    return Path(shutil.copytree(FROZEN / "store", tmp_path / "store"))


def test_every_run_has_the_key_that_it_had() -> None:
    """But for those that would compute something else now, which nobody committed."""
    assert keys() == KEYS


def test_the_store_is_read_under_its_keys(store: Path) -> None:
    there = Store(store)
    assert not there.problems()
    records = list(there.records())
    assert [record.key for record in records] == sorted(path.name for path in (store / "runs").iterdir())
    for record in records:
        assert record.spec is None or (record.spec.key, record.spec.group) == (record.key, record.group)
        assert record.arrays is None or there.arrays(record)


def test_the_archive_and_the_baseline_hold_the_same_runs(store: Path) -> None:
    stored = {record.key: record.result() for record in Store(store).records()}
    archived = {run.record.key: run.record.result() for run in read_archive(FROZEN / "archive.jsonl.gz").runs}
    assert archived == stored
    for record in read_baseline(FROZEN / "frozen.jsonl").records:
        assert (
            record.last.model_dump(mode="json") == stored[record.key]["last"] or record.status == "diverged"
        )


def test_a_committed_baseline_is_judged_as_before(store: Path) -> None:
    groups = {str(group): group for group in read_baseline(ROOT / "baselines" / "mini.jsonl").groups()}
    ours, devlin = groups["ours-mini-rte-mini-bert"], groups["devlin-mini-rte-mini-bert"]
    assert str(ours.few_failures(at_most=0.2).outcome) == "PASS"
    assert str(devlin.few_failures(at_most=0.2).outcome) == "FAIL"
    assert ours.no_regression(ours)


def run_copy(package: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code with another copy of the package before the installed one."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(package), "PATH": "", "HOME": str(package)},
        cwd=package.parent if package.is_file() else package,
        capture_output=True,
        text=True,
        check=False,
    )


READ = """
import sys
from pathlib import Path
from stabbench.runs import Store
from stabbench.samples.archive import read_archive
from stabbench.samples.baselines import read_baseline
store, archive, *baselines = map(Path, sys.argv[1:])
assert not Store(store).problems(), Store(store).problems()
assert len(read_archive(archive).runs) == 17
for baseline in baselines:
    for record in read_baseline(baseline).records:
        assert record.spec is None or record.spec.key == record.key
"""


LAST_FIELDS = (
    '    metric_source: str = ""\n',  # TaskSpec
    "    revision: str\n",  # ModelSpec
    "    source: str\n",  # StrategySpec
    "    start: RunSpec | None = None\n",  # FineTuning
    "    replicate: int = Field(default=0, ge=0)\n",  # RunSpec
)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with a new field in `Recipe` and a module that has moved."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "stabbench", copy / "stabbench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "frozen", copy / "tests" / "frozen")
    (copy / "tests" / "__init__.py").touch()
    spec = copy / "stabbench" / "recipe.py"
    field = '    precision: Precision = "fp32"\n'
    assert field in spec.read_text()
    spec.write_text(
        spec.read_text().replace(field, f"{field}    label_smoothing: float = Field(default=0.0)\n")
    )
    package = copy / "stabbench"
    text = (package / "spec.py").read_text()
    for last in LAST_FIELDS:
        assert last in text, last
        text = text.replace(last, f"{last}    added: int = 0\n", 1)
    (package / "spec.py").write_text(text)
    (package / "models" / "structure.py").rename(package / "models" / "depths.py")
    (package / "strategies" / "groups.py").rename(package / "parameter_groups.py")
    moves = {
        "stabbench.models.structure": "stabbench.models.depths",
        "stabbench.strategies.groups": "stabbench.parameter_groups",
    }
    for file in package.rglob("*.py"):
        text = file.read_text()
        for old, new in moves.items():
            text = text.replace(old, new)
        file.write_text(text)
    return copy


def test_a_new_field_and_a_move_change_nothing(changed: Path, store: Path) -> None:
    baselines = [FROZEN / "frozen.jsonl", ROOT / "baselines" / "mini.jsonl"]
    places = map(str, [store, FROZEN / "archive.jsonl.gz", *baselines])
    read = run_copy(changed, READ, *places)
    assert read.returncode == 0, read.stderr
    planned = run_copy(changed, "from tests.frozen.plan import keys; import json; print(json.dumps(keys()))")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout) == KEYS


def test_a_field_of_a_run_is_kept(changed: Path) -> None:
    code = (
        "import json\nfrom tests.frozen.plan import PlanOptions, Suite, plan_group\n"
        "from stabbench.spec import RunSpec, Seeds\n"
        "suite = Suite(task='mini-rte', models=['mini-bert'], seeds=1)\n"
        "group = plan_group(suite, 'mini-rte', 'mini-bert', 'ours', PlanOptions())\n"
        "plain = group.requests[0].spec\n"
        "used = plain.change(added=7)\n"
        "assert used.key != plain.key\n"
        "assert RunSpec.model_validate_json(used.model_dump_json()) == used\n"
        "assert used.change(seeds=Seeds.all(3)).added == 7\n"
    )
    done = run_copy(changed, code)
    assert done.returncode == 0, done.stderr


def test_a_field_that_is_used_makes_another_key(changed: Path) -> None:
    code = (
        "from stabbench.spec import Recipe, digest\n"
        "plain, smooth = Recipe(), Recipe(label_smoothing=0.1)\n"
        "assert 'label_smoothing' not in plain.model_dump()\n"
        "assert smooth.model_dump()['label_smoothing'] == 0.1\n"
        "assert digest(plain.model_dump()) == digest(Recipe(label_smoothing=0.0).model_dump())\n"
    )
    done = run_copy(changed, code)
    assert done.returncode == 0, done.stderr


READ_ALL = """
from pathlib import Path
from stabbench.baselines import read_baseline
from stabbench.errors import StabbenchError
from stabbench.leaderboard.archive import read_archive
from stabbench.runs import Store

def read_store(place):
    for key in Store(place).keys():
        Store(place).read(key)

for read, place in (read_store, "store"), (read_archive, "archive.jsonl.gz"), (read_baseline, "new.jsonl"):
    try:
        read(Path(place))
        print(place, "was read")
    except StabbenchError as error:
        print(error)
"""
REFUSED = (
    "record.json has format 2, newer than 1.\n  -> update stabbench.\n",
    "archive.jsonl.gz is an archive of format 2, not 1.\n  -> update stabbench.\n",
    "new.jsonl has format 2, not 1.\n  -> update stabbench.\n",
)


def test_what_is_written_now_is_refused_by_the_code_of_0_1_0(tmp_path: Path, store: Path) -> None:
    runs = stabbench.load(store)
    new = Store(tmp_path / "new" / "store")
    for record in runs.records:
        arrays = Store(store).arrays(record)
        new.write(record, arrays or None)
    write_archive(read_archive(FROZEN / "archive.jsonl.gz"), tmp_path / "new" / "archive.jsonl.gz")
    write_baseline(tmp_path / "new" / "new.jsonl", read_baseline(FROZEN / "frozen.jsonl").groups())
    old = tmp_path / "new" / "code.zip"
    shutil.copy(FROZEN / "code.zip", old)
    done = run_copy(old, READ_ALL)
    assert done.returncode == 0, done.stderr
    assert "was read" not in done.stdout
    for message in REFUSED:
        assert message in done.stdout


def test_a_key_that_is_not_its_specifications_is_refused(store: Path) -> None:
    place = next(path for path in (store / "runs").glob("*/record.json") if '"spec":{' in path.read_text())
    envelope = json.loads(place.read_text())
    envelope["record"]["spec"]["recipe"]["learning_rate"] = 0.123
    from stabbench.stored import canonical_json, digest

    place.write_text(canonical_json({"checksum": digest(envelope["record"]), "record": envelope["record"]}))
    assert ["the key is not that of the specification" in text for text in Store(store).problems()] == [True]


def test_the_leaderboard_of_the_frozen_archive_has_the_numbers_that_it_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = str(FROZEN / "archive.jsonl.gz")
    assert main(["leaderboard", "--archive", archive, "--format", "json"]) == 0
    now, then = json.loads(capsys.readouterr().out), json.loads((FROZEN / "board.json").read_text())
    # the verdict and the order are those of runs at chance by now
    names = ("model", "task", "strategy", "group", "planned", "finished", "failed", "mean", "std")
    assert sorted([row[name] for name in names[:4]] for row in now["rows"]) == sorted(
        [row[name] for name in names[:4]] for row in then["rows"]
    )
    before = {row["group"]: row for row in then["rows"]}
    for row in now["rows"]:
        assert [row[name] for name in names] == [before[row["group"]][name] for name in names]


def test_the_archive_is_gzipped_lines() -> None:
    header = json.loads(gzip.decompress((FROZEN / "archive.jsonl.gz").read_bytes()).splitlines()[0])
    assert header["archive"] == 1
