"""CPU time that the plugin costs a session without suites: sessions with it and without it, in turn.

python benchmarks/plugin.py [--pairs 9]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

WITHOUT = ("-p", "no:stabbench")


def seconds(folder: Path, *words: str) -> float:
    """Return the CPU time (user and system) of one session."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the medians, their ratio and what the plugin adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_plain.py").write_text("def test_it():\n    pass\n")
        seconds(folder)
        seconds(folder, *WITHOUT)  # both once: byte code is written
        found = [(seconds(folder), seconds(folder, *WITHOUT)) for _ in range(pairs)]
    with_it, without = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"{pairs} pairs: with {with_it:.3f} s, without {without:.3f} s of CPU time (medians)")
    print(f"ratio {with_it / without:.3f}, difference {with_it - without:+.3f} s")


if __name__ == "__main__":
    main()
