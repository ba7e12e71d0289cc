"""The example of a strategy, from its file and installed as a package; the mini world trains it for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LEAN

ROOT = Path(__file__).parents[2]
GATE = """
from stabbench import Suite

suite = Suite(task="mini-cola", models=["mini-bert"], seeds=1)
"""


def train(folder: Path, strategy: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own, as a user does."""
    (folder / "test_one.py").write_text(GATE)
    command = [sys.executable, "-m", "pytest", *LEAN, str(folder), "--strategy", strategy]
    command += [
        "-p",
        "no:cacheprovider",
        "-m",
        "stab_run",
        "--stab-max-steps",
        "3",
        "--stab-store",
        str(folder / "store"),
    ]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, cwd=folder, check=False
    )


def test_from_its_file(tmp_path: Path) -> None:
    found = train(tmp_path, f"{ROOT / 'examples' / 'my_method.py'}:MyMethod:smoothing=0.2")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "MyMethod:smoothing=0.2" in found.stdout


@pytest.mark.slow
def test_installed_as_a_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    source = tmp_path / "source"  # a build writes beside its sources
    subprocess.run(["cp", "-r", str(ROOT / "examples" / "packaged"), str(source)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(site), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named 'setuptools'" in done.stderr or "Cannot import 'setuptools" in done.stderr:
        pytest.skip("setuptools, which builds the package, is not installed here")
    assert done.returncode == 0, done.stderr
    found = train(tmp_path, "my-method", PYTHONPATH=str(site))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "my-method" in found.stdout
    listed = subprocess.run(
        [sys.executable, "-m", "stabbench", "ls", "--strategies"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    assert "my-method" in listed.stdout


@pytest.mark.parametrize(
    "copy", ["examples/packaged/src/my_strategies/my_method.py", "stabbench/commands/starter/my_method.py"]
)
def test_its_copies_are_the_same_method(copy: str) -> None:
    one = (ROOT / "examples" / "my_method.py").read_text().split("from dataclasses")[1]
    assert (ROOT / copy).read_text().endswith(one)
    assert len([line for line in one.splitlines() if line.strip()]) <= 12
