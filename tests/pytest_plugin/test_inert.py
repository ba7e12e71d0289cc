"""A project without suites sees nothing of the plugin: no import, no line, no option, no exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LEAN
from tests.pytest_plugin.conftest import Project

PLAIN = "def test_it():\n    pass\n\ndef test_that():\n    pass\n"


def pytest_in(folder: Path, *words: str) -> tuple[int, str]:
    """Run a session in a process of its own, in which nothing was imported before."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *LEAN, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def run_here(pytester: pytest.Pytester, folder: Path, *words: str) -> tuple[int, str]:
    """Run a session in this process; its workers, if it has any, are processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "dont_write_bytecode", True)
        result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *LEAN, *words)
    return int(result.ret), result.stdout.str() + result.stderr.str()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_plain.py").write_text(PLAIN)
    return tmp_path


SPY = """
import sys

def pytest_unconfigure(config):
    names = ["numpy", "pydantic", "tabulate", "scipy", "torch"]
    names += ["stabbench.planning", "stabbench.runs", "stabbench.zygote"]
    print("IMPORTED", [name for name in names if name in sys.modules])
    print("CHUNK", getattr(config.option, "maxschedchunk", None))
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_next_to_nothing_is_imported_and_no_option_of_others_changed(
    plain: Path, workers: tuple[str, ...]
) -> None:
    (plain / "spy.py").write_text(SPY)
    code, output = pytest_in(plain, "-p", "spy", *workers)
    assert code == 0, output
    assert "IMPORTED []" in output
    assert "CHUNK None" in output


ENDS = {
    "passed": ((), PLAIN, ""),
    "two workers": (("-n", "2"), PLAIN, ""),
    "an unknown scheduler": (("-n", "2", "--dist", "loadfile"), PLAIN, ""),
    "collect only, two workers": (("--collect-only", "-n", "2"), PLAIN, ""),
    "nothing there": (("-k", "nothing"), PLAIN, ""),
    "exit": ((), "import pytest\n\ndef test_it():\n    pytest.exit('bye', 0)\n\n" + PLAIN, ""),
    "exit at the start": (
        (),
        PLAIN,
        "import pytest\n\ndef pytest_sessionstart():\n    pytest.exit('no', 0)\n",
    ),
    "swallowed": ((), PLAIN, "def pytest_runtest_protocol():\n    return True\n"),
    "whitewashed": (
        (),
        "def test_it():\n    assert 0\n",
        "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
    ),
    "broken workers": (
        ("-n", "1", "--max-worker-restart=0"),
        PLAIN,
        "import pytest\n\ndef pytest_configure(config):\n    if hasattr(config, 'workerinput'):\n"
        "        raise pytest.UsageError('no')\n",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_session_without_suites_ends_as_without_us(
    plain: Path, pytester: pytest.Pytester, name: str
) -> None:
    words, tests, conftest = ENDS[name]
    (plain / "test_plain.py").write_text(tests)
    (plain / "conftest.py").write_text(conftest)
    alone, _ = run_here(pytester, plain, *words, "-p", "no:stabbench")
    code, output = run_here(pytester, plain, *words)
    assert code == alone, output
    lines = [line for line in output.splitlines() if not line.startswith(("plugins:", "rootdir:"))]
    assert not any("stabbench" in line for line in lines), output
    assert not (plain / ".stabbench").exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("stab_gate/test_it.py", ()),
        ("stab_run/test_it.py", ()),
        ("stab_gate.py", ("stab_gate.py",)),
        ("stab_gate/test_it.py", ("-n", "1")),
        ("stab_run/test_it.py", ("-n", "1")),
        ("stab_gate/test_it.py", ("--stab-shard", "1/2")),
    ],
)
def test_a_place_that_is_called_as_our_marks_are(
    tmp_path: Path, pytester: pytest.Pytester, toy, place: str, words: tuple[str, ...]
) -> None:
    """Also beside a suite, in whose sessions all of the plugin is awake."""
    (tmp_path / "pytest.ini").write_text("[pytest]\npython_functions = test_* stab_*\n")
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("def test_it():\n    pass\n\ndef stab_run():\n    assert 0\n")
    code, output = run_here(pytester, tmp_path, *words)
    assert code == 1, output
    assert "1 failed, 1 passed" in output
    assert "stabbench:" not in output.replace("stabbench: share 1/2", "")

    (tmp_path / "test_toy.py").write_text(toy.suite_file(seeds=1))
    code, output = run_here(
        pytester, tmp_path, "--collect-only", "-q", "-m", "stab_run or stab_gate", place, "test_toy.py"
    )
    assert code == 0, output
    assert [line.partition("::")[0] for line in output.splitlines() if "::" in line] == ["test_toy.py"] * 3


