"""The leaderboard's folder: written as a whole, and compared with what the runs give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from stabbench.errors import StabbenchError
from stabbench.leaderboard import data, latex, markdown, page
from stabbench.leaderboard.board import Board
from stabbench.leaderboard.pictures import Picture, pictures
from stabbench.leaderboard.plots import darkened, draw, mark
from stabbench.runs.files import write_atomic

PAGE = "index.html"


def texts(board: Board, drawn: tuple[Picture, ...]) -> dict[str, str]:
    """Return the text files of the folder by name; they are compared byte by byte."""
    return {
        "README.md": markdown.render(board, drawn),
        "table.csv": data.to_csv(board),
        "table.json": data.to_json(board),
        "table.tex": latex.render(board),
    }


def write(board: Board, folder: Path) -> None:
    """Write every file, and remove pictures that the board no longer has.

    Raises:
        StabbenchError: when the folder cannot be written.
    """
    drawn = pictures(board)
    try:
        write_files(texts(board, drawn) | {PAGE: page.render(board)} | svg_files(drawn), folder)
        for stale in _stale(folder, drawn):
            stale.unlink()
    except OSError as error:
        raise StabbenchError(
            f"{folder} cannot be written: {error.strerror or error}.", "choose another folder with --out."
        ) from error


def svg_files(drawn: Iterable[Picture]) -> dict[str, str]:
    """Return the SVG files of pictures by their path, for light and for dark ground."""
    files: dict[str, str] = {}
    for picture in drawn:
        svg = draw(picture)
        files |= {picture.path(dark=False): svg, picture.path(dark=True): darkened(svg)}
    return files


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Write text files below a folder, each in one piece."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, text.encode())


def differences(board: Board, folder: Path) -> list[str]:
    """Return a line for each file that is not what the board gives.

    Tables and the page are compared as text, the page without the charting library; pictures by the digest
    of their data, which stands in the file, since their bytes depend on the version of matplotlib.
    """
    drawn = pictures(board)
    found = []
    for name, text in texts(board, drawn).items():
        found += _difference(name, text, _read(folder / name))
    committed = _read(folder / PAGE)
    expected = page.render_comparable(board)
    found += _difference(PAGE, expected, None if committed is None else page.comparable(committed))
    found += picture_differences(drawn, folder)
    return found + [
        f"{path.relative_to(folder)}: no longer a picture of the board" for path in _stale(folder, drawn)
    ]


def picture_differences(drawn: Iterable[Picture], folder: Path) -> list[str]:
    """Return a line for each picture whose file is missing or shows other data."""
    found = []
    for picture in drawn:
        for dark in (False, True):
            svg = _read(folder / picture.path(dark))
            if svg is None:
                found.append(f"{picture.path(dark)}: missing")
            elif mark(picture) not in svg:
                found.append(f"{picture.path(dark)}: drawn from other data")
    return found


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()  # line ends as they are
    except FileNotFoundError:
        return None


def _stale(folder: Path, drawn: tuple[Picture, ...]) -> list[Path]:
    wanted = {folder / picture.path(dark) for picture in drawn for dark in (False, True)}
    return sorted(path for path in (folder / "figures").glob("*.svg") if path not in wanted)


def _difference(name: str, expected: str, committed: str | None) -> list[str]:
    """Return nothing when both are equal, else one line with the first line that differs."""
    if committed is None:
        return [f"{name}: missing"]
    if committed == expected:
        return []
    pairs = zip(committed.splitlines(), expected.splitlines(), strict=False)
    for number, (old, new) in enumerate(pairs, start=1):
        if old != new:
            place = next(
                (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
            )
            start = max(0, place - 40)
            return [
                f"{name}, line {number}: {old[start : place + 40]!r}, the runs give "
                f"{new[start : place + 40]!r}"
            ]
    return [f"{name}: {len(committed.splitlines())} lines, the runs give {len(expected.splitlines())}"]
