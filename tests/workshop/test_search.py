"""The search for the learning rate: counting, choosing, edges."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stabbench.workshop.search import Cell, chosen_rate, edge_line, edges, table


def cell(task: str, rate: float, without: int, corrected: int) -> Cell:
    return Cell(task, rate, (without, 10), (corrected, 10))


GRID = [
    cell("a", 1e-4, 0, 0),
    cell("b", 1e-4, 4, 0),
    cell("a", 2e-4, 5, 0),
    cell("b", 2e-4, 6, 0),
    cell("a", 4e-4, 10, 0),
    cell("b", 4e-4, 10, 1),
]


def test_the_rate_at_which_most_tasks_tell_strategies_apart() -> None:
    assert chosen_rate(GRID) == 2e-4


def test_a_rate_that_bias_correction_does_not_bear_tells_nothing() -> None:
    broken = [cell(c.task, c.learning_rate, c.without[0], 4) for c in GRID]
    assert chosen_rate(broken) is None


def test_of_equal_rates_the_one_in_the_middle_of_the_band() -> None:
    assert chosen_rate([cell("a", 1e-4, 3, 0), cell("a", 2e-4, 6, 0), cell("a", 3e-4, 8, 0)]) == 2e-4


def test_edges() -> None:
    assert edges(GRID, "a") == (2e-4, 4e-4)
    assert edges(GRID, "b") == (1e-4, 2e-4)
    assert edges([cell("a", 1e-4, 0, 1)], "a") == (None, None)
    assert (
        edge_line(GRID, "a")
        == "a: runs fail from 0.0002 without it; with it 0.0004 is the highest rate at which none fails, "
        "2 times as high"
    )
    never = edge_line([cell("a", 1e-4, 0, 1)], "a")
    assert never == "a: none fails without it; some fail with it at every rate"


def test_the_table_has_every_cell() -> None:
    lines = table(GRID).splitlines()
    assert [part.strip() for part in lines[0].split("|")[3:6]] == ["0.0001", "0.0002", "0.0004"]
    assert [part.strip() for part in lines[2].split("|")[1:6]] == ["a", "without", "0/10", "5/10", "10/10"]
    assert [part.strip() for part in lines[5].split("|")[1:6]] == ["b", "with", "0/10", "0/10", "1/10"]


@given(
    st.lists(
        st.tuples(st.sampled_from([1e-4, 2e-4, 3e-4]), st.integers(0, 10), st.integers(0, 2)), max_size=6
    )
)
def test_what_is_chosen_tells_strategies_apart_somewhere(found: list[tuple[float, int, int]]) -> None:
    grid = [cell(f"task{i}", *values) for i, values in enumerate(found)]
    rate = chosen_rate(grid)
    if rate is None:
        assert not any(c.tells_apart for c in grid)
    else:
        assert any(c.tells_apart for c in grid if c.learning_rate == rate)
