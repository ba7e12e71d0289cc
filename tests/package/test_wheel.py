"""The wheel, built from these sources and installed without the clone: what a user of `pip install` has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
Shell = Callable[[str, Path], str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that is made of a source archive, and that of these sources."""
    place = tmp_path_factory.mktemp("wheel")
    sources = place / "sources"  # a build writes beside its sources
    sources.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    for name in ("stabbench", "suites"):
        shutil.copytree(ROOT / name, sources / name, symlinks=True)
    call([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place), str(sources)], place)
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def shell(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return how to type a command where the wheel is installed, beside the packages of this interpreter."""
    place = tmp_path_factory.mktemp("installed")
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(place)}))
    call([sys.executable, "-m", "venv", "--without-pip", str(place)], place)
    call([*PIP, "--python", str(place), "install", "--no-deps", str(wheel)], place)
    dependencies = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(dependencies))  # whose .pth files are not read: no clone
    script = place / "bin" / "pytest"
    script.write_text(f"#!{place}/bin/python\nimport pytest\nraise SystemExit(pytest.main())\n")
    script.chmod(0o755)
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
    clean["PATH"] = f"{place / 'bin'}:{clean['PATH']}"

    def type_in(command: str, folder: Path) -> str:
        return call(["bash", "-c", command], folder, clean)

    where = type_in("python -c 'import stabbench; print(stabbench.__file__)'", place)
    assert where.strip() == str(site / "stabbench" / "__init__.py")
    return type_in


def call(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_standard_suites_are_there_in_an_empty_folder(shell: Shell, tmp_path: Path) -> None:
    listed = [line.split("  ")[1] for line in shell("stabbench ls --suites", tmp_path).splitlines()]
    names = {file.parent.name for file in (ROOT / "suites").glob("*/test_*.py")}
    assert set(listed) == {f"pytest --pyargs stabbench.suites.{name}" for name in names}
    found = shell("pytest --pyargs stabbench.suites.rte --collect-only -q", tmp_path)
    assert "suite::run[devlin-rte-bert-large-uncased-24]" in found
    assert "::test_few_runs_fail[ours-rte-bert-large-uncased]" in found
    plan = shell("stabbench plan stabbench.suites.mini --seeds 20 --no-estimate", tmp_path)
    assert "ours / mini-cola / mini-bert: 20 runs" in plan


def test_the_starter_project_is_whole(shell: Shell, tmp_path: Path) -> None:
    shell("stabbench init", tmp_path)
    starter = ROOT / "stabbench" / "commands" / "starter"
    written, meant = (
        {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path, starter)
    )
    assert written == {name: text for name, text in meant.items() if "__pycache__" not in name}


@pytest.mark.slow
def test_the_starter_project_passes_with_the_command_that_init_names(shell: Shell, tmp_path: Path) -> None:
    *_, command = shell("stabbench init stability", tmp_path).splitlines()
    found = shell(f"{command.strip()} --junitxml=result.xml", tmp_path)
    assert "0/20" in found
    assert "PASS" in found
    shell("cd stability && pytest suites/quick --stab-replay --strategy ours", tmp_path)  # the same runs
