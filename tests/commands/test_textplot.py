"""Distributions as text: every score in its column, one axis for all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stabbench import metrics
from stabbench.commands.textplot import BLOCKS, strips

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def test_an_example() -> None:
    lines = strips(
        {"a": [0.0, 0.0, 1.0], "longer": [1.0]}, 0.5, metrics.get("accuracy"), width=5
    ).splitlines()
    assert lines[0] == "a       █   ▄"
    assert lines[1] == "longer      █"
    assert lines[2] == "        --^--"
    assert lines[3].startswith("        0.0100.0")
    assert "50.0" in lines[3]


@given(SCORES, SCORES, st.floats(0, 1))
def test_no_score_is_lost_and_the_axis_is_common(one, other, constant) -> None:
    lines = strips({"one": one, "other": other}, constant, metrics.get("accuracy")).splitlines()
    assert len(lines) == 4
    low, high = min([*one, *other, constant]), max([*one, *other, constant])
    for name, scores, line in zip(("one", "other"), (one, other), lines, strict=False):
        assert line.startswith(name)
        shown = line[7:].ljust(56)
        filled = {index for index, block in enumerate(shown) if block != " "}
        span = (high - low) or 1.0
        assert filled == {min(55, int((score - low) / span * 56)) for score in scores}
        assert set(shown) <= set(BLOCKS)
    assert lines[2].count("^") == 1
