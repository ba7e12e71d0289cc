"""The compiled code is made once, is made anew when it must be, and done without where it can't be had."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stabbench.training import compiled
from tests.training.test_layers import LONG, RATES, batch, by_modules, check_close, results, tiny

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "cache" / "stabbench"


def made() -> compiled.Library:
    """Return what a new process would have."""
    return compiled.library.__wrapped__()


def script(path: Path, text: str) -> str:
    """Return a compiler that is a shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_it_is_made_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = script(tmp_path / "counting", f'echo >> "{tmp_path}/calls"; exec cc "$@"')
    monkeypatch.setenv("CC", counting)
    first, second = made(), made()
    assert first.functions is not None
    assert first.name == second.name
    assert (tmp_path / "calls").read_text(encoding="utf-8").count("\n") == 1
    assert [path.name for path in home.iterdir()] == [f"stack-{first.name}.so"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_another_source_or_compiler_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [made().name]
    source = tmp_path / "stack.c"
    source.write_text(compiled.SOURCE.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    monkeypatch.setattr(compiled, "SOURCE", source)
    names.append(made().name)
    monkeypatch.setenv("CC", script(tmp_path / "other", 'exec cc "$@"'))
    names.append(made().name)
    assert len(set(names)) == 3


def test_a_processor_that_is_told_in_other_words_is_not_taken_for_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "CPUINFO", tmp_path / "cpuinfo", raising=False)
    (tmp_path / "cpuinfo").write_text("isa: rv64imafdcv\n", encoding="utf-8")
    assert compiled._processor() == repr(os.uname())


def refuse(path: Path) -> str:
    return script(path, "exit 1")


def hang(path: Path) -> str:
    return script(path, "sleep 60")


def write_rubbish(path: Path) -> str:
    return script(path, 'while [ "$1" != -o ]; do shift; done; echo rubbish > "$2"')


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [(refuse, "failed"), (hang, "took more than 0 s"), (write_rubbish, "not loaded: ")],
    ids=["refuses", "hangs", "writes rubbish"],
)
def test_it_is_done_without(
    compiler: Callable[[Path], str], reason: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "SECONDS", 0.2)
    monkeypatch.setenv("CC", compiler(tmp_path / "compiler"))
    library = made()
    assert library.functions is None
    assert reason in library.name
    assert not list(home.iterdir())  # so that the next process tries again


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert made() == compiled.Library(None, "no C compiler")


def test_what_lies_broken_in_the_cache_is_made_anew(home: Path) -> None:
    name = made().name
    (home / f"stack-{name}.so").write_bytes(b"")
    assert made().functions is not None


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert made().functions is not None
    assert not list((tmp_path / "temporary").iterdir())  # loaded, it needs no file


def open_to_all(home: Path) -> None:
    home.chmod(0o777)


def linked(home: Path) -> None:
    home.rename(home.parent / "elsewhere")
    home.symlink_to(home.parent / "elsewhere")


@pytest.mark.parametrize("change", [open_to_all, linked])
def test_a_cache_that_others_can_write_to_is_not_used(
    change: Callable[[Path], None], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = made().name
    change(home)
    counting = script(tmp_path / "counting", f'echo >> "{tmp_path}/calls"; exec cc "$@"')
    planted = home / f"stack-{name}.so"
    planted.write_bytes(b"somebody else's")
    monkeypatch.setattr(compiled, "_key", lambda compiler: name)
    monkeypatch.setenv("CC", counting)
    assert made().functions is not None
    assert (tmp_path / "calls").exists()
    assert planted.read_bytes() == b"somebody else's"


def test_a_relative_cache_home_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    library = made()
    assert not (tmp_path / "relative").exists()
    assert (tmp_path / "home" / ".cache" / "stabbench" / f"stack-{library.name}.so").exists()


def test_a_place_that_code_is_not_loaded_from_is_not_needed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /tmp on some machines."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert made().functions is not None
    assert len(list(home.iterdir())) == 1


def test_a_source_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "SOURCE", tmp_path / "stack.c")
    library = made()
    assert library.functions is None
    assert "stack.c" in library.name


def test_processes_that_make_it_at_once_all_have_it(home: Path) -> None:
    code = "from stabbench.training.compiled import library; assert library().functions is not None"
    running = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(list(home.iterdir())) == 1


@pytest.mark.skipif("fma" not in compiled._processor(), reason="no processor with these instructions")
@pytest.mark.parametrize("instructions", ["x86-64", "x86-64-v3"])
def test_other_instructions_compute_the_same(
    instructions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    flags = [f"-march={instructions}" if flag == "-march=native" else flag for flag in compiled.FLAGS]
    monkeypatch.setattr(compiled, "FLAGS", tuple(flags))
    library = made()
    assert isinstance(library.functions, ctypes.CDLL)
    model = tiny("bert", **RATES)
    monkeypatch.setattr(compiled, "library", lambda: library)
    mine, ours = results(model, batch(LONG))
    assert ours
    check_close(mine, results(by_modules(model), batch(LONG))[0])
