"""Our C code, compiled at first use by whatever C compiler there is, for the processor at hand.

The library is kept in the user's cache folder under a key of all that it is made of, so that another source,
compiler or processor has its own. Where it cannot be had, the reason is told and Python does the work.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("stack.c")

CPUINFO = Path("/proc/cpuinfo")

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-fPIC", "-shared")
"""None of those that change what NaN, infinity or small numbers do."""

SECONDS = 60.0
"""A compiler that takes longer is stopped."""

KEY_LENGTH = 16


@dataclass(frozen=True)
class Library:
    """The compiled code.

    Attributes:
        functions: what ctypes calls; ``None`` where there are none.
        name: the key, or why there are none.
    """

    functions: ctypes.CDLL | None
    name: str


@cache
def library() -> Library:
    """Return the compiled code, made or found once per process."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for name in names if (found := shutil.which(name)) is not None), None)
    if compiler is None:
        return Library(None, "no C compiler")
    try:
        key = _key(compiler)
        return Library(_loaded(key, compiler), key)
    except subprocess.TimeoutExpired:
        return Library(None, f"{compiler} took more than {SECONDS:.0f} s")
    except subprocess.CalledProcessError:
        return Library(None, f"{compiler} failed")
    except OSError as error:
        return Library(None, f"not loaded: {error}")  # a source that cannot be read included


def _key(compiler: str) -> str:
    """Return what names a library: its source, the compiler and the processor."""
    made = Path(compiler).stat()
    parts = (
        SOURCE.read_text(encoding="utf-8"),
        FLAGS,
        os.path.realpath(compiler),
        made.st_mtime_ns,
        made.st_size,
    )
    return hashlib.sha256(repr((*parts, _processor())).encode()).hexdigest()[:KEY_LENGTH]


def _processor() -> str:
    """Return what ``-march=native`` depends on, or what names this machine."""
    known: set[str] = set()
    with contextlib.suppress(OSError):
        lines = CPUINFO.read_text(encoding="utf-8").splitlines()
        known = {x for x in lines if x.startswith(("model name", "flags", "Features", "CPU part"))}
    return "\n".join(sorted(known)) or (repr(os.uname()) if hasattr(os, "uname") else "")


def _loaded(key: str, compiler: str) -> ctypes.CDLL:
    """Return the library, from the cache or compiled.

    Raises:
        OSError: where it cannot be written anywhere, or not be loaded.
        subprocess.SubprocessError: when the compiler fails or takes too long.
    """
    folder = None
    with contextlib.suppress(OSError, RuntimeError):  # no home, or not ours, or what lies there is broken
        folder = _folder()
        path = folder / f"stack-{key}.so"
        if path.exists():
            return ctypes.CDLL(str(path))
    if folder is not None:
        with contextlib.suppress(OSError):  # full, or none that code is loaded from
            return _made(compiler, folder, f"stack-{key}.so")
    return _made(compiler, None, "")


def _made(compiler: str, folder: Path | None, name: str) -> ctypes.CDLL:
    """Return the library, compiled and kept in a folder under a name, or kept nowhere.

    It is made in a folder of its own within that one: processes in two containers, or on two machines, may
    have one home and the same number.
    """
    with tempfile.TemporaryDirectory(prefix=".stabbench-", dir=folder) as made:
        new = Path(made) / "stack.so"
        command = [compiler, *FLAGS, str(SOURCE), "-o", str(new)]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, timeout=SECONDS, stdin=quiet, stdout=quiet, stderr=quiet)
        found = ctypes.CDLL(str(new))
        if folder is not None:
            new.replace(folder / name)
    return found


def _folder() -> Path:
    """Return the cache folder, which nobody else can write to."""
    home = Path(os.environ.get("XDG_CACHE_HOME", ""))
    folder = (home if home.is_absolute() else Path.home() / ".cache") / "stabbench"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()  # of a link, whoever made it says where it leads
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(f"others can put files into {folder}")
    return folder
