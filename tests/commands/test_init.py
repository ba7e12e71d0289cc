"""`stabbench init`: a starter project that works as it is, and never harms what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stabbench.cli import main

ROOT = Path(__file__).parents[2]


def contents(folder: Path) -> dict[str, str | None]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_the_command_that_it_names_collects_a_suite_with_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "a project"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].strip()
    assert command.startswith("cd 'a project' && pytest ")
    typed = command.replace("pytest", f"{sys.executable} -m pytest") + " --collect-only -q -n 0"
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for node in ("suite::run[ours-mini-cola-mini-bert-19]", "test_few_runs_fail[ours-mini-cola-mini-bert]"):
        assert f"suites/quick/test_quick.py::{node}" in done.stdout


def test_what_it_writes_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].strip()
    assert command.startswith("pytest ")
    found = contents(tmp_path)
    assert found["notes.txt"] == "mine"
    assert {"pyproject.toml", ".gitignore", "baselines/README.md", "suites/quick/test_quick.py"} <= set(found)
    workflow = yaml.safe_load(found[".github/workflows/stability.yml"] or "")
    assert any(step.get("run", "").startswith(command) for step in workflow["jobs"]["quick"]["steps"])
    assert command in (found["README.md"] or "")
    assert main(["plan", "suites/quick", "--strategy", "my_method.py:MyMethod", "--no-estimate"]) == 0
    assert "MyMethod / mini-cola / mini-bert: 20 runs" in capsys.readouterr().out


@pytest.mark.parametrize("taken", ["suites/quick/test_quick.py", "pyproject.toml", "suites", "baselines"])
def test_it_never_overwrites(tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("mine")
    before = contents(tmp_path)
    assert main(["init", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / taken) in error
    assert "nothing was written" in error
    assert contents(tmp_path) == before


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").symlink_to(tmp_path / "elsewhere.md")
    assert main(["init", str(project)]) == 2
    assert "README.md" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.md").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["init", str(tmp_path / "file" / "project")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