RUN_OF_OTHERS = """
import pytest

@pytest.mark.parametrize("x", [1, 2])
def run(x):
    pass

class TestThem:
    @pytest.mark.parametrize("x", ["a-b-1", 2])
    def run(self, x):
        pass
"""


@pytest.mark.parametrize("words", [(), ("-n", "2", "--dist", "loadscope"), ("-n", "2")])
def test_a_test_that_is_called_as_our_runs_are(plain: Path, words: tuple[str, ...]) -> None:
    (plain / "pytest.ini").write_text("[pytest]\npython_functions = run test_*\n")
    (plain / "test_plain.py").write_text(RUN_OF_OTHERS)
    (plain / "spy.py").write_text(SPY)
    code, output = pytest_in(plain, "-p", "spy", *words)
    assert code == 0, output
    assert "4 passed" in output
    assert "...." in output  # a dot each
    assert "CHUNK None" in output or not words
    assert "stabbench:" not in output


OPTION = "def pytest_addoption(parser):\n    parser.addoption('--strategy', {how})\n"
ASKS = "\ndef test_it(request):\n    assert request.config.getoption('--strategy') == {value!r}\n"
THEIRS = {
    "text": ("default='slow'", "quick", ("--strategy", "quick")),
    "default": ("default='slow'", "slow", ()),
    "choice": ("choices=['a', 'b']", "b", ("--strategy=b",)),
    "flag": ("action='store_true'", True, ("--strategy",)),
    "number": ("type=int", 3, ("--strategy", "3")),
}


@pytest.mark.parametrize("place", ["conftest.py", "tests/conftest.py", "before.py", "zz_after.py"])
@pytest.mark.parametrize("kind", ["text", "default", "choice", "flag", "number"])
def test_somebody_elses_strategy_is_theirs(
    tmp_path: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str, kind: str
) -> None:
    how, value, words = THEIRS[kind]
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    (tmp_path / "tests" / "test_it.py").write_text(ASKS.format(value=value))
    (tmp_path / place).write_text(OPTION.format(how=how))
    plugin = ("-p", Path(place).stem) if place in ("before.py", "zz_after.py") else ()
    monkeypatch.syspath_prepend(tmp_path)
    code, output = run_here(pytester, tmp_path, *words, *plugin)
    assert code == 0, output


def test_beside_somebody_elses_strategy_ours_has_its_long_name(instant: Project) -> None:
    (instant.folder / "conftest.py").write_text(OPTION.format(how="default='slow'"))
    found = instant.run("suites/toy", "--stab-strategy", "devlin", "-m", "stab_run", "--strategy", "quick")
    assert found.code == 0, found.output
    assert "devlin on toy" in found.output
    assert "ours" not in found.output


@pytest.mark.parametrize(
    ("words", "workers"),
    [
        (("--strategy", "devlin"), ()),
        (("--strategy", "devlin"), ("-n", "1")),
        (("--strategy=devlin",), ()),
        (("--stab-strategy=devlin",), ()),
    ],
)
def test_both_names_where_nobody_else_has_one(
    instant: Project, words: tuple[str, ...], workers: tuple[str, ...]
) -> None:
    (instant.folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["suites"]\n')
    (instant.folder / "devlin").mkdir()  # it is no file that was asked for
    found = instant.run(*words, *workers, "-m", "stab_run")
    assert found.code == 0, found.output
    assert "trained, not judged: devlin on toy" in found.output


def test_the_short_name_may_stand_in_the_settings(instant: Project) -> None:
    (instant.folder / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\naddopts = ["--strategy", "devlin"]\n'
    )
    found = instant.run("suites/toy", "-m", "stab_run")
    assert "trained, not judged: devlin on toy" in found.output, found.output


def test_runs_are_handed_out_one_at_a_time(instant: Project) -> None:
    """Of 40 runs a worker that is slow from its third on gets a few only."""
    instant.write_suite(seeds=40)
    (instant.folder / "conftest.py").write_text(
        "import os, time\n\ndef pytest_runtest_setup(item):\n"
        "    worker = os.environ.get('PYTEST_XDIST_WORKER')\n"
        "    with open(worker, 'a') as file:\n        file.write('x')\n"
        "    while worker == 'gw1' and not os.path.exists('over'):\n"
        "        time.sleep(0.05)\n        over = os.path.exists('gw0') and os.path.getsize('gw0') > 36\n"
        "        if over:\n            open('over', 'w').close()\n"
    )
    found = instant.run("suites/toy", "-n", "2", "-m", "stab_run")
    assert found.code == 0, found.output
    assert (instant.folder / "gw0").stat().st_size > 36
