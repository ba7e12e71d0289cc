"""``stabbench init``: a starter project, whose first command passes its gates on the mini world."""

from __future__ import annotations

import argparse
import shlex
import shutil
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.text import shown, terminal

STARTER = Path(__file__).parent / "starter"
NEXT = "pytest suites/quick -n 2 --strategy ours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), help="made if it is not there; default: this one"
    )


def run(arguments: argparse.Namespace) -> int:
    """Copy the starter project and say what to type next.

    Raises:
        StabbenchError: when a file is there already, or the folder cannot be written.
    """
    folder: Path = arguments.folder
    sources = sorted(file for file in STARTER.rglob("*") if file.is_file())
    copies = {folder / file.relative_to(STARTER): file for file in sources if file.suffix != ".pyc"}  # pip's
    taken = dict.fromkeys(place for copy in copies for place in _in_the_way(copy))
    if taken:
        raise StabbenchError(
            f"already there: {', '.join(map(str, taken))}.",
            "nothing was written; name a new folder: stabbench init FOLDER.",
        )
    try:
        for copy, file in copies.items():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            print(f"wrote {shown(copy)}")
    except OSError as error:
        raise StabbenchError(f"{error.filename}: {error.strerror}.", "name a folder of your own.") from error
    change = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    print(terminal(f"\nNext:\n  {change}{NEXT}"))
    return 0


def _in_the_way(file: Path) -> list[Path]:
    """Return the file if anything is in its place (a broken link too), and what is a file above it."""
    above = [parent for parent in file.parents if parent.exists() and not parent.is_dir()]
    return above + ([file] if file.exists() or file.is_symlink() else [])
