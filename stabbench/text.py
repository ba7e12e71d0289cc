"""How numbers are written for people, the same everywhere."""

from __future__ import annotations

DAY = 86_400


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits: ``8 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"
